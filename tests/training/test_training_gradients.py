"""Accumulated and clipped gradients, and penalties in one of several D steps: by hand, and with the same bits."""

import dataclasses
import json

import mindspore as ms
import numpy as np
import pytest
from conftest import slow
from mindspore import Parameter, Tensor, ops
from run_folders import copy_run, differences, states
from small_runs import SmallRun, differing, digits_for, small_config

from ms_gan.config import OptimizerConfig
from ms_gan.training.accumulation import drawn_in_parts, in_parts
from ms_gan.training.clipping import clipped
from ms_gan.training.optimizers import build_optimizer
from ms_gan.training.plan import penalty_due

pytestmark = pytest.mark.usefixtures("mindspore_cpu")
# Without batch normalisation: its statistics are those of a part.
PLAIN = ("generator.options.widths=[16]", "discriminator.options.widths=[12,8]")
# With it, in G's second layer.
NORMALISED = ("generator.options.widths=[16,16]", "discriminator.options.widths=[12]")
SGD = tuple(f"{role}_optimizer.{key}" for role in ("generator", "discriminator") for key in ("name=sgd", "lr=0.05"))


def in_mode(config, mode, images):
    return SmallRun(dataclasses.replace(config, mode=mode), images)


PARTED = (
    (),
    ("latent.shared=false", "updates.d_steps=2"),
    ("updates.real_and_fake=in_turn",),
    ("objective.loss=relativistic", "objective.penalty=r1_r2", "objective.penalty_weight=1"),
    ("objective.loss=wasserstein", "objective.penalty=gradient"),
)


# Slow: three that the others cover in part, and the rest in PyNative, whose bits other tests compare with graph mode's.
@pytest.mark.parametrize(
    ("settings", "mode"),
    [
        *((PARTED[case], "graph") for case in (0, 3)),
        *(slow(PARTED[case], "graph") for case in (1, 2, 4)),
        (PARTED[0], "pynative"),
        *(slow(case, "pynative") for case in PARTED[1:]),
    ],
)
def test_parts_of_a_batch_make_the_update_of_the_whole_batch(settings, mode):
    images = digits_for("mlp", 80)
    config = small_config("mlp", "batch_size=12", *PLAIN, *SGD, *settings, steps=3)
    whole = in_mode(config, "pynative", images).train()
    # Two in graph mode, which unrolls them: each is compiled.
    updates = dataclasses.replace(config.updates, accumulate=3 if mode == "pynative" else 2)
    parts = in_mode(dataclasses.replace(config, updates=updates), mode, images).train()
    ours, theirs, start = parts.state(), whole.state(), whole.start
    for name, value in theirs.items():
        if not name.startswith(("generator.", "discriminator.")):
            continue
        moved = np.abs(value - start[name]).max()
        # A bias at the end shifts both scores of a pair.
        assert moved > 0 or name.endswith("layers.4.bias"), name
        np.testing.assert_allclose(ours[name], value, rtol=0, atol=2e-4 * moved + 1e-7, err_msg=name)
    for one, other in zip(parts.records, whole.records, strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-5)


def test_each_part_is_from_the_whole_batch_which_keeps_its_order():
    """Of a batch in the order of data that are stored class by class, every part has all classes."""
    batch, parts = np.repeat(np.arange(3, dtype=np.float32), 4).reshape(12, 1), []

    def look(images):
        parts.append(images.asnumpy()[:, 0].tolist())
        return images

    def differentiate(images):
        return (images.mean(), look(images)), ()

    (mean, rows), _ = in_parts(differentiate, 4)(Tensor(batch))
    np.testing.assert_array_equal(rows.asnumpy(), batch)
    assert float(mean) == 1
    np.testing.assert_array_equal(drawn_in_parts(look, 4)(Tensor(batch)).asnumpy(), batch)
    assert parts == [[0, 1, 2]] * 8


def test_accumulation_with_batch_normalisation_has_the_same_bits_in_both_modes():
    images = digits_for("mlp", 80)
    config = small_config("mlp", "batch_size=8", *NORMALISED, "updates.accumulate=2", "ema.decay=0.9", steps=3)
    assert differing(in_mode(config, "graph", images).train(), in_mode(config, "pynative", images).train()) == []


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("bound", [0.5, 5.0, 500.0])
def test_long_gradients_are_shortened_to_the_bound_over_all_weights(bound, compiled):
    rng = np.random.default_rng(3)
    starts = [rng.standard_normal(shape).astype(np.float32) for shape in ((3, 4), (5,))]
    gradients = [rng.standard_normal(start.shape).astype(np.float32) for start in starts]
    weights = [Parameter(Tensor(start), name=f"generator.w{i}") for i, start in enumerate(starts)]
    optimizer = build_optimizer("generator", weights, OptimizerConfig(name="sgd", lr=1.0), 1)
    update = clipped(optimizer, bound)

    def step(*gradients):
        return update(gradients)

    (ms.jit(step) if compiled else step)(*map(Tensor, gradients))
    length = np.sqrt(sum((gradient.astype(np.float64) ** 2).sum() for gradient in gradients))
    factor = min(1.0, bound / length)
    for weight, start, gradient in zip(weights, starts, gradients, strict=True):
        np.testing.assert_allclose(start - weight.asnumpy(), factor * gradient, rtol=1e-5, atol=1e-6)
    assert clipped(optimizer, None) is optimizer


def test_clipped_and_warmed_up_runs_have_the_same_bits_in_both_modes():
    images = digits_for("mlp", 80)
    both = [
        f"{role}_optimizer.{setting}"
        for role in ("generator", "discriminator")
        for setting in ("clip_norm=0.1", "lr_warmup=2")
    ]
    basis = ("batch_size=8", *NORMALISED)
    config = small_config("mlp", *basis, *both, steps=4)
    graph = in_mode(config, "graph", images).train()
    assert differing(graph, in_mode(config, "pynative", images).train()) == []
    assert differing(graph, in_mode(small_config("mlp", *basis, steps=4), "pynative", images).train()) != []


LAZY = ("objective.penalty=r1", "objective.penalty_weight=2", "objective.penalty_every=3")


def test_penalty_is_due_in_every_third_d_step_of_the_run():
    config = small_config("mlp", *LAZY)
    assert [index for index in range(10) if penalty_due(config, index)] == [2, 5, 8]
    assert not any(penalty_due(small_config("mlp"), index) for index in range(3))


@pytest.mark.parametrize("shared", ["true", slow("false")])
def test_lazy_penalty_is_none_twice_and_three_times_the_third_time(shared):
    images = digits_for("mlp", 80)
    # That graph mode gives the same bits is shown below.
    basis = ("batch_size=8", "mode=pynative", *PLAIN, *SGD, f"latent.shared={shared}")
    lazy = SmallRun(small_config("mlp", *basis, *LAZY, steps=3), images)
    none = SmallRun(small_config("mlp", *basis, steps=3), images).train(2)
    lazy.train(2)
    assert differing(lazy, none) == []
    before = lazy.state()
    lazy.train(3)
    # From the same weights, one step with three times the weight in every step.
    thrice = SmallRun(small_config("mlp", *basis, LAZY[0], "objective.penalty_weight=6", steps=3), images)
    for cell in thrice.players.cells():
        for parameter in cell.get_parameters():
            ops.assign(parameter, Tensor(before[parameter.name]))
    thrice.position.step = 2
    thrice.train(3)
    ours, theirs = lazy.state(), thrice.state()
    for name in ours:
        if name.startswith(("generator.", "discriminator.")):
            np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=1e-6, err_msg=name)
    # What is recorded is the penalty with its own weight.
    assert lazy.records[2]["penalty"] == pytest.approx(thrice.records[0]["penalty"] / 3, rel=1e-5)


def test_lazy_run_has_the_same_bits_in_both_modes_and_after_a_resume(train_here, command, tmp_path):
    wish = [word for setting in (*LAZY, *PLAIN) for word in ("--set", setting)]
    whole = train_here("--steps", 25, "--log-every", 1, *wish)
    part = copy_run(whole, tmp_path / "part")
    # Without its newest state it goes on from step 20.
    states(part)[-1].rename(tmp_path / "newest")
    assert command("train", "--resume", part, "--mode", "pynative").status == 0
    assert differences(part, whole, free=("mode",)) == []
    history = [json.loads(line) for line in (whole / "history.jsonl").read_text().splitlines()]
    assert [record["step"] for record in history if "penalty" in record] == [3, 6, 9, 12, 15, 18, 21, 24]
