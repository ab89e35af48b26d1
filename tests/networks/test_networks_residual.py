"""Residual networks: shapes, both kits, what a block computes, the penalties, and the bits of a run."""

import dataclasses

import numpy as np
import pytest
from mindspore import Tensor
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


def test_without_its_main_way_a_block_is_its_short_cut():
    activations = np.random.default_rng(1).standard_normal((2, 16, 3)).astype(np.float32)
    for block in (ResidualUp(batch_last, 2, 3, 4), ResidualDown(batch_last, 2, 3, 4, spectral=False, bend=True)):
        block.set_train(False)
        last = block.main[len(block.main) - 1]
        whole = block(Tensor(activations)).asnumpy()
        way = block.main(Tensor(activations)).asnumpy()
        assert np.abs(way).max() > 0.01
        for parameter in (last.weight, last.bias):
            parameter.set_data(Tensor(np.zeros(parameter.shape, np.float32)))
        short = block(Tensor(activations)).asnumpy()
        np.testing.assert_allclose(whole - way, short, atol=1e-5)
        weight, bias = block.short.weight.asnumpy(), block.short.bias.asnumpy()
        pixels = activations.reshape(2, 4, 4, 3)
        if isinstance(block, ResidualUp):  # each pixel four times, channels mixed
            mixed = np.einsum("oc,cyxn->oyxn", weight[:, :, 0, 0], pixels).repeat(2, 1).repeat(2, 2)
        else:  # 2x2 pixels make one
            mixed = np.einsum("ocab,cyaxbn->oyxn", weight, pixels.reshape(2, 2, 2, 2, 2, 3))
        np.testing.assert_allclose(short, (mixed + bias[:, None, None, None]).reshape(short.shape), atol=1e-5)


# Slow: sngan_horses in test_training_modes.py compares bits too.
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
