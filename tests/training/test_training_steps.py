"""What a D step and a G step change and report, and what the loop feeds them."""

import dataclasses

import mindspore as ms
import numpy as np
import pytest
from conftest import slow
from mindspore import Tensor, nn
from small_runs import RECIPES, SmallRun, compiled_run, digits_for, small_config

from ms_gan.config.schema import LOSS_KINDS
from ms_gan.data import stream as streams
from ms_gan.objectives import LOSSES
from ms_gan.training import loop
from ms_gan.training.numbers import d_numbers, g_numbers
from ms_gan.training.steps import Players, build_steps

pytestmark = pytest.mark.usefixtures("mindspore_cpu")


def changed(before, after):
    return {name for name in before if before[name].tobytes() != after[name].tobytes()}


def inputs_of(run):
    config = run.config
    latents = Tensor(streams.d_latents(1, 0, config.batch_size, 100))
    noise = Tensor(streams.penalty_noise(1, 0, (config.batch_size, 1, 1, 1)))
    return Tensor(run.stream.batch(0)), latents, noise


@pytest.mark.parametrize("recipe", RECIPES)
def test_each_step_changes_its_own_player_only(recipe):
    # Its steps with recipe mlp's networks: they are compiled in a fraction of the time that convolutions take.
    networks = [
        f"{role}.{key}" for role in ("generator", "discriminator") for key in ("name=mlp", "options.widths=[9,8]")
    ]
    run = SmallRun(small_config(recipe, "batch_size=8", *networks), digits_for(recipe, 80))
    trained = {
        role: {parameter.name for parameter in getattr(run.players, role).trainable_params()}
        for role in ("generator", "discriminator")
    }
    real, latents, noise = inputs_of(run)
    start = run.state()
    run.steps.d_step(real, latents, noise)
    middle = run.state()
    of_d = changed(start, middle)
    assert of_d & trained["discriminator"]
    assert not of_d & trained["generator"]
    assert not any(name.startswith("generator_optimizer") for name in of_d)
    # G draws in the D step as in training, so its moving statistics move.
    assert any("generator" in name and "moving_mean" in name for name in of_d)
    run.steps.g_step(latents)
    of_g = changed(middle, run.state())
    assert of_g & trained["generator"]
    assert not of_g & trained["discriminator"]
    assert not any(name.startswith("discriminator_optimizer") for name in of_g)


@pytest.mark.parametrize("mode", ["graph", "pynative"])
def test_clipping_after_every_d_update_spares_moving_statistics(mode):
    settings = ["objective.clip=0.013", "updates.d_steps=2", "discriminator_optimizer.lr=0.01"]
    # Any G will do: it is only drawn from and must not be clipped.
    settings += ["generator.name=mlp", "generator.options.widths=[5, 4]", "discriminator.options.widths=[4, 5]"]
    config = dataclasses.replace(small_config("dcgan", *settings, "batch_size=6", steps=2), mode=mode)
    run = SmallRun(config, digits_for("dcgan", 40))
    largest = []
    steps = run.steps

    def watched(step, *inputs):
        record = step(*inputs)
        critic = run.players.discriminator
        weights = {parameter.name: np.abs(parameter.asnumpy()).max() for parameter in critic.trainable_params()}
        largest.append(max(weights.values()))
        assert set(weights) == {p.name for p in critic.get_parameters() if "moving" not in p.name}
        return record

    run.steps = dataclasses.replace(
        steps,
        d_step=lambda *inputs: watched(steps.d_step, *inputs),
        joint_step=lambda *inputs: watched(steps.joint_step, *inputs),
    )
    run.train()
    assert len(largest) == 4
    assert all(value == np.float32(0.013) for value in largest)
    state = run.state()
    variances = [value for name, value in state.items() if name.startswith("disc") and "moving_variance" in name]
    assert min(value.min() for value in variances) > 0.1
    generator = [value for name, value in state.items() if name.startswith("generator.") and name.endswith("weight")]
    assert max(np.abs(value).max() for value in generator) > 0.05


def test_in_turn_makes_two_updates_and_reports_their_mean():
    run = compiled_run("dense")
    real, latents, noise = inputs_of(run)
    fake = run.players.generator(latents)
    first = run.players.discriminator(real).asnumpy()
    record = d_numbers("non_saturating", run.steps.d_step(real, latents, noise))
    assert run.state()["discriminator_optimizer.global_step"].item() == 2
    # A second discriminator does the same by hand: one update on the real batch, then one on the fake batch.
    again = compiled_run("dense")
    critic, optimizer = again.players.discriminator, again.players.discriminator_optimizer
    loss = LOSSES["non_saturating"]

    def on_real(images):
        return loss.real(critic(images))

    def on_fake(images):
        return loss.fake(critic(images))

    real_loss, gradients = ms.value_and_grad(on_real, None, optimizer.parameters)(real)
    optimizer(gradients)
    second = critic(fake).asnumpy()
    fake_loss, _ = ms.value_and_grad(on_fake, None, optimizer.parameters)(fake)
    assert record["d_loss"] == pytest.approx(float((real_loss + fake_loss).asnumpy()) / 2, rel=1e-5)
    right = (first > 0).mean() + (second < 0).mean()
    assert record["d_accuracy"] == pytest.approx(right / 2)
    assert record["d_real"] == pytest.approx((1 / (1 + np.exp(-first))).mean(), rel=1e-5)
    assert record["d_fake"] == pytest.approx((1 / (1 + np.exp(-second))).mean(), rel=1e-5)


class Scores(nn.Cell):
    """A discriminator whose logit is the image's only pixel plus a weight of zero."""

    def __init__(self):
        super().__init__()
        self.weight = ms.Parameter(Tensor(np.zeros(1, np.float32)), name="discriminator.weight")

    def construct(self, images):
        return images.reshape((-1, 1)) + self.weight


class Echo(nn.Cell):
    """A generator that gives the latents as one-pixel images."""

    def __init__(self):
        super().__init__()
        self.weight = ms.Parameter(Tensor(np.zeros(1, np.float32)), name="generator.weight")

    def construct(self, latents):
        return (latents + self.weight).reshape((-1, 1, 1, 1))


REAL, FAKE = np.float32([-3, -0.1, 0.2, 0.45, 0.55, 2]), np.float32([-2, -0.4, 0.1, 0.49, 0.51, 3])


def record_of(loss, *settings):
    config = small_config("mlp", f"objective.loss={loss}", *settings)
    generator, critic = Echo(), Scores()
    optimizers = [nn.SGD(cell.trainable_params(), 0.5) for cell in (generator, critic)]
    steps = build_steps(Players(generator, critic, *optimizers), config, compiled=False)
    latents = Tensor(FAKE[:, None])
    record = steps.d_step(Tensor(REAL[:, None, None, None]), latents, Tensor(np.zeros((6, 1, 1, 1), np.float32)))
    numbers = d_numbers(loss, record)
    critic.weight.set_data(Tensor(np.zeros(1, np.float32)))
    numbers |= g_numbers(steps.g_step(latents))
    return numbers, generator


@pytest.mark.parametrize("loss", list(LOSSES))
def test_record_says_what_its_names_say(loss):
    numbers, generator = record_of(loss)
    boundary = 0.5 if loss == "least_squares" else 0.0
    assert numbers["d_accuracy"] == pytest.approx(
        (np.greater(REAL, boundary).mean() + np.less(FAKE, boundary).mean()) / 2
    )

    def shown(scores):
        return (1 / (1 + np.exp(-scores)) if LOSS_KINDS[loss] == "gan" else scores).mean()

    assert numbers["d_real"] == pytest.approx(shown(REAL), rel=1e-5)
    assert numbers["d_fake"] == pytest.approx(shown(FAKE), rel=1e-5)
    part = {
        name: float(getattr(LOSSES[loss], name)(Tensor(s[:, None])).asnumpy())
        for name, s in (("real", REAL), ("fake", FAKE), ("generator", FAKE))
    }
    assert numbers["d_loss"] == pytest.approx(part["real"] + part["fake"], rel=1e-5)
    assert numbers["g_loss"] == pytest.approx(part["generator"], rel=1e-5)
    assert numbers["penalty"] == 0.0
    # G moves its images to where D says 'real'.
    assert generator.weight.asnumpy().item() > 0


def test_penalty_is_reported_apart_with_its_weight():
    # The critic's gradient is 1 everywhere: R1 is a half, times its factor; the loss does not contain it.
    plain, _ = record_of("wasserstein")
    numbers, _ = record_of("wasserstein", "objective.penalty=r1", "objective.penalty_weight=7")
    assert numbers["penalty"] == pytest.approx(3.5, rel=1e-6)
    assert numbers["d_loss"] == pytest.approx(plain["d_loss"], rel=1e-6)


@pytest.fixture
def drawn(monkeypatch):
    """Record every draw of the loop: kind and index."""
    calls = []
    for name in ("d_latents", "g_latents", "penalty_noise"):
        original = getattr(loop, name)

        def draw(seed, index, *shape, name=name, original=original):
            calls.append((name, index))
            return original(seed, index, *shape)

        monkeypatch.setattr(loop, name, draw)
    return calls


@pytest.mark.parametrize(
    ("settings", "batches", "g_latents"),
    [
        (("updates.d_steps=3", "latent.shared=false"), [0, 1, 2, 3, 4, 5], [0, 1]),
        (("updates.d_steps=3", "latent.shared=true"), [0, 1, 2, 3, 4, 5], []),
        (("updates.d_steps=3", "updates.fresh_batch=false"), [0, 0, 0, 1, 1, 1], []),
        ((), [0, 1], []),
    ],
)
def test_draws_of_two_steps(drawn, settings, batches, g_latents):
    run = SmallRun(
        dataclasses.replace(small_config("mlp", "batch_size=4", *settings, steps=2), mode="pynative"),
        digits_for("mlp", 40),
    )
    seen, given = [], []
    original, steps = run.stream.batch, run.steps
    run.stream.batch = lambda index: (seen.append(index), original(index))[1]

    def g_step(latents):
        given.append(latents.asnumpy())
        return steps.g_step(latents)

    def joint_step(real, latents, noise):
        given.append(latents.asnumpy())
        return steps.joint_step(real, latents, noise)

    run.steps = dataclasses.replace(steps, g_step=g_step, joint_step=joint_step)
    run.train()
    assert len(given) == 2
    assert seen == batches
    per_step = run.config.updates.d_steps
    assert [index for name, index in drawn if name == "d_latents"] == list(range(2 * per_step))
    assert [index for name, index in drawn if name == "penalty_noise"] == list(range(2 * per_step))
    assert [index for name, index in drawn if name == "g_latents"] == g_latents
    for step, latents in enumerate(given):
        last = streams.d_latents(1, (step + 1) * per_step - 1, 4, 100)
        own = streams.g_latents(1, step, 4, 100)
        np.testing.assert_array_equal(latents, own if g_latents else last)
        assert not np.array_equal(own, last)


@pytest.mark.parametrize("fresh", ["true", "false"])
def test_g_is_asked_for_what_the_last_d_step_is_told(fresh):
    blocks = ("conditional=true", "augmentation=[translation,cutout]", "objective.loss=relativistic")
    several = ("updates.d_steps=2", "latent.shared=false", f"updates.fresh_batch={fresh}", "mode=pynative")
    widths = ("generator.options.widths=[8,8]", "discriminator.options.widths=[8]")
    config = small_config("mlp", "batch_size=8", *blocks, *several, *widths, steps=2)
    run, seen = SmallRun(config, digits_for("mlp", 80)), {"d_step": [], "g_step": []}

    def spying(name, step):
        def spy(*inputs):
            seen[name].append([tensor.asnumpy() for tensor in inputs])
            return step(*inputs)

        return spy

    run.steps = dataclasses.replace(run.steps, **{name: spying(name, getattr(run.steps, name)) for name in seen})
    run.train()
    assert [len(inputs) for inputs in seen.values()] == [4, 2]
    for step, (latents, real, *drawn) in enumerate(seen["g_step"]):
        before, last = seen["d_step"][2 * step : 2 * step + 2]
        assert np.array_equal(last[0], run.stream.batch(2 * step + 1 if fresh == "true" else step))
        # The images, the matrices and the mask of augmentation, and what tells the classes.
        given, to_d = [real, *drawn], [last[0], *last[3:]]
        assert len(given) == 5
        assert all(np.array_equal(one, other) for one, other in zip(given, to_d, strict=True))
        assert not np.array_equal(drawn[0], before[3])
        told = drawn[-1][:, 1:]
        assert np.array_equal(told, before[-1][:, 1:]) == (fresh == "false")
        for asked in (latents, last[1]):
            np.testing.assert_array_equal(asked[:, 100:], 10 * told)
        np.testing.assert_array_equal(latents[:, :100], streams.g_latents(1, step, 8, 100))


@pytest.mark.parametrize("mode", ["graph", "pynative"])
@pytest.mark.parametrize("recipe", ["mlp", slow("dcgan")])
def test_shared_latents_give_what_both_updates_give_apart_with_one_forward_pass_of_g(recipe, mode):
    widths = ("generator.options.widths=[16,16]", "discriminator.options.widths=[16]") if recipe == "mlp" else ()
    config = dataclasses.replace(small_config(recipe, "batch_size=8", *widths, steps=1), mode=mode)
    images = digits_for(recipe, 40)
    joint, apart = SmallRun(config, images), SmallRun(config, images)
    start = joint.state()
    joint.train()
    real, latents = Tensor(apart.stream.batch(0)), Tensor(streams.d_latents(config.seed, 0, 8, config.latent.size))
    d_record = apart.steps.d_step(real, latents, Tensor(np.zeros((8, 1, 1, 1), np.float32)))
    expected = d_numbers("non_saturating", d_record) | g_numbers(apart.steps.g_step(latents))
    for key, value in expected.items():
        assert joint.records[0][key] == pytest.approx(value, rel=1e-5, abs=1e-6), key
    ours, theirs = joint.state(), apart.state()
    for name, value in theirs.items():
        if name.startswith("generator.") and ".moving_" in name:
            # m <- r m + (1 - r) b: apart it moves twice.
            rate = (theirs[name] - ours[name]) / np.where(ours[name] == start[name], np.inf, ours[name] - start[name])
            assert np.allclose(rate[rate != 0], 0.9, atol=0.02), name
        elif ".moment" not in name:
            moved = np.abs(value - start[name]).max()
            np.testing.assert_allclose(ours[name], value, rtol=0, atol=0.02 * moved + 1e-7, err_msg=name)
