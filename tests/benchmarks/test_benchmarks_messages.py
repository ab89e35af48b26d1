"""The messages that `benchmarks/scaling.py` counts are those that the steps of a run send."""

import pytest
from small_runs import SmallRun, digits_for, small_config

from benchmarks.scaling import messages
from ms_gan.errors import UserError

SMALL_D = "discriminator.options.widths=[3,4]"


@pytest.mark.parametrize(
    ("recipe", "settings"),
    [
        ("mlp", ["generator.options.widths=[5,6]", SMALL_D]),
        ("dense", ["generator.options.widths=[5,6]", SMALL_D]),
        ("dcgan", ["generator.options.widths=[5,4,6]", SMALL_D, "objective.loss=relativistic", "updates.d_steps=2"]),
        ("wgan", ["generator.options.widths=[6,5,4,3]", SMALL_D, "updates.d_steps=2", "updates.accumulate=2"]),
    ],
)
def test_messages_are_those_of_a_step(mindspore_cpu, monkeypatch, recipe, settings):
    from ms_gan.networks import kit
    from ms_gan.training import parallel

    sent = []

    class Counter(mindspore_cpu.nn.Cell):
        """AllReduce of two workers of whom the other one has zeros."""

        def construct(self, numbers):
            sent.append(4 * numbers.size)
            return numbers * 1

        def bprop(self, numbers, out, derivative):
            sent.append(4 * numbers.size)
            return (derivative,)

    for module in (kit, parallel):
        monkeypatch.setattr(module, "team_size", lambda: 2)
    monkeypatch.setattr(mindspore_cpu.ops, "AllReduce", Counter)
    run = SmallRun(small_config(recipe, "mode=pynative", *settings), digits_for(recipe, 200)).train(1)
    counted = messages(run.players, run.config)
    assert sorted(sent) == sorted(counted["gradients"] + counted["statistics"])


def test_messages_of_a_penalty_through_batch_normalisation_are_not_guessed(mindspore_cpu):
    from ms_gan.networks import ImageShape
    from ms_gan.training.setup import build_players

    config = small_config("dcgan", "objective.penalty=r1")
    with pytest.raises(UserError, match="--recipe dcgan: the messages of a penalty through batch normalisation"):
        messages(build_players(config, ImageShape(1, 28)), config)
