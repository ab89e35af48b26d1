"""Half precision: near to float32, no update from gradients that overflowed, the same bits after resuming."""

import numpy as np
import pytest
from small_runs import SmallRun, digits_for, small_config

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


@pytest.mark.parametrize(("mode", "critic"), [("graph", "dcgan"), ("pynative", "dcgan"), ("graph", "mlp")])
def test_spectral_normalisation_divides_by_what_float32_finds(mindspore_cpu, mode, critic):
    """In float16 the shortest length that it divides by would be zero."""
    critic = (f"name={critic}", "options.widths=[4,5]", "options.spectral=true")
    small = ("batch_size=4", "generator.options.widths=[8]", *(f"discriminator.{setting}" for setting in critic))
    images = digits_for("mlp", 20)
    half, whole = (
        SmallRun(small_config("mlp", *small, f"mode={mode}", *half, steps=3), images).train() for half in ((HALF,), ())
    )
    assert half.records != whole.records
    for one, other in zip(half.records, whole.records, strict=True):
        assert [one["d_loss"], one["g_loss"]] == pytest.approx([other["d_loss"], other["g_loss"]], abs=0.01)
    # The vectors of the power iteration.
    ours, theirs = half.state(), whole.state()
    vectors = [name for name in theirs if name.endswith(".u")]
    assert len(vectors) == 3
    for name in vectors:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=1e-4)


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


@pytest.fixture(scope="module")
def half_trained(train_here):
    """Give a run of 6 steps; not to be written to."""
    return train_here("--steps", 6, "--save-every", 3, "--precision", "fp16", "--set", "batch_size=16")


def test_a_resumed_run_ends_with_the_bits_of_one_that_was_not_interrupted(half_trained, train_here, command):
    whole, part = half_trained, train_here("--steps", 3, "--precision", "fp16", "--set", "batch_size=16")
    result = command("train", "--resume", part, "--steps", 6, "--device", "cpu")
    assert result.status == 0, result.stderr
    one, other = (dict(np.load(run / "checkpoints/state-00000006/parameters.npz")) for run in (whole, part))
    assert "generator_optimizer.skipped" in one
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)


def test_what_was_trained_in_half_precision_is_used_in_float32(half_trained, command, tmp_path):
    """`generate` draws the training's own grid again, up to rounding; `export` writes what it draws."""
    import matplotlib.image

    grid, drawn, same = tmp_path / "grid.png", tmp_path / "drawn.npy", tmp_path / "same.npy"
    generate = ("generate", half_trained, "--device", "cpu")
    assert command(*generate, "--training-grid", "--out", grid).status == 0
    trained = matplotlib.image.imread(half_trained / "images" / "step-00000006.png")
    assert np.abs(matplotlib.image.imread(grid) - trained).max() < 0.02
    file = tmp_path / "half.npz"
    assert command("export", half_trained, "--format", "npz", "--out", file, "--device", "cpu").status == 0
    assert command("draw", file, "--num", 4, "--out", same, "--device", "cpu").status == 0
    assert command(*generate, "--num", 4, "--out", drawn).status == 0
    np.testing.assert_allclose(np.load(same), np.load(drawn), rtol=0, atol=1.1e-4)


def test_a_run_goes_on_in_its_own_precision(half_trained, command):
    result = command("train", "--resume", half_trained, "--steps", 9, "--precision", "fp32", "--device", "cpu")
    assert result.status == 2
    assert "cannot change in a run that has begun: precision: fp16 -> fp32" in result.stderr


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
