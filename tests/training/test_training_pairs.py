"""The relativistic loss of pairs: its formula, whose images it compares, its bits, and what a run says of it."""

import dataclasses
import json

import mindspore as ms
import numpy as np
import pytest
from conftest import slow
from mindspore import Tensor
from small_runs import SmallRun, digits_for, small_config

from ms_gan.data import stream as streams
from ms_gan.objectives import PAIRED_LOSSES
from ms_gan.training.numbers import d_numbers, g_numbers

pytestmark = pytest.mark.usefixtures("mindspore_cpu")
PAIRS = ("objective.loss=relativistic", "objective.penalty=r1_r2", "objective.penalty_weight=0.5")
REAL = np.array([[-120], [3], [0.5], [0.2], [-1], [70]], np.float32)
FAKE = np.array([[120], [1], [0.5], [-0.4], [2], [-70]], np.float32)


def softplus(x):
    return np.logaddexp(0, x)


@pytest.mark.parametrize("mode", ["graph", "pynative"])
@pytest.mark.parametrize(("part", "sign"), [("discriminator", 1), ("generator", -1)])
def test_value_and_derivatives_are_those_of_the_formula(part, sign, mode):
    differentiate = ms.value_and_grad(getattr(PAIRED_LOSSES["relativistic"], part), (0, 1))
    value, gradients = (ms.jit(differentiate) if mode == "graph" else differentiate)(Tensor(REAL), Tensor(FAKE))
    margin = sign * (REAL.astype(np.float64) - FAKE)
    np.testing.assert_allclose(value.asnumpy(), softplus(-margin).mean(), rtol=1e-6)
    slope = -np.exp(-softplus(margin)) / len(REAL)  # -sigmoid(-margin)
    for gradient, expected in zip(gradients, (sign * slope, -sign * slope), strict=True):
        np.testing.assert_allclose(gradient.asnumpy(), expected, rtol=2e-6, atol=1e-9)


def test_accuracy_is_of_pairs_and_scores_have_no_zero():
    record = [Tensor(np.float32(0.5)), Tensor(np.float32(0.25)), Tensor(REAL + 100), Tensor(FAKE + 100)]
    numbers = d_numbers("relativistic", record)
    assert numbers["d_accuracy"] == pytest.approx(3 / 6)
    assert numbers["d_real"] == pytest.approx(REAL.mean() + 100, rel=1e-6)
    assert numbers["d_fake"] == pytest.approx(FAKE.mean() + 100, rel=1e-6)


# With shared latents both modes run the same compiled step.
@pytest.mark.parametrize(
    ("shared", "mode"), [("true", "graph"), ("false", "graph"), ("false", "pynative"), slow("true", "pynative")]
)
def test_both_steps_compare_the_real_images_of_the_step(shared, mode):
    widths = ("generator.options.widths=[16]", "discriminator.options.widths=[12,8]")
    config = small_config("mlp", "batch_size=8", *widths, *PAIRS, f"latent.shared={shared}", steps=1)
    run = SmallRun(dataclasses.replace(config, mode=mode), digits_for("mlp", 80))
    generator, critic = run.players.generator, run.players.discriminator
    real = Tensor(run.stream.batch(0))
    draw = streams.d_latents if shared == "true" else streams.g_latents
    before = critic(real).asnumpy(), critic(generator(Tensor(streams.d_latents(1, 0, 8, 100)))).asnumpy()
    fake = generator(Tensor(draw(1, 0, 8, 100)))
    run.train()
    (record,) = run.records
    assert record["d_loss"] == pytest.approx(softplus(before[1] - before[0]).mean(), rel=1e-5)
    # G's loss is that of the updated D, on the same real images.
    after = softplus(critic(real).asnumpy() - critic(fake).asnumpy()).mean()
    assert record["g_loss"] == pytest.approx(after, rel=1e-5)
    assert record["penalty"] > 0


# r3gan_horses, slow in test_training_modes.py, has pairs too.
@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["mlp", "wgan_gp"])
def test_same_bits_in_both_modes(recipe):
    # Not with D's latents: both modes would run the same compiled step.
    fresh = ("latent.shared=false", "updates.d_steps=1", "objective.clip=null")
    config = small_config(recipe, "batch_size=4", *PAIRS, *fresh, steps=2)
    images = digits_for(recipe, 40)
    runs = [SmallRun(dataclasses.replace(config, mode=mode), images).train() for mode in ("graph", "pynative")]
    states = [run.state() for run in runs]
    assert all(states[0][name].tobytes() == states[1][name].tobytes() for name in states[0])
    assert runs[0].records == runs[1].records
    assert any("r1_r2 penalty's gradient agrees" in line for line in runs[0].announced)


def test_run_says_what_its_numbers_mean_and_draws_them(train_here, command):
    # Without the penalty, of which it says nothing here.
    run = train_here("--steps", "30", "--set", PAIRS[0])
    records = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    assert all(record["margin"] == pytest.approx(record["d_real"] - record["d_fake"]) for record in records)
    log = (run / "log.txt").read_text()
    for part in ("margin: by how much", "accuracy: in how many pairs.", "  margin ", "  accuracy "):
        assert part in log
    page = (run / "report.html").read_text()
    assert "How much more real D finds the real picture of a pair" in page
    assert "probability" not in page.split("Settings")[0].split("Curves")[-1]
    assert command("plot", run).status == 0


def test_generator_numbers_are_the_loss():
    assert g_numbers((Tensor(np.float32(0.75)),)) == {"g_loss": 0.75}
