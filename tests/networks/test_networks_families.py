"""What each family of networks is: sizes, shapes, names, seeds, options, and the same in both kits."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops
from small_runs import RECIPES, small_config

from ms_gan.config import load_config
from ms_gan.errors import UserError
from ms_gan.networks import (
    ImageShape,
    batch_last,
    build_discriminator,
    build_generator,
    dcgan,
    infogan,
    native,
    registry,
    wgan,
)
from ms_gan.networks.configured import discriminator_of, generator_of, image_shape
from ms_gan.training.setup import build_players

pytestmark = pytest.mark.usefixtures("mindspore_cpu")
GREY, COLOUR = ImageShape(1, 28), ImageShape(3, 32)


def sizes(network):
    trained = sum(parameter.size for parameter in network.trainable_params())
    return trained, sum(parameter.size for parameter in network.get_parameters()) - trained


@pytest.mark.parametrize(
    ("recipe", "generator", "discriminator"),
    [
        ("mlp", (1_510_032, 3_584), (533_505, 0)),
        ("dense", (1_493_520 - 3_584, 3_584), (665_089, 0)),  # the source counts moving statistics, too
        # As the README tells them.
        ("dcgan", (387_393, 832), (314_465, 704)),
        ("wgan", (877_571, 4_544), (670_401, 0)),
        ("wgan_gp", (877_571, 4_544), (670_401, 0)),
        # By hand: D a logit for each of ten digits; G 28,160 + 802,816 + 18,432 + 289, and 2 (256 + 3,136 + 32).
        ("best_mnist", (856_545, 6_848), (803_840 + 524_800 + 5_643, 0)),
        ("conditional_mnist", (856_545, 6_848), (401_920 + 131_328 + 2_827, 0)),
        # G 76,800 + 331,776 + 165,888 + 41,472 + 1,299, and 2 (192 + 192 + 96 + 48); D's spectral layers a vector each.
        ("sngan_horses", (618_291, 1_056), (2_352 + 73_824 + 1_573_120 + 257, 48 + 96 + 256 + 1)),
        ("r3gan_horses", (618_291, 1_056), (2_352 + 73_824 + 1_573_120 + 257, 0)),
    ],
)
def test_parameters_are_as_many_as_published(recipe, generator, discriminator):
    config = load_config(recipe)
    assert sizes(generator_of(config, image_shape(config))) == generator
    assert sizes(discriminator_of(config, image_shape(config))) == discriminator


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("image", [GREY, ImageShape(3, 32), ImageShape(1, 16)], ids=str)
def test_images_and_logits_have_their_shapes(recipe, image):
    config = load_config(recipe)
    if recipe.startswith("wgan") and image.size % 8:
        with pytest.raises(UserError, match=r"28 pixels are not a multiple of 8; resize the images with --size 32"):
            build_players(config, image)
        return
    players = build_players(small_config(recipe), image)
    latents = Tensor(np.random.default_rng(0).standard_normal((4, 100)).astype(np.float32))
    images = players.generator(latents)
    assert images.shape == (4, *image[:1], image.size, image.size)
    assert np.abs(images.asnumpy()).max() <= 1.0
    assert players.discriminator(images).shape == (4, 1)


def test_dcgan_grows_by_the_published_sizes():
    network = build_generator("dcgan", 100, GREY)
    activations, seen = Tensor(np.ones((2, 100), np.float32)), []
    for layer in network.layers:
        activations = layer(activations)
        if isinstance(layer, batch_last.FromLatents | batch_last.Conv2dTranspose):
            seen.append(round(activations.shape[1] ** 0.5))
    assert seen == [1, 2, 3, 6, 7, 14, 28]


@pytest.mark.parametrize("upsample", [False, True])
def test_dcgan_draws_no_lattice_of_its_own_when_it_upsamples(upsample):
    network = build_generator("dcgan", 100, COLOUR, {"widths": (3, 4), "upsample": upsample})
    last = network.layers[-3]
    drawn = last(Tensor(np.ones((3, 256, 1), np.float32))).asnumpy().reshape(3, 32, 32)[:, 2:-2, 2:-2]
    assert (np.ptp(drawn, axis=(1, 2)) < 1e-5).all() == upsample


@pytest.mark.parametrize("name", ["mlp", "dense", "dcgan", "wgan", "infogan"])
def test_names_tell_the_network_and_are_unique(name):
    shape = COLOUR if name == "wgan" else GREY
    for role, network in (
        ("generator", build_generator(name, 10, shape)),
        ("discriminator", build_discriminator(name, shape)),
    ):
        names = [parameter.name for parameter in network.get_parameters()]
        assert all(entry.startswith(f"{role}.layers.") for entry in names)
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("recipe", ["mlp", "dcgan", "wgan"])
def test_start_follows_from_the_seed_alone(recipe):
    shape = COLOUR if recipe == "wgan" else GREY

    def start(*settings):
        players = build_players(small_config(recipe, *settings), shape)
        cells = (players.generator, players.discriminator)
        return [{p.name: p.asnumpy().copy() for p in cell.get_parameters()} for cell in cells]

    generator, discriminator = start("seed=3")
    again = start("seed=3", "generator.options.widths=[5, 6, 7, 8]")[1]
    assert all(np.array_equal(discriminator[name], again[name]) for name in discriminator)
    for one, other in zip((generator, discriminator), start("seed=3"), strict=True):
        assert all(one[name].tobytes() == other[name].tobytes() for name in one)
    for one, other in zip((generator, discriminator), start("seed=4"), strict=True):
        weights = [name for name in one if name.endswith("weight")]
        assert weights
        assert not any(np.array_equal(one[name], other[name]) for name in weights)


def test_weights_of_a_layer_start_in_the_same_range_in_both_kits():
    for build in (lambda kit: kit.Conv2d(8, 16, 5, 2, 2, 8), lambda kit: kit.Conv2dTranspose(8, 16, 4, 2, 1, 4)):
        for one, other in zip(build(batch_last).get_parameters(), build(native).get_parameters(), strict=True):
            assert one.name == other.name
            assert one.shape == other.shape
            np.testing.assert_allclose(one.asnumpy().std(), other.asnumpy().std(), rtol=0.3)
            np.testing.assert_allclose(np.abs(one.asnumpy()).max(), np.abs(other.asnumpy()).max(), rtol=0.3)


NETWORKS = [
    (dcgan, "dcgan", ImageShape(1, 28), {"widths": (3, 4, 5, 4, 3)}, (3, 4, 5, 4, 3)),
    (dcgan, "dcgan", ImageShape(3, 32), {"widths": (3, 4, 5)}, (3, 4)),
    (dcgan, "dcgan", ImageShape(3, 28), {"widths": (3, 4, 5), "upsample": True}, (4, 3)),
    (wgan, "wgan", ImageShape(3, 32), {"widths": (5, 4, 3, 4)}, (3, 4, 5, 4)),
    (wgan, "wgan", ImageShape(1, 8), {"widths": (4, 4, 3, 4)}, (3, 4)),
    (infogan, "infogan", ImageShape(1, 28), {"widths": (7, 4, 3)}, (3, 4, 5)),
    (infogan, "infogan", ImageShape(3, 32), {"widths": (5, 4, 3), "upsample": True}, (3, 4, 6)),
]


@pytest.mark.parametrize("role", ["generator", "discriminator"])
@pytest.mark.parametrize(
    ("module", "name", "image", "g_options", "d_widths"), NETWORKS, ids=lambda value: str(value)[:20]
)
def test_both_kits_build_the_same_network(monkeypatch, module, name, image, g_options, d_widths, role):
    networks = []
    for layers in (batch_last, native):
        monkeypatch.setattr(module, "kit", lambda layers=layers: layers)
        if role == "generator":
            networks.append(build_generator(name, 6, image, g_options))
        else:
            networks.append(build_discriminator(name, image, {"widths": d_widths}))
    fast, plain = networks
    shapes = [[(parameter.name, parameter.shape) for parameter in network.get_parameters()] for network in networks]
    assert shapes[0] == shapes[1]
    ms.load_param_into_net(plain, {parameter.name: parameter for parameter in fast.get_parameters()}, strict_load=True)
    rng = np.random.default_rng(6)
    shape = (5, 6) if role == "generator" else (5, *image[:1], image.size, image.size)
    inputs = Tensor(rng.standard_normal(shape).astype(np.float32))
    found = []
    for network in networks:
        network.set_train()

        def total(inputs, network=network):
            return ops.square(network(inputs) - 0.3).sum()

        gradients = ms.grad(total, None, network.trainable_params())(inputs)
        found.append([network(inputs).asnumpy(), *(gradient.asnumpy() for gradient in gradients)])
    largest = max(np.abs(gradient).max() for gradient in found[1][1:])
    for ours, theirs in zip(*found, strict=True):
        # Biases before BatchNorm have gradients of rounding alone, hence the part of the largest one.
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 * np.abs(theirs).max() + 1e-5 * largest)
    for one, other in zip(fast.get_parameters(), plain.get_parameters(), strict=True):
        np.testing.assert_allclose(one.asnumpy(), other.asnumpy(), rtol=1e-4, atol=1e-5)  # moving statistics


def test_options_take_effect():
    assert build_generator("mlp", 7, GREY, {"widths": [5, 6]}).layers[0].weight.shape == (5, 7)
    for options, share in (({"momentum": 0.25}, 0.75), ({}, 0.2)):  # 0.8 is published
        momentum = build_generator("dense", 7, GREY, {"widths": [4], **options}).layers[2]
        momentum.set_train()
        momentum(Tensor(np.float32([[1, 2, 3, 4], [3, 4, 5, 6]])))
        np.testing.assert_allclose(momentum.moving_mean.asnumpy(), share * np.float32([2, 3, 4, 5]), rtol=1e-6)
    for name in ("mlp", "dense"):  # 0.2 is published
        slopes = [layer.slope for layer in build_discriminator(name, GREY).layers if hasattr(layer, "slope")]
        assert slopes == [0.2, 0.2]
    critic = build_discriminator("wgan", COLOUR, {"widths": [4, 5], "slope": 0.5})
    assert [layer.slope for layer in critic.layers if hasattr(layer, "slope")] == [0.5, 0.5]
    assert critic.layers[-2].weight.shape == (1, 5 * 16 * 16)


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("mlp", {"width": [8]}, "generator option: unknown name 'width'; did you mean widths?"),
        ("mlp", {"slope": 0.1}, "generator option: unknown name 'slope'"),
        ("dense", {"momentun": 0.8}, "did you mean momentum?"),
        ("dense", {"momentum": 2}, "momentum"),
        (
            "dense",
            {"momentum": "high"},
            "generator option momentum: expected a number from 0 to 1, such as 0.8, got 'high'",
        ),
        ("wgan", {"slope": None}, "generator option slope: expected a number from 0 to 1, such as 0.2, got None"),
        ("wgan", {"slope": -0.2}, "generator option slope: expected a number from 0 to 1, such as 0.2, got -0.2"),
        ("wgan", {"slope": 1.5}, "generator option slope: expected a number from 0 to 1, such as 0.2, got 1.5"),
        (
            "wgan",
            {"slope": float("nan")},
            "generator option slope: expected a number from 0 to 1, such as 0.2, got nan",
        ),
        ("wgan", {"widths": [8, 8, 8]}, "expected 4 whole numbers from 1, such as [128, 128, 64, 32], got [8, 8, 8]"),
        ("wgan", {"widths": []}, "expected 4 whole numbers"),
        ("dcgan", {"widths": []}, "expected one or more whole numbers from 1"),
        ("dcgan", {"widths": 64}, "got 64"),
        ("mlp", {"widths": "abc"}, "got 'abc'"),
        ("mlp", {"widths": [8, 0]}, "got [8, 0]"),
        ("mlp", {"widths": [True]}, "got [True]"),
        ("mlp", {"widths": [8.5]}, "got [8.5]"),
        ("mlp", {"image": 3}, "unknown name 'image'"),
    ],
)
def test_wrong_options_are_refused_in_one_line(name, options, told):
    with pytest.raises(UserError) as caught:
        build_generator(name, 10, COLOUR, options)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("annotation", "default", "good", "bad", "wanted"),
    [
        (bool, False, [True], [1, "yes"], "true or false"),
        (int, 3, [4, -1], [True, 4.0, "4", None], "a whole number, such as 3"),
        (float, 1.0, [2, -0.5], [True, "x", float("nan"), float("inf")], "a number, such as 1.0"),
        (registry.UnitInterval, 0.5, [0, 1.0], [1.5], "a number from 0 to 1, such as 0.5"),
        ("str", "x", ["relu"], [1, ["x"]], "text, such as x"),
        (tuple[int, int], (1, 2), [[3, 4]], [[3], [0, 1]], "2 whole numbers from 1, such as [1, 2]"),
    ],
)
def test_options_of_a_network_of_ones_own(monkeypatch, annotation, default, good, bad, wanted):
    class Own(nn.Cell):
        def __init__(self, latent_size, image, option: annotation = default):
            super().__init__()
            self.option = option

    monkeypatch.setitem(registry.GENERATORS, "own", None)
    registry.generator("own")(Own)
    for value in good:
        assert build_generator("own", 10, GREY, {"option": value}).option == value
    for value in bad:
        with pytest.raises(UserError) as caught:
            build_generator("own", 10, GREY, {"option": value})
        assert str(caught.value) == f"generator option option: expected {wanted}, got {value!r}"


def test_a_number_that_yaml_takes_for_text_is_a_number():
    critic = build_discriminator("wgan", COLOUR, {"widths": [4, 5], "slope": "5e-1"})
    assert [layer.slope for layer in critic.layers if hasattr(layer, "slope")] == [0.5, 0.5]
    with pytest.raises(UserError, match=r"expected a number from 0 to 1, such as 0\.2, got nan"):
        build_discriminator("wgan", COLOUR, {"slope": "nan"})


def _other_kind(image, option: int | None = None): ...
def _of_any_kind(image, option=3): ...
def _without_default(image, option: int): ...
def _any_options(image, **option): ...


@pytest.mark.parametrize("network", [_other_kind, _of_any_kind, _without_default, _any_options])
def test_an_option_that_cannot_be_checked_is_refused_when_it_is_registered(network):
    with pytest.raises(TypeError, match="network own, option option: needs a default and an annotation of bool, int,"):
        registry.discriminator("own")(network)
    assert "own" not in registry.DISCRIMINATORS


def test_unknown_network_and_too_small_image():
    with pytest.raises(UserError, match=r"generator.name: unknown name 'mpl'; did you mean mlp\?"):
        build_generator("mpl", 10, GREY)
    with pytest.raises(UserError, match=r"discriminator.name: unknown name 'wgan_gp'; did you mean wgan\?"):
        build_discriminator("wgan_gp", GREY)
    with pytest.raises(UserError, match="1 pixel are too small"):
        build_generator("dcgan", 10, ImageShape(1, 1))
    for build in (
        lambda image: build_generator("infogan", 10, image),
        lambda image: build_discriminator("infogan", image),
    ):
        with pytest.raises(UserError, match="30 pixels are not a multiple of 4; resize the images with --size 32"):
            build(ImageShape(1, 30))


def test_dcgan_judge_normalises_its_last_block_only_when_asked():
    def normalised(**options) -> list[int]:
        network = build_discriminator("dcgan", GREY, options)
        return [parameter.size for parameter in network.get_parameters() if parameter.name.endswith("gamma")]

    assert normalised() == [32, 64, 128, 128]
    assert normalised(normalise_last=True) == [32, 64, 128, 128, 64]
    with pytest.raises(UserError, match="leaves no batch normalisation; leave out normalise_last"):
        normalised(normalise_last=True, spectral=True)
    with pytest.raises(UserError, match="normalise_last: expected true or false, got 1"):
        normalised(normalise_last=1)
