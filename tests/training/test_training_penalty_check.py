"""The check before a penalised run: true about PyNative, hard on wrong gradients, mild on right ones."""

import dataclasses
import os

import numpy as np
import pytest
from conftest import slow
from mindspore import Tensor, nn, ops
from penalty_cases import build_critic, inputs_for, penalty_gradient
from small_runs import SmallRun, digits_for, small_config

from ms_gan.errors import UserError
from ms_gan.networks import ImageShape, build_discriminator
from ms_gan.objectives import PENALTIES
from ms_gan.training.penalty_check import pynative_is_right

pytestmark = pytest.mark.usefixtures("mindspore_cpu")
IMAGE = ImageShape(1, 8)


def config_of(penalty="gradient"):
    return small_config("wgan_gp", f"objective.penalty={penalty}")


@pytest.mark.parametrize(
    ("penalty", "kind"),
    [
        ("gradient", "dense"),
        ("r1", "dense"),
        ("gradient", "conv"),
        slow("gradient_one_sided", "dense"),
        slow("gradient_one_sided", "conv"),
        slow("r1", "conv"),
    ],
)
def test_it_says_truthfully_whether_pynative_is_right(kind, penalty):
    critic, image = build_critic(kind)
    inputs = inputs_for(penalty, image)
    modes = [penalty_gradient(penalty, critic, inputs, mode)[1] for mode in ("graph", "pynative")]
    apart = max(np.abs(one - other).max() / np.abs(modes[0][0]).max() for one, other in zip(*modes, strict=True))
    assert pynative_is_right(critic, config_of(penalty), image) is bool(apart < 1e-3)
    assert (apart < 1e-3) == (kind == "dense")  # if MindSpore mends this, the test says so


@pytest.mark.parametrize("penalty", ["gradient_one_sided", "dragan"])
def test_short_gradients_of_a_new_critic_hide_nothing(penalty):
    # Below norm 1 a one-sided penalty is zero with all its gradients, right or wrong.
    critic = build_discriminator("wgan", IMAGE, {"widths": [4, 4]}).set_train()
    assert pynative_is_right(critic, config_of(penalty), IMAGE) is False


def test_critic_is_left_as_it_was_with_batch_normalisation():
    critic = build_discriminator("dcgan", IMAGE, {"widths": [4, 5]}).set_train()
    before = {name: value.asnumpy().tobytes() for name, value in critic.parameters_dict().items()}
    pynative_is_right(critic, config_of(), IMAGE)
    assert before == {name: value.asnumpy().tobytes() for name, value in critic.parameters_dict().items()}
    assert critic.training


def test_a_penalty_that_mindspore_cannot_differentiate_is_named_and_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    critic = build_discriminator("infogan", IMAGE, {"widths": [4, 4, 4], "spectral": True}).set_train()
    with pytest.raises(UserError, match="cannot differentiate the r1_r2 penalty of the discriminator"):
        pynative_is_right(critic, config_of("r1_r2"), IMAGE)
    assert list(tmp_path.iterdir()) == []
    assert "MS_OM_PATH" not in os.environ


@pytest.mark.parametrize(("critic", "noted"), [("dcgan", True), ("wgan", False)])
def test_a_penalty_with_batch_normalisation_is_noted(monkeypatch, critic, noted):
    # It takes long, and is not asked here.
    monkeypatch.setattr("ms_gan.training.setup.pynative_is_right", lambda *_: True)
    settings = ("objective.penalty=r1", f"discriminator.name={critic}", "discriminator.options.widths=[4,5]")
    run = SmallRun(small_config("mlp", "generator.options.widths=[8]", *settings), digits_for("mlp", 20))
    assert any("discriminator dcgan has batch normalisation" in line for line in run.announced) is noted


class Leaky(nn.Dense):
    """A dense layer whose weight is partly, or with a wrong factor, hidden from its own derivative."""

    def __init__(self, share, factor=1.0):
        super().__init__(64, 48)
        self.share = Tensor(share.astype(np.float32) * np.float32(factor))

    def construct(self, x):
        weight = self.weight * self.share + ops.stop_gradient(self.weight * (1 - self.share))
        return ops.matmul(x, weight.transpose((1, 0))) + self.bias


def critic_with(layer):
    cells = [nn.Flatten(), nn.Dense(64, 64), nn.LeakyReLU(0.2), layer, nn.LeakyReLU(0.2), nn.Dense(48, 1)]
    return nn.SequentialCell(cells).set_train()


WRONG = {
    "nothing": np.zeros((48, 64)),
    "half of it": np.arange(64) % 2 * np.ones((48, 1)),
    "some rows": (np.arange(48) < 30)[:, None] * np.ones(64),
    "doubled": np.full((48, 64), 2.0),
    "reversed": np.full((48, 64), -1.0),
}


@pytest.mark.parametrize("wrong", list(WRONG))
def test_wrong_gradient_of_one_layer_is_refused(wrong):
    with pytest.raises(UserError, match=r"gradient of the gradient penalty is wrong at 3\.weight") as caught:
        pynative_is_right(critic_with(Leaky(WRONG[wrong])), config_of(), IMAGE)
    assert "\n" not in str(caught.value)


def test_on_ascend_a_refusal_names_the_rounding_of_hf32(monkeypatch):
    from ms_gan.training import penalty_check

    for target, told in (("Ascend", True), ("CPU", False)):
        monkeypatch.setattr(penalty_check.ms, "get_context", {"device_target": target}.get)
        with pytest.raises(UserError, match="is wrong at w") as caught:
            penalty_check._refuse("w", (1.0, 2.0), config_of())
        assert ("HF32" in str(caught.value)) is told


def test_the_same_layer_with_the_right_gradient_passes():
    pynative_is_right(critic_with(Leaky(np.ones((48, 64)))), config_of(), IMAGE)


class Opposed(nn.Cell):
    """A critic of two classes whose logits for them cancel in the sum of all, and with them what is wrong."""

    def __init__(self, layer):
        super().__init__()
        self.real, self.of_class = nn.Dense(64, 1), critic_with(layer)

    def construct(self, images):
        logit = 10 * self.of_class(images)
        return ops.concat((self.real(images.reshape((images.shape[0], -1))), logit, -logit), axis=1)


@pytest.mark.parametrize("penalty", ["r1", "r1_r2"])
def test_penalty_is_that_of_the_judged_class(penalty):
    config = small_config("wgan_gp", f"objective.penalty={penalty}", "conditional=true", "data.class_names=[a, b]")
    with pytest.raises(UserError, match=rf"gradient of the {penalty} penalty is wrong at of_class\.3\.weight"):
        pynative_is_right(Opposed(Leaky(WRONG["nothing"])).set_train(), config, IMAGE)


def test_penalty_that_loses_its_gradient_is_refused(monkeypatch):
    right = PENALTIES["r1"]

    def wrong(critic, real, fake, noise):
        return ops.stop_gradient(right(critic, real, fake, noise))

    monkeypatch.setitem(PENALTIES, "r1", wrong)
    with pytest.raises(UserError, match="gradient of the r1 penalty is wrong"):
        pynative_is_right(build_critic("dense")[0], config_of("r1"), ImageShape(2, 4))


def test_not_a_number_is_refused():
    critic = critic_with(Leaky(np.ones((48, 64))))
    critic[1].bias.set_data(Tensor(np.full(64, np.nan, np.float32)))
    with pytest.raises(UserError, match="is wrong at"):
        pynative_is_right(critic, config_of(), IMAGE)


def test_critic_that_mindspore_cannot_differentiate_twice_is_refused_in_one_line():
    cells = [nn.Conv2d(1, 4, 3, has_bias=True), nn.MaxPool2d(2, 2), nn.Flatten(), nn.Dense(64, 1)]
    with pytest.raises(UserError, match=r"config objective\.penalty") as caught:
        pynative_is_right(nn.SequentialCell(cells).set_train(), config_of(), IMAGE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mode", ["graph", slow("pynative")])
def test_penalised_d_step_is_right_in_both_modes(mode):
    """One D step with plain gradient descent moves the critic as central differences in float64 say."""
    import float64_layers as exact
    from penalty_cases import exact_critic

    # G is only drawn from.
    settings = ["discriminator.options.widths=[3, 4]", "generator.name=mlp", "generator.options.widths=[4]"]
    settings += ["batch_size=4"]
    settings += ["discriminator_optimizer.name=sgd", "discriminator_optimizer.lr=0.5"]
    config = dataclasses.replace(small_config("wgan_gp", *settings), mode=mode)
    run = SmallRun(config, digits_for("wgan_gp", 40))
    assert any("compiled in this mode too" in line for line in run.announced) == (mode == "pynative")
    critic = run.players.discriminator
    rng = np.random.default_rng(13)
    for parameter in critic.get_parameters():
        ops.assign(parameter, Tensor((rng.standard_normal(parameter.shape) * 0.15).astype(np.float32)))
    real, latents = run.stream.batch(0), Tensor(rng.standard_normal((4, 100)).astype(np.float32))
    noise = rng.random((4, 1, 1, 1), dtype=np.float32)
    before = [parameter.asnumpy().astype(np.float64) for parameter in critic.get_parameters()]
    fake = run.players.generator(latents).asnumpy().astype(np.float64)
    value, penalty, *_ = run.steps.d_step(Tensor(real), latents, Tensor(noise))
    moved = [
        (start - parameter.asnumpy()) / 0.5 for start, parameter in zip(before, critic.get_parameters(), strict=True)
    ]
    wide = real.astype(np.float64)

    def total(weights):
        model = exact_critic("conv", weights)
        distance = model.scores(fake).mean() - model.scores(wide).mean()
        return distance + 10 * exact.penalty("gradient", model, wide, fake, noise.astype(np.float64))

    assert value.asnumpy() + penalty.asnumpy() == pytest.approx(total(before), rel=1e-4)
    largest = max(np.linalg.norm(move) for move in moved)
    for place, move in enumerate(moved):
        for _ in range(3):
            direction = rng.standard_normal(move.shape)

            def along(entry, place=place):
                return total([*before[:place], entry, *before[place + 1 :]])

            expected = exact.directional(along, before[place], direction, 1e-7)
            assert abs((move * direction).sum() - expected) <= 1e-3 * largest
