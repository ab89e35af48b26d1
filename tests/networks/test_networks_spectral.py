"""Spectral normalisation against NumPy's SVD, in both kits and both modes."""

import dataclasses

import mindspore as ms
import numpy as np
import pytest
from conftest import slow
from mindspore import Parameter, Tensor
from small_runs import SmallRun, digits_for, small_config

from ms_gan.config import load_config, recipe_names
from ms_gan.errors import UserError
from ms_gan.networks import ImageShape, build_discriminator
from ms_gan.networks.configured import discriminator_of, image_shape
from ms_gan.networks.kit import plain_layers
from ms_gan.networks.spectral import SpectralScale

pytestmark = pytest.mark.usefixtures("mindspore_cpu")
SHAPE = (6, 3, 2, 2)
WEIGHT = np.random.default_rng(21).standard_normal(SHAPE).astype(np.float32)
MATRIX = WEIGHT.reshape(6, -1).astype(np.float64)


def test_after_many_uses_it_divides_by_the_largest_singular_value():
    scale = SpectralScale(6).set_train()
    for _ in range(200):
        found = scale(Tensor(WEIGHT)).asnumpy()
    left, values, _ = np.linalg.svd(MATRIX)
    np.testing.assert_allclose(found, WEIGHT / values[0], rtol=1e-4)
    assert abs(scale.u.asnumpy() @ left[:, 0]) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("compiled", [True, False])
def test_each_use_in_training_is_one_iteration_and_none_otherwise(compiled):
    scale = SpectralScale(6)
    u = scale.u.asnumpy().astype(np.float64)

    def use(weight):
        return scale(weight)

    def iterated(u):
        v = u @ MATRIX / np.linalg.norm(u @ MATRIX)
        return MATRIX @ v / np.linalg.norm(MATRIX @ v), v

    scale.set_train(False)
    drawing = ms.jit(use) if compiled else use
    expected, v = iterated(u)
    np.testing.assert_allclose(drawing(Tensor(WEIGHT)).asnumpy(), WEIGHT / (expected @ MATRIX @ v), rtol=1e-5)
    np.testing.assert_array_equal(scale.u.asnumpy(), u.astype(np.float32))
    scale.set_train()

    def train(weight):
        return scale(weight)

    training = ms.jit(train) if compiled else train
    for _ in range(3):
        found = training(Tensor(WEIGHT)).asnumpy()
        u, v = iterated(u)
        np.testing.assert_allclose(found, WEIGHT / (u @ MATRIX @ v), rtol=1e-5)
        np.testing.assert_allclose(scale.u.asnumpy(), u, atol=1e-5)


@pytest.mark.parametrize("compiled", [True, False])
def test_gradient_at_convergence_is_that_of_the_weight_over_its_singular_value(compiled):
    scale = SpectralScale(6).set_train()
    for _ in range(300):
        scale(Tensor(WEIGHT))
    scale.set_train(False)
    probe = np.random.default_rng(22).standard_normal(SHAPE)
    weight = Parameter(Tensor(WEIGHT), name="w")

    def value():
        return (scale(weight) * Tensor(probe.astype(np.float32))).sum()

    differentiate = ms.grad(value, None, [weight])
    (gradient,) = (ms.jit(differentiate) if compiled else differentiate)()
    rng = np.random.default_rng(23)
    for _ in range(3):
        direction = rng.standard_normal(SHAPE)

        def exact(step, direction=direction):
            moved = WEIGHT + step * direction
            return (moved * probe).sum() / np.linalg.svd(moved.reshape(6, -1), compute_uv=False)[0]

        expected = (exact(1e-5) - exact(-1e-5)) / 2e-5
        assert (gradient.asnumpy() * direction).sum() == pytest.approx(expected, rel=2e-3, abs=2e-3)


CRITICS = {"mlp": [4, 5], "dense": [4, 5], "dcgan": [4, 5], "wgan": [4, 5], "infogan": [4, 5, 6], "residual": [4, 5]}


@pytest.mark.parametrize("family", CRITICS)
def test_both_kits_give_the_same_whatever_the_size_of_any_weight(family):
    image, options = ImageShape(2, 16), {"widths": CRITICS[family], "spectral": True}
    ours = build_discriminator(family, image, options).set_train(False)
    with plain_layers():
        native = build_discriminator(family, image, options).set_train(False)
    values = {parameter.name: parameter for parameter in ours.get_parameters()}
    for parameter in native.get_parameters():
        parameter.set_data(Tensor(values[parameter.name].asnumpy()))
    images = Tensor(np.random.default_rng(24).uniform(-1, 1, (3, 2, 16, 16)).astype(np.float32))
    np.testing.assert_allclose(ours(images).asnumpy(), native(images).asnumpy(), rtol=1e-4, atol=1e-6)
    assert not any("gamma" in name for name in values)
    # Multiplied by seven, a weight is the same as before; were it not divided, D's answer would be another.
    for critic in (ours, native):
        before = critic(images).asnumpy()
        weights = [parameter for parameter in critic.get_parameters() if parameter.name.endswith("weight")]
        for weight in weights:
            original = weight.asnumpy().copy()
            weight.set_data(Tensor(7 * original))
            np.testing.assert_allclose(critic(images).asnumpy(), before, rtol=1e-4, atol=1e-6, err_msg=weight.name)
            weight.set_data(Tensor(original))


@pytest.mark.parametrize("spectral", [True, False])
@pytest.mark.parametrize("family", CRITICS)
def test_gain_multiplies_the_logits_and_their_slope(family, spectral):
    image, options = ImageShape(2, 16), {"widths": CRITICS[family], "spectral": spectral}
    plain = build_discriminator(family, image, options, outputs=3).set_train(False)
    gained = build_discriminator(family, image, options | {"gain": 4.0}, outputs=3).set_train(False)
    for mine, other in zip(gained.get_parameters(), plain.get_parameters(), strict=True):
        assert mine.name == other.name
        mine.set_data(Tensor(other.asnumpy()))
    images = Tensor(np.random.default_rng(25).uniform(-1, 1, (3, 2, 16, 16)).astype(np.float32))
    # Times a power of two nothing is rounded.
    np.testing.assert_array_equal(gained(images).asnumpy(), 4 * plain(images).asnumpy())
    slopes = (ms.grad(lambda x, critic=critic: critic(x).sum())(images).asnumpy() for critic in (gained, plain))
    np.testing.assert_array_equal(next(slopes), 4 * next(slopes))


@pytest.mark.parametrize("gain", [0, -1.5])
def test_gain_that_would_turn_the_logits_round_is_refused(gain):
    with pytest.raises(UserError, match=f"gain must be above 0, not {gain}"):
        build_discriminator("infogan", ImageShape(3, 32), {"spectral": True, "gain": gain})


@pytest.mark.parametrize("recipe", recipe_names())
def test_every_recipe_without_a_penalty_has_it_in_every_layer_of_its_critic(recipe):
    config = load_config(recipe, ["discriminator.options.spectral=true", "objective.penalty=none"])
    names = [parameter.name for parameter in discriminator_of(config, image_shape(config)).get_parameters()]
    weights = [name for name in names if name.endswith(".weight")]
    vectors = [f"{name.removesuffix('weight')}scale.u" for name in weights]
    assert vectors
    assert [name for name in names if name.endswith(".u")] == vectors


# Slow: sngan_horses, in test_training_modes.py, is such a run of convolutions.
@pytest.mark.parametrize("recipe", ["dense", slow("dcgan"), slow("wgan")])
def test_run_has_the_same_bits_in_both_modes_and_saves_its_vectors(recipe):
    settings = ("discriminator.options.spectral=true", "objective.loss=hinge", "objective.clip=null")
    config = small_config(recipe, "batch_size=4", "updates.d_steps=1", *settings, steps=2)
    images = digits_for(recipe, 40)
    graph, eager = (SmallRun(dataclasses.replace(config, mode=mode), images).train() for mode in ("graph", "pynative"))
    ours, theirs = graph.state(), eager.state()
    assert [name for name in ours if ours[name].tobytes() != theirs[name].tobytes()] == []
    assert graph.records == eager.records
    vectors = [name for name in ours if name.endswith(".u")]
    assert len(vectors) == {"dense": 3, "dcgan": 6, "wgan": 5}[recipe]
    assert all(not np.array_equal(ours[name], graph.start[name]) for name in vectors)
    assert [np.linalg.norm(ours[name]) for name in vectors] == pytest.approx([1] * len(vectors), abs=1e-5)
