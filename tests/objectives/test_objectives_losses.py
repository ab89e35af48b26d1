"""The five losses against their formulas in float64: values, derivatives, extremes, signs, equilibria."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from ms_gan.commands.lines import describe_record, reading_of
from ms_gan.config import load_config
from ms_gan.config.schema import LOSS_KINDS
from ms_gan.objectives import LOSSES, PAIRED_LOSSES
from ms_gan.training.plan import make_plan

pytestmark = pytest.mark.usefixtures("mindspore_cpu")


def softplus(x):
    return np.logaddexp(0, x)


def sigmoid(x):
    return np.exp(-np.logaddexp(0, -x))


# Part of the loss: value per logit, derivative per logit.
FORMULAS = {
    ("non_saturating", "real"): (lambda s: softplus(-s), lambda s: -sigmoid(-s)),
    ("non_saturating", "fake"): (softplus, sigmoid),
    ("non_saturating", "generator"): (lambda s: softplus(-s), lambda s: -sigmoid(-s)),
    ("minimax", "real"): (lambda s: softplus(-s), lambda s: -sigmoid(-s)),
    ("minimax", "fake"): (softplus, sigmoid),
    # log(1 - sigmoid(s)), which G makes smaller
    ("minimax", "generator"): (lambda s: -softplus(s), lambda s: -sigmoid(s)),
    ("wasserstein", "real"): (lambda s: -s, lambda s: -np.ones_like(s)),
    ("wasserstein", "fake"): (lambda s: s, np.ones_like),
    ("wasserstein", "generator"): (lambda s: -s, lambda s: -np.ones_like(s)),
    ("least_squares", "real"): (lambda s: (s - 1) ** 2 / 2, lambda s: s - 1),
    ("least_squares", "fake"): (lambda s: s**2 / 2, lambda s: s),
    ("least_squares", "generator"): (lambda s: (s - 1) ** 2 / 2, lambda s: s - 1),
    ("hinge", "real"): (lambda s: np.maximum(0, 1 - s), lambda s: -(s < 1).astype(float)),
    ("hinge", "fake"): (lambda s: np.maximum(0, 1 + s), lambda s: (s > -1).astype(float)),
    ("hinge", "generator"): (lambda s: -s, lambda s: -np.ones_like(s)),
}
LOGITS = np.float32([[-120], [-30], [-3.3], [-1.5], [-0.4], [0], [0.2], [0.7], [2.5], [17], [120]])


def test_every_loss_has_its_formula():
    assert {name for name, _ in FORMULAS} == set(LOSSES)
    paired = {name for name, kind in LOSS_KINDS.items() if kind == "pairs"}
    assert (set(LOSSES), set(PAIRED_LOSSES)) == (set(LOSS_KINDS) - paired, paired)


@pytest.mark.parametrize("mode", ["graph", "pynative"])
@pytest.mark.parametrize(("name", "part"), list(FORMULAS))
def test_value_and_derivative(name, part, mode):
    value_of, derivative_of = FORMULAS[name, part]
    differentiate = ms.value_and_grad(getattr(LOSSES[name], part))
    value, gradient = (ms.jit(differentiate) if mode == "graph" else differentiate)(Tensor(LOGITS))
    exact = LOGITS.astype(np.float64)
    assert value.shape == ()
    np.testing.assert_allclose(value.asnumpy(), value_of(exact).mean(), rtol=1e-6)
    # The loss is the mean over the batch, so that is what the gradient is divided by.
    np.testing.assert_allclose(gradient.asnumpy() * len(LOGITS), derivative_of(exact), rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("name", list(LOSSES))
def test_gradient_does_not_depend_on_batch_sizes_of_before(name):
    # MindSpore's own mean of the cross-entropy divides by the first batch size of the process, in PyNative.
    for part in ("real", "fake", "generator"):
        derivative_of = FORMULAS[name, part][1]
        for count in (7, 1, 32, 7):
            logits = np.linspace(-0.8, 0.7, count, dtype=np.float32)[:, None]
            gradient = ms.grad(getattr(LOSSES[name], part))(Tensor(logits)).asnumpy()
            np.testing.assert_allclose(gradient * count, derivative_of(logits.astype(np.float64)), rtol=2e-6, atol=1e-7)


def slope(function, logit):
    return float(ms.grad(function)(Tensor(np.float32([[logit]]))).asnumpy().item())


def test_where_d_is_sure_the_gradient_does_not_vanish():
    for name in ("non_saturating", "minimax"):
        assert slope(LOSSES[name].real, -120) == -1.0
        assert slope(LOSSES[name].fake, 120) == 1.0
    assert slope(LOSSES["non_saturating"].generator, -120) == -1.0
    # This is why the non-saturating loss is the default: here the original one leaves G nothing to go by.
    assert slope(LOSSES["minimax"].generator, -120) == pytest.approx(0.0, abs=1e-30)
    assert slope(LOSSES["minimax"].generator, 120) == -1.0


@pytest.mark.parametrize("name", list(LOSSES))
def test_d_raises_real_scores_and_lowers_fake_ones_and_g_raises_them(name):
    for logit in (-0.9, -0.2, 0.4, 0.9):
        assert slope(LOSSES[name].real, logit) < 0
        assert name == "least_squares" or slope(LOSSES[name].fake, logit) > 0
        assert slope(LOSSES[name].generator, logit) < 0
    assert slope(LOSSES["least_squares"].fake, 0.4) > 0  # to zero, from either side
    assert slope(LOSSES["least_squares"].fake, -0.2) < 0


@pytest.mark.parametrize(
    ("name", "logit", "d_loss", "g_loss"),
    [
        ("non_saturating", 0.0, 2 * np.log(2), np.log(2)),
        ("minimax", 0.0, 2 * np.log(2), -np.log(2)),
        ("wasserstein", 3.0, 0.0, -3.0),
        ("least_squares", 0.5, 0.25, 0.125),
        ("hinge", 0.0, 2.0, 0.0),
    ],
)
def test_equilibrium(name, logit, d_loss, g_loss):
    logits = Tensor(np.full((4, 1), logit, np.float32))
    loss = LOSSES[name]
    found = float(loss.real(logits).asnumpy() + loss.fake(logits).asnumpy())
    assert found == pytest.approx(d_loss, rel=1e-6, abs=1e-7)
    assert loss.even == d_loss
    assert float(loss.generator(logits).asnumpy()) == pytest.approx(g_loss, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize(
    ("name", "together", "in_turn"),
    [
        ("non_saturating", "loss_d 1.39, loss_g 0.693", "loss_d 0.693, loss_g 0.693"),
        ("minimax", "-0.69 at the equilibrium", "-0.69 at the equilibrium"),
        ("wasserstein", "it should rise at first", "it should rise at first"),
        ("least_squares", "loss_d 0.25, loss_g 0.125", "loss_d 0.125, loss_g 0.125"),
        ("hinge", "loss_d 2 means", "loss_d 1 means"),
        ("relativistic", "both losses 0.69", None),
    ],
)
def test_readings_state_these_numbers(name, together, in_turn):
    """D's loss is printed as the sum of its parts, or of updates in turn as their mean; recipe dense has these."""
    orders = {"together": together} | ({"in_turn": in_turn} if in_turn else {})
    for order, expected in orders.items():
        reading = reading_of(load_config("dense", [f"objective.loss={name}", f"updates.real_and_fake={order}"]))
        assert expected in reading
        assert ("of D's updates on real and on fake" in reading) == (order == "in_turn")
        assert ("accuracy is 50 %" in reading) == (order == "in_turn" and name != "wasserstein")


@pytest.mark.parametrize(("loss", "told"), [("non_saturating", True), ("wasserstein", False)])
def test_line_tells_an_accuracy_where_scores_have_a_zero(loss, told):
    config = load_config("dense", [f"objective.loss={loss}"])
    record = dict.fromkeys(("epoch", "step", "d_loss", "g_loss", "d_real", "d_fake", "d_accuracy"), 1)
    record |= {} if told else {"distance": 0.0}
    assert ("accuracy" in describe_record(config, make_plan(config, 10), record)) is told


def test_what_the_sigmoid_makes_probabilities_of():
    assert [name for name, kind in LOSS_KINDS.items() if kind == "gan"] == ["non_saturating", "minimax"]
