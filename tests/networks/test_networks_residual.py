"""Residual networks: shapes, both kits, what a block computes, the penalties, and the bits of a run."""

import dataclasses

import float64_layers as exact
import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn
from small_runs import SmallRun, digits_for, small_config

from ms_gan.errors import UserError
from ms_gan.exported.layers import describe
from ms_gan.networks import ImageShape, batch_last, build_discriminator, build_generator
from ms_gan.networks.kit import plain_layers
from ms_gan.networks.residual import ResidualDown, ResidualUp

pytestmark = pytest.mark.usefixtures("mindspore_cpu")
SMALL = {"widths": [3, 4]}
RESIDUAL = (
    "generator.name=residual",
    "discriminator.name=residual",
    "generator.options.widths=[3,4]",
    "discriminator.options.widths=[3,4]",
    "objective.clip=null",
    "updates.d_steps=1",
)


@pytest.mark.parametrize("image", [ImageShape(1, 28), ImageShape(3, 32), ImageShape(1, 16), ImageShape(3, 8)], ids=str)
def test_images_and_logits_have_their_shapes_and_both_kits_agree(image):
    latents = Tensor(np.random.default_rng(0).standard_normal((2, 10)).astype(np.float32))
    ours = build_generator("residual", 10, image, SMALL), build_discriminator("residual", image, SMALL)
    with plain_layers():
        theirs = build_generator("residual", 10, image, SMALL), build_discriminator("residual", image, SMALL)
    for one, other in zip(ours, theirs, strict=True):
        values = {parameter.name: parameter.asnumpy() for parameter in one.get_parameters()}
        assert values.keys() == {parameter.name for parameter in other.get_parameters()}
        for parameter in other.get_parameters():
            parameter.set_data(Tensor(values[parameter.name]))
    images = ours[0].set_train()(latents)
    assert images.shape == (2, image.channels, image.size, image.size)
    assert ours[1](images).shape == (2, 1)
    np.testing.assert_allclose(images.asnumpy(), theirs[0].set_train()(latents).asnumpy(), atol=1e-4)
    np.testing.assert_allclose(ours[1](images).asnumpy(), theirs[1](images).asnumpy(), atol=1e-4)


@pytest.mark.parametrize("size", [27, 30, 44])
def test_sizes_that_do_not_halve_are_refused_in_one_line(size):
    for build in (lambda image: build_generator("residual", 10, image), lambda i: build_discriminator("residual", i)):
        with pytest.raises(UserError, match=f"{size} pixels cannot be halved down to 8 or fewer") as caught:
            build(ImageShape(1, size))
        assert "\n" not in str(caught.value)


def normalised(x, gamma, beta):
    mean, variance = (of(x, axis=(0, 2, 3), keepdims=True) for of in (np.mean, np.var))
    return (x - mean) / np.sqrt(variance + 1e-5) * gamma[:, None, None] + beta[:, None, None]


def up(x, gamma, beta, first, first_bias, second_gamma, second_beta, second, second_bias, short, short_bias):
    bent = np.maximum(normalised(x, gamma, beta), 0)
    way = exact.conv2d(exact.upsample(bent), first, first_bias, 1, 1)
    way = exact.conv2d(np.maximum(normalised(way, second_gamma, second_beta), 0), second, second_bias, 1, 1)
    return way + exact.conv2d(exact.upsample(x), short, short_bias, 1, 0)


def down(x, first, first_bias, second, second_bias, short, short_bias):
    way = exact.conv2d(np.where(x > 0, x, 0.2 * x), first, first_bias, 2, 1)
    way = exact.conv2d(np.where(way > 0, way, 0.2 * way), second, second_bias, 1, 1)
    return way + exact.conv2d(x, short, short_bias, 2, 0)


def down_from_an_image(x, first, first_bias, second, second_bias, short, short_bias):
    way = exact.conv2d(x, first, first_bias, 2, 1)
    way = exact.conv2d(np.where(way > 0, way, 0.2 * way), second, second_bias, 1, 1)
    return way + exact.conv2d(x, short, short_bias, 2, 0)


@pytest.mark.parametrize("mode", ["graph", "pynative"])
@pytest.mark.parametrize("by_hand", [up, down, down_from_an_image])
def test_value_and_gradients_of_a_block_are_those_by_hand(by_hand, mode):
    if by_hand is up:
        block, size = ResidualUp(batch_last, 2, 3, 4), 8
    else:
        block, size = ResidualDown(batch_last, 2, 3, 4, spectral=False, bend=by_hand is down), 2
    network = nn.SequentialCell([batch_last.FromImages(), block, batch_last.ToImages(size)]).set_train()
    rng = np.random.default_rng(1)
    weights = block.trainable_params()
    for weight in weights:
        weight.set_data(Tensor(0.5 * rng.standard_normal(weight.shape).astype(np.float32)))
    x, probe = (rng.standard_normal(shape).astype(np.float32) for shape in ((3, 2, 4, 4), (3, 3, size, size)))
    constant = Tensor(probe)

    def total(images):
        result = network(images)
        return (result * constant).sum(), result

    differentiate = ms.value_and_grad(total, 0, weights, has_aux=True)
    (_, result), (dx, dweights) = (ms.jit(differentiate) if mode == "graph" else differentiate)(Tensor(x))
    inputs = [x.astype(np.float64), *(weight.asnumpy().astype(np.float64) for weight in weights)]
    np.testing.assert_allclose(result.asnumpy(), by_hand(*inputs), rtol=1e-4, atol=1e-5)
    for number, gradient in enumerate((dx, *dweights)):
        direction = rng.standard_normal(gradient.shape)

        def along(moved, number=number):
            return (by_hand(*inputs[:number], moved, *inputs[number + 1 :]) * probe).sum()

        expected = exact.directional(along, inputs[number], direction)
        assert (gradient.asnumpy() * direction).sum() == pytest.approx(expected, rel=1e-4, abs=1e-3), number


# Slow: such blocks take long to compile; test_training_resume.py has a run of them in PyNative.
@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        ("objective.loss=relativistic", "objective.penalty=r1_r2", "objective.penalty_weight=0.1"),
        ("objective.loss=hinge", "objective.penalty=none", "discriminator.options.spectral=true"),
    ],
)
def test_run_has_the_same_bits_in_both_modes(settings):
    config = small_config("wgan", "batch_size=4", *RESIDUAL, *settings, "ema.decay=0.9", steps=2)
    images = digits_for("wgan", 40)
    graph, eager = (SmallRun(dataclasses.replace(config, mode=mode), images).train() for mode in ("graph", "pynative"))
    ours, theirs = graph.state(), eager.state()
    assert [name for name in ours if ours[name].tobytes() != theirs[name].tobytes()] == []
    assert graph.records == eager.records
    weights = [name for name in ours if name.startswith(("generator.", "discriminator.")) and name.endswith("weight")]
    assert all(not np.array_equal(ours[name], graph.start[name]) for name in weights)


def test_summary_lists_the_blocks_and_files_without_them_are_refused(command):
    result = command("summary", "wgan", "--set", "generator.name=residual")
    assert result.status == 0, result.stderr
    assert "ResidualUp" in result.stdout
    with plain_layers():
        generator = build_generator("residual", 10, ImageShape(1, 8), SMALL)
    with pytest.raises(UserError, match="has a layer ResidualUp, which only mindir can hold"):
        describe(generator, 10, ImageShape(1, 8))
