"""Half precision: near to float32, no update from gradients that overflowed, the same bits after resuming."""

import numpy as np
import pytest
from small_runs import SmallRun, digits_for, small_config

from ms_gan.errors import UserError

HALF = "precision=fp16"


@pytest.fixture(scope="module")
def half_run(mindspore_cpu):
    return SmallRun(small_config("mlp", HALF, "mode=pynative", steps=4), digits_for("mlp", 64)).train()


def test_half_precision_is_near_float32_and_its_weights_are_float32(half_run):
    whole = SmallRun(small_config("mlp", "mode=pynative", steps=4), digits_for("mlp", 64)).train()
    for one, other in zip(half_run.records, whole.records, strict=True):
        assert one["d_loss"] == pytest.approx(other["d_loss"], abs=0.01)
        assert one["g_loss"] == pytest.approx(other["g_loss"], abs=0.01)
    # Rounded somewhere, or it would be no half precision.
    assert half_run.records != whole.records
    state = half_run.state()
    assert {array.dtype for name, array in state.items() if name.endswith("weight")} == {np.dtype(np.float32)}
    assert set(state) - set(whole.state()) == {"generator_optimizer.skipped", "discriminator_optimizer.skipped"}
    assert any("float16" in line for line in half_run.announced)


def test_gradients_that_overflow_change_nothing_and_are_counted(mindspore_cpu, monkeypatch):
    from ms_gan.training import precision

    monkeypatch.setattr(precision, "SCALE", 1e38)
    run = SmallRun(small_config("mlp", HALF, steps=3), digits_for("mlp", 64))
    run.train()
    after = run.state()
    assert precision.skipped_updates(run.players) == 6
    trained = [
        parameter.name
        for net in (run.players.generator, run.players.discriminator)
        for parameter in net.trainable_params()
    ]
    assert all(np.array_equal(after[name], run.start[name]) for name in trained)


def test_nothing_is_skipped_where_nothing_overflows(half_run):
    from ms_gan.training.precision import skipped_updates

    assert skipped_updates(half_run.players) == 0
    assert half_run.state()["generator_optimizer.global_step"] == 4


def test_a_resumed_run_ends_with_the_bits_of_one_that_was_not_interrupted(train_here, command, tmp_path):
    wish = ("--precision", "fp16", "--set", "batch_size=16")
    whole = train_here("--steps", 6, "--save-every", 3, *wish)
    part = train_here("--steps", 3, *wish)
    result = command("train", "--resume", part, "--steps", 6, "--device", "cpu")
    assert result.status == 0, result.stderr
    one, other = (dict(np.load(run / "checkpoints/state-00000006/parameters.npz")) for run in (whole, part))
    assert "generator_optimizer.skipped" in one
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)


def test_several_workers_are_refused(mindspore_cpu, monkeypatch):
    from ms_gan.networks import ImageShape
    from ms_gan.training import setup

    monkeypatch.setattr(setup, "team_size", lambda: 2)
    with pytest.raises(UserError, match="fp16 is for one worker"):
        setup.build_players(small_config("mlp", HALF), ImageShape(1, 28))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--config", "wgan_gp", "--precision", "fp16"), "config precision: fp16 goes without a penalty"),
        (("--set", "precision=bf16"), "fp32, fp16"),
    ],
)
def test_what_cannot_be_right_is_refused(command, words, message):
    result = command("train", "--dry-run", *words)
    assert result.status == 2
    assert message in result.stderr
