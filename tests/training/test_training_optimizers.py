"""Optimizers against their textbook formulas, and learning-rate schedules."""

import math

import numpy as np
import pytest
from mindspore import Parameter, Tensor

from ms_gan.config import OptimizerConfig
from ms_gan.errors import UserError
from ms_gan.training.optimizers import TableSchedule, build_optimizer, learning_rate

pytestmark = pytest.mark.usefixtures("mindspore_cpu")
RNG = np.random.default_rng(12)
START = RNG.standard_normal((3, 4)).astype(np.float32)
GRADIENTS = [(RNG.standard_normal((3, 4)) * scale).astype(np.float32) for scale in (1e-3, 1.0, 30.0, 1e-6)]


def adam(w, gradients, lr, beta1=0.4, beta2=0.95):
    """Kingma and Ba 2015, end of section 2, as MindSpore, TensorFlow and Keras have it."""
    m, v = np.zeros_like(w), np.zeros_like(w)
    for t, g in enumerate(gradients, 1):
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        w = w - lr(t - 1) * math.sqrt(1 - beta2**t) / (1 - beta1**t) * m / (np.sqrt(v) + 1e-8)
    return w


def rmsprop(w, gradients, lr):
    """Tieleman and Hinton 2012, from a mean square of zero; epsilon and momentum as `torch.optim.RMSprop` has them."""
    square, move = np.zeros_like(w), np.zeros_like(w)
    for t, g in enumerate(gradients):
        square = 0.9 * square + 0.1 * g**2
        move = 0.3 * move + g / (np.sqrt(square) + 1e-8)
        w = w - lr(t) * move
    return w


def sgd(w, gradients, lr):
    """Gradient descent with heavy-ball momentum."""
    move = np.zeros_like(w)
    for t, g in enumerate(gradients):
        move = 0.3 * move + g
        w = w - lr(t) * move
    return w


FORMULAS = {"adam": adam, "rmsprop": rmsprop, "sgd": sgd}


def updated(config, updates_per_step=1):
    weight = Parameter(Tensor(START), name="generator.w")
    optimizer = build_optimizer("generator", [weight], config, updates_per_step)
    for gradient in GRADIENTS:
        optimizer((Tensor(gradient),))
    return weight.asnumpy(), optimizer


def config_of(name, **values):
    momentum = 0.0 if name == "adam" else 0.3
    return OptimizerConfig(name=name, lr=0.01, beta1=0.4, beta2=0.95, decay=0.9, momentum=momentum, **values)


@pytest.mark.parametrize("name", list(FORMULAS))
def test_one_and_four_updates_follow_the_formula(name):
    weight, _ = updated(config_of(name))
    expected = FORMULAS[name](START.astype(np.float64), [g.astype(np.float64) for g in GRADIENTS], lambda t: 0.01)
    np.testing.assert_allclose(weight, expected, rtol=1e-5, atol=1e-7)


def test_rmsprop_takes_a_gradient_of_zero_for_no_move():
    weight = Parameter(Tensor(START), name="generator.w")
    optimizer = build_optimizer("generator", [weight], config_of("rmsprop"), 1)
    for gradient in (0, 1e-30, 0):  # MindSpore's own made NaN of 0; the square of 1e-30 is 0 too
        optimizer((Tensor(np.full_like(START, gradient)),))
    np.testing.assert_allclose(weight.asnumpy(), START, rtol=1e-6)


def test_adam_without_a_memory_of_the_gradient():
    weight, _ = updated(OptimizerConfig(lr=0.01, beta1=0.0, beta2=0.9))
    gradients = [g.astype(np.float64) for g in GRADIENTS]
    expected = adam(START.astype(np.float64), gradients, lambda t: 0.01, 0.0, 0.9)
    np.testing.assert_allclose(weight, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", list(FORMULAS))
@pytest.mark.parametrize("updates_per_step", [1, 2])
def test_schedule_is_followed_update_by_update(name, updates_per_step):
    config = config_of(name, schedule="linear", lr_end=0.1, lr_steps=2)
    weight, _ = updated(config, updates_per_step)
    updates = 2 * updates_per_step

    def lr(update):
        return 0.01 * (1 - 0.9 * min(update / updates, 1.0))

    expected = FORMULAS[name](START.astype(np.float64), [g.astype(np.float64) for g in GRADIENTS], lr)
    np.testing.assert_allclose(weight, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", list(FORMULAS))
def test_optimizers_have_names_of_their_own(name):
    names = []
    for role in ("generator", "discriminator"):
        weight = Parameter(Tensor(START), name=f"{role}.w")
        optimizer = build_optimizer(role, [weight], config_of(name), 1)
        assert weight.name == f"{role}.w"
        names += [parameter.name for parameter in optimizer.get_parameters() if parameter is not weight]
    assert names
    assert len(set(names)) == len(names)
    assert all(entry.startswith(("generator_optimizer.", "discriminator_optimizer.")) for entry in names)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        # progress 0, 1/4, 1/3, 1/2, 2/3, 3/4, 1
        ("constant", [1, 1, 1, 1, 1, 1, 1]),
        ("linear", [1, 0.8, 11 / 15, 0.6, 7 / 15, 0.4, 0.2]),
        ("cosine", [1, 0.2 + 0.4 * (1 + 2**-0.5), 0.8, 0.6, 0.4, 0.2 + 0.4 * (1 - 2**-0.5), 0.2]),
        # two drops, a third and two thirds of the way, none at the end
        ("step", [1, 1, 0.2, 0.2, 0.04, 0.04, 0.04]),
    ],
)
def test_schedules(schedule, expected):
    config = OptimizerConfig(lr=0.5, schedule=schedule, lr_end=0.2, lr_drops=2)
    found = [learning_rate(config, progress) for progress in (0, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4, 1)]
    np.testing.assert_allclose(found, 0.5 * np.array(expected), rtol=1e-12)


@pytest.mark.parametrize("lr_steps", [3, 6, 7, 30, 9370])
@pytest.mark.parametrize("drops", [1, 2, 4])
def test_drops_are_evenly_spaced_and_as_many_as_asked(lr_steps, drops):
    config = OptimizerConfig(lr=1.0, schedule="step", lr_end=0.5, lr_drops=drops)
    rates = [learning_rate(config, step / lr_steps) for step in range(lr_steps + 1)]
    assert rates == [0.5 ** min(step * (drops + 1) // lr_steps, drops) for step in range(lr_steps + 1)]


@pytest.mark.parametrize("updates_per_step", [1, 3])
@pytest.mark.parametrize("schedule", ["constant", "cosine", "linear"])
def test_warm_up_rises_linearly_to_the_schedule(schedule, updates_per_step):
    config = config_of("sgd", schedule=schedule, lr_end=0.1, lr_steps=10, lr_warmup=4)
    _, optimizer = updated(config, updates_per_step)
    found = [float(optimizer.learning_rate(Tensor([update])).asnumpy()) for update in range(14 * updates_per_step)]
    whole = [learning_rate(config, min(update / (10 * updates_per_step), 1.0)) for update in range(len(found))]
    shares = [min(1.0, (update + 1) / (4 * updates_per_step)) for update in range(len(found))]
    np.testing.assert_allclose(found, np.array(whole) * shares, rtol=1e-6)
    assert found[0] == pytest.approx(0.01 / (4 * updates_per_step))


@pytest.mark.parametrize("change", [{"lr_warmup": 10**12}, {"schedule": "cosine", "lr_steps": 10**12}])
def test_schedules_that_no_memory_holds_are_refused(change):
    with pytest.raises(UserError, match="config generator_optimizer: the learning rate changes over 1,000,000,000,000"):
        updated(config_of("adam", **change))


def test_table_holds_its_last_value():
    schedule = TableSchedule([0.3, 0.2, 0.1])
    rates = [float(schedule(Tensor([step], dtype=None)).asnumpy()) for step in (0, 1, 2, 3, 1000)]
    np.testing.assert_allclose(rates, [0.3, 0.2, 0.1, 0.1, 0.1], rtol=1e-6)


def test_optimizer_uses_the_function_at_every_update():
    config = config_of("sgd", schedule="cosine", lr_end=0.25, lr_steps=5)
    _, optimizer = updated(config, 2)
    table = [float(optimizer.learning_rate(Tensor([update])).asnumpy()) for update in range(14)]
    expected = [learning_rate(config, min(update / 10, 1.0)) for update in range(14)]
    np.testing.assert_allclose(table, expected, rtol=1e-6)
