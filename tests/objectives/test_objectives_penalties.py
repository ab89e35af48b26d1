"""Gradient penalties: values on critics whose gradient is known, gradients against central differences in float64."""

import typing

import float64_layers as exact
import mindspore as ms
import numpy as np
import pytest
from conftest import slow
from mindspore import Tensor
from penalty_cases import CRITICS, build_critic, exact_critic, inputs_for, penalty_gradient

from ms_gan.config.schema import Penalty
from ms_gan.networks import ImageShape
from ms_gan.objectives import PENALTIES, noise_shape

pytestmark = pytest.mark.usefixtures("mindspore_cpu")
IMAGE = ImageShape(3, 5)


def value(name, critic, inputs, mode):
    def value_of(real, fake, noise):
        return PENALTIES[name](critic, real, fake, noise)

    return float((ms.jit(value_of) if mode == "graph" else value_of)(*map(Tensor, inputs)).asnumpy())


@pytest.mark.parametrize("mode", ["graph", "pynative"])
@pytest.mark.parametrize("norm", [0.25, 1.0, 3.0])
@pytest.mark.parametrize("name", list(PENALTIES))
def test_linear_critic_has_the_norm_of_its_weights(name, norm, mode):
    weights = np.random.default_rng(9).standard_normal((3, 5, 5))
    weights *= norm / np.linalg.norm(weights)
    constant = Tensor(weights.astype(np.float32))

    def critic(images):
        return (images * constant).sum(axis=(1, 2, 3)).reshape((-1, 1))

    expected = {
        "gradient": (norm - 1) ** 2,
        "gradient_one_sided": max(norm - 1, 0) ** 2,
        "r1": norm**2 / 2,
        "r2": norm**2 / 2,
        "r1_r2": norm**2,
        "dragan": (norm - 1) ** 2,
    }[name]
    # Any other norm (over the batch, a channel, a row) of these weights would be another number.
    assert value(name, critic, inputs_for(name, IMAGE), mode) == pytest.approx(expected, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("mode", ["graph", "pynative"])
@pytest.mark.parametrize("name", list(PENALTIES))
def test_quadratic_critic_shows_where_and_per_what_the_norm_is_taken(name, mode):
    factors = np.random.default_rng(10).uniform(0.05, 0.5, (3, 5, 5))
    constant = Tensor(factors.astype(np.float32))

    def critic(images):
        # Not ops.square: MindSpore 2.7.1 never ends compiling its derivative's derivative, and takes all memory.
        return (0.5 * images * images * constant).sum(axis=(1, 2, 3)).reshape((-1, 1))

    class Exact:
        def input_gradient(self, x):
            return factors * x

    inputs = inputs_for(name, IMAGE)
    # Images of very different size: a mean of norms is not the norm over the batch.
    inputs = (inputs[0] * np.float32([0.1, 1, 3, 6])[:, None, None, None], *inputs[1:])
    real, fake, noise = (array.astype(np.float64) for array in inputs)
    expected = exact.penalty(name, Exact(), real, fake, noise)
    assert value(name, critic, inputs, mode) == pytest.approx(expected, rel=1e-5)
    batch_norm = np.sqrt((Exact().input_gradient(real) ** 2).sum())
    assert abs((batch_norm - 1) ** 2 - expected) > 0.1 * expected


def test_points_lie_between_real_and_fake_by_the_noise_of_the_image():
    seen = []

    def critic(images):
        seen.append(images.asnumpy())
        return images.sum(axis=(1, 2, 3))

    real, fake, _ = inputs_for("gradient", IMAGE)
    noise = np.float32([0, 0.25, 0.5, 1])[:, None, None, None]
    PENALTIES["gradient"](critic, *map(Tensor, (real, fake, noise)))
    np.testing.assert_allclose(seen[0], (1 - noise) * real + noise * fake, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(seen[0][0], real[0])


def test_noise_is_one_number_an_image_and_for_dragan_one_a_pixel():
    batch = (4, 3, 5, 5)
    assert {"none", *PENALTIES} == set(typing.get_args(Penalty))
    assert {name: noise_shape(name, batch) for name in PENALTIES} == {
        name: batch if name == "dragan" else (4, 1, 1, 1) for name in PENALTIES
    }


def test_zero_gradient_is_penalised_without_nan():
    def critic(images):
        return 0.0 * images.sum(axis=(1, 2, 3))

    for name in PENALTIES:
        inputs = tuple(map(Tensor, inputs_for(name, IMAGE)))
        expected = 1.0 if name in ("gradient", "dragan") else 0.0
        assert float(PENALTIES[name](critic, *inputs).asnumpy()) == pytest.approx(expected, abs=1e-5)


def exact_value(name, kind, weights, inputs):
    return exact.penalty(name, exact_critic(kind, weights), *inputs)


# Three penalties through convolutions are enough every day: the others are made of the same norms.
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        slow(name, kind) if kind == "conv" and name in ("gradient_one_sided", "r1", "r2") else (name, kind)
        for name in PENALTIES
        for kind in CRITICS
    ],
)
def test_gradient_of_the_penalty_for_every_weight(name, kind):
    critic, image = build_critic(kind)
    inputs = inputs_for(name, image)
    weights = [parameter.asnumpy().astype(np.float64) for parameter in critic.get_parameters()]
    wide = [array.astype(np.float64) for array in inputs]
    found, gradients = penalty_gradient(name, critic, inputs, "graph")
    assert found == pytest.approx(exact_value(name, kind, weights, wide), rel=1e-5)
    agree(name, kind, weights, wide, gradients)
    if kind == "dense":  # PyNative is right for dense critics; test_training_penalty_check tells of the others
        same, eager = penalty_gradient(name, critic, inputs, "pynative")
        assert same == pytest.approx(found, rel=1e-6)
        agree(name, kind, weights, wide, eager)


def agree(name, kind, weights, inputs, gradients):
    """Compare with central differences along random directions, which see an error in any entry."""
    rng = np.random.default_rng(11)
    largest = max(np.linalg.norm(gradient) for gradient in gradients)
    assert largest > 0.01
    for place, gradient in enumerate(gradients):
        for _ in range(3):
            direction = rng.standard_normal(gradient.shape)

            def along(entry, place=place):
                return exact_value(name, kind, [*weights[:place], entry, *weights[place + 1 :]], inputs)

            expected = exact.directional(along, weights[place], direction)
            assert abs((gradient * direction).sum() - expected) <= 2e-4 * largest
