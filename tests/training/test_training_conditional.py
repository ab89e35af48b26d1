"""Conditional runs: which class G is asked for, how D judges it, its penalty, its bits, and drawing on request."""

import dataclasses

import mindspore as ms
import numpy as np
import pytest
from conftest import slow
from mindspore import Tensor
from PIL import Image
from run_folders import copy_run, differences, states
from small_runs import SmallRun, differing, digits_for, image_set, small_config

from ms_gan.commands.generate import classes_of
from ms_gan.data.classes import asked_classes, asking, drawing_latents, names_of, numbers_of
from ms_gan.data.configured import fitted
from ms_gan.data.stream import d_latents, fixed_latents
from ms_gan.errors import UserError
from ms_gan.evaluation.results import protocol_key
from ms_gan.networks.configured import discriminator_of
from ms_gan.networks.registry import ImageShape
from ms_gan.objectives.penalties import squared_gradient_norms
from ms_gan.report.evaluations import read_evaluations
from ms_gan.runs.folder import RunFolder
from ms_gan.runs.sealed import read_sealed, write_sealed
from ms_gan.training.conditions import make_judge

pytestmark = pytest.mark.usefixtures("compiled_once")
CONDITIONAL = ("conditional=true", "batch_size=8")
SMALL = ("generator.options.widths=[8,8]", "discriminator.options.widths=[8]")


def small_critic(*settings):
    config = small_config("mlp", *CONDITIONAL, "discriminator.options.widths=[6]", *settings)
    return config, discriminator_of(config, ImageShape(1, 28))


def test_real_and_fake_of_a_step_are_of_the_same_classes():
    images = digits_for("mlp", 80)
    run = SmallRun(small_config("mlp", *CONDITIONAL, *SMALL, steps=1), images)
    for index in (0, 3, 11):
        batch, numbers = run.stream.batch(index), run.stream.classes(index)
        for picture, number in zip(batch, numbers, strict=True):
            same = (images.images == np.rint(picture * 127.5 + 127.5).astype(np.uint8)).all(axis=(1, 2, 3))
            assert number in images.labels[same]
    asked = asking(d_latents(1, 0, 8, 100), run.stream.classes(0), 10)
    before = run.players.discriminator(run.players.generator(Tensor(asked))).asnumpy()
    wanted = before[:, 0] + before[np.arange(8), 1 + run.stream.classes(0)]
    run.train()
    # D's answer in the first step is that of both networks as they were.
    assert run.records[0]["d_fake"] == pytest.approx((1 / (1 + np.exp(-wanted))).mean(), rel=1e-5)


def test_a_class_is_as_long_as_a_latent_and_asked_for_in_turn():
    config = small_config("mlp", *CONDITIONAL)
    latents = drawing_latents(config, 7, 23)
    np.testing.assert_array_equal(latents[:, :100], fixed_latents(7, 23, 100))
    assert latents.dtype == np.float32
    for row, vector in enumerate(latents):
        np.testing.assert_array_equal(vector[100:], 10 * (np.arange(10) == row % 10))
    sevens = drawing_latents(config, 7, 23, np.full(23, 7))
    np.testing.assert_array_equal(sevens[:, :100], latents[:, :100])
    assert sevens[:, 107].all()


@pytest.mark.parametrize("mode", ["graph", "pynative"])
def test_gradient_of_the_judged_class_is_that_of_its_projection(mode):
    _, critic = small_critic()
    random, numbers = np.random.default_rng(3), np.array([2, 0, 9, 9, 5])
    images = random.uniform(-1, 1, (5, 1, 28, 28)).astype(np.float32)
    choice = np.concatenate([np.ones((5, 1)), numbers[:, None] == np.arange(10)], axis=1).astype(np.float32)

    judge = make_judge(critic)

    def norms(inputs, choice):
        return squared_gradient_norms(judge, inputs, choice)

    found = (ms.jit(norms) if mode == "graph" else norms)(Tensor(images), Tensor(choice)).asnumpy()
    first, second = ({n: p.asnumpy().astype(np.float64) for n, p in layer.parameters_and_names()}
                     for layer in (critic.layers[0], critic.layers[2]))  # fmt: skip
    hidden = images.reshape(5, -1) @ first["weight"].T + first["bias"]
    # The first logit and that of the class, both of the same features.
    towards = second["weight"][0] + second["weight"][1 + numbers]
    gradient = (towards * np.where(hidden > 0, 1, 0.2)) @ first["weight"]
    np.testing.assert_allclose(found, (gradient**2).sum(axis=1), rtol=1e-4)


PAIRS = (
    "objective.loss=relativistic",
    "objective.penalty=r1_r2",
    "objective.penalty_every=2",
    "objective.penalty_weight=1",
)
CASES = {
    "mlp": ("mlp", (*SMALL, "ema.decay=0.9")),
    "mlp, pairs": ("mlp", (*SMALL, *PAIRS, "augmentation=[translation,cutout]")),
    "mlp, fresh latents": ("mlp", (*SMALL, "latent.shared=false", "updates.d_steps=2", "objective.penalty=gradient")),
    "mlp, in parts": ("mlp", (*SMALL, "updates.accumulate=2", "updates.d_steps=2", "updates.fresh_batch=false",
                                 "latent.shared=false")),
    "dense, in turn": ("dense", ("generator.options.widths=[8]", "discriminator.options.widths=[8]")),
    "dcgan": ("dcgan", ()),
    # Without a penalty, with which PyNative takes the compiled step where latents are shared.
    "infogan": ("mlp", ("generator.name=infogan", "discriminator.name=infogan", "ema.decay=0.9",
                        "generator.options.upsample=true",
                        "generator.options.widths=[8,4,4]", "discriminator.options.widths=[4,4,8]")),
    "infogan, penalty": ("mlp", ("generator.name=infogan", "discriminator.name=infogan", "objective.penalty=r1",
                                 "latent.shared=false",
                                 "generator.options.widths=[8,4,4]", "discriminator.options.widths=[4,4,8]")),
    "residual": ("mlp", ("generator.name=residual", "discriminator.name=residual",
                         "discriminator.options.spectral=true", "objective.loss=hinge",
                         "generator.options.widths=[4]", "discriminator.options.widths=[4]")),
    "wgan, RMSProp": ("wgan", ("generator.options.widths=[8,8,4,4]", "discriminator.options.widths=[8,8]",
                               "updates.d_steps=1", "discriminator_optimizer.name=rmsprop")),
}  # fmt: skip


# test_networks_residual.py has the networks of "residual" too, InfoGAN's only compiled; the heads of the slow ones are
# mlp's.
FAST = ("mlp", "mlp, fresh latents", "mlp, in parts", "dense, in turn")


@pytest.mark.parametrize("case", [case if case in FAST else slow(case) for case in CASES])
def test_both_modes_give_the_same_bits(case):
    recipe, settings = CASES[case]
    config, images = small_config(recipe, *CONDITIONAL, *settings, steps=6), digits_for(recipe, 80)
    graph = SmallRun(config, images).train()
    assert all(np.isfinite(value) for record in graph.records for value in record.values())
    eager = SmallRun(dataclasses.replace(config, mode="pynative"), images).train()
    assert differing(graph, eager) == []


def test_both_kits_judge_alike():
    from ms_gan.networks.kit import plain_layers

    config = small_config("wgan", *CONDITIONAL, "discriminator.options.widths=[4,5]")
    image, images = ImageShape(3, 32), np.random.default_rng(1).uniform(-1, 1, (3, 3, 32, 32)).astype(np.float32)
    ours = discriminator_of(config, image)
    with plain_layers():
        native = discriminator_of(config, image)
    ms.load_param_into_net(native, ours.parameters_dict(), strict_load=True)
    found = ours(Tensor(images)).asnumpy()
    assert found.shape == (3, 11)
    np.testing.assert_allclose(found, native(Tensor(images)).asnumpy(), rtol=1e-4, atol=1e-5)


def test_classes_are_those_that_there_are_images_of():
    images = digits_for("mlp", 60)
    only = np.isin(images.labels, (3, 5))
    chosen = dataclasses.replace(images, images=images.images[only], labels=images.labels[only])
    assert names_of(chosen) == ("3", "5")
    np.testing.assert_array_equal(numbers_of(chosen, ("3", "5")), chosen.labels == 5)
    np.testing.assert_array_equal(numbers_of(chosen, ("5", "4", "3")), np.where(chosen.labels == 5, 0, 2))
    with pytest.raises(UserError, match=r"data.class_names: .*other classes as well \(5\); known are 3, 4"):
        numbers_of(chosen, ("3", "4"))
    with pytest.raises(UserError, match="conditional: the images of memory have no classes"):
        names_of(image_set(images.images))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("data.class_names=[a,b]",), "data.class_names: goes with conditional: true"),
        (("conditional=true", "data.class_names=[a,b,a]"), "data.class_names: a, b, a has a name twice"),
    ],
)
def test_class_names_that_cannot_be_are_refused(settings, message):
    images = digits_for("mlp", 20)
    with pytest.raises(UserError, match=message):
        fitted(small_config("mlp", *settings), images)


def test_half_precision_trains_conditionally():
    run = SmallRun(small_config("mlp", *CONDITIONAL, *SMALL, "precision=fp16", steps=3), digits_for("mlp", 80)).train()
    assert all(np.isfinite(value) for record in run.records for value in record.values())


def test_a_discriminator_of_one_logit_is_refused():
    from mindspore import nn

    from ms_gan.networks.registry import DISCRIMINATORS, discriminator

    @discriminator("single")
    class Single(nn.Cell):
        def __init__(self, image):
            super().__init__()

    try:
        with pytest.raises(UserError, match="conditional: discriminator single cannot judge classes"):
            discriminator_of(small_config("mlp", *CONDITIONAL, "discriminator.name=single"), ImageShape(1, 28))
    finally:
        del DISCRIMINATORS["single"]
    config = small_config("mlp", "discriminator.options.outputs=3")
    with pytest.raises(UserError, match="discriminator option"):
        discriminator_of(config, ImageShape(1, 28))


@pytest.fixture(scope="module")
def run(compiled_once, train_here):
    settings = ("samples.every=10", "saving.networks_every=10", "saving.state_every=10", "batch_size=16")
    widths = ("generator.options.widths=[16,8,4]", "discriminator.options.widths=[16]")
    return train_here("--config", "conditional_mnist", "--steps", 25, "--set", *settings, *widths)


def test_interrupted_and_resumed_is_uninterrupted(run, command, tmp_path):
    again = copy_run(run, tmp_path / "again")
    states(again)[-1].rename(tmp_path / "newest")
    assert command("train", "--resume", again).status == 0
    assert differences(again, run) == []


def test_draws_the_class_that_is_asked_for(run, command, tmp_path):
    words = ("--device", "cpu", "--num", 6, "--seed", 4)
    for name, asked in (("seven", ("--class", "7")), ("all", ("--classes", "0-9")), ("turn", ())):
        result = command("generate", run, *asked, *words, "--out", tmp_path / f"{name}.npy")
        assert result.status == 0, result.stderr
    seven, every, turn = (np.load(tmp_path / f"{name}.npy") for name in ("seven", "all", "turn"))
    assert every.shape == (60, 1, 28, 28)
    # Batches of another size round otherwise.
    np.testing.assert_allclose(every[42:48], seven, atol=1e-5)
    np.testing.assert_allclose(turn[3], every[3 * 6 + 3], atol=1e-5)
    assert np.abs(every[:6] - seven).max() > 1e-2
    sheet = command("generate", run, "--classes", "0-9", *words, "--out", tmp_path / "sheet.png")
    assert sheet.status == 0
    with Image.open(tmp_path / "sheet.png") as picture:
        assert picture.width > 1000


def test_which_pictures_are_of_which_class_and_which_are_older_is_said(run, command, tmp_path):
    words = ("--device", "cpu", "--out")
    assert "older" not in command("generate", run, "--num", 9, *words, tmp_path / "drawn").stdout
    (tmp_path / "drawn" / "mine.png").touch()
    said = command("generate", run, "--classes", 7, 3, "--num", 2, *words, tmp_path / "drawn").stdout.splitlines()
    assert said[-2:] == [
        f"Note: 5 older pictures stay in {tmp_path}/drawn, such as 4.png",
        "Classes: 0.png to 1.png: 7, 2.png to 3.png: 3",
    ]
    assert len(list((tmp_path / "drawn").iterdir())) == 10
    said = command("generate", run, "--classes", 7, 3, "--num", 1, *words, tmp_path / "drawn.npy").stdout
    assert said.splitlines()[-1] == "Classes: 0: 7, 1: 3"


def test_an_evaluation_says_how_classes_were_asked_for(run, command, tmp_path):
    again = copy_run(run, tmp_path / "again")
    words = ("--extractor", "random-conv-v1", "--num", 20, "--device", "cpu")
    assert command("evaluate", again, *words).status == 0
    (kept,) = again.glob("evaluation/*.json")
    result = read_sealed(kept)
    key = protocol_key(result)
    assert result["protocol"].pop("asked") == "as the data"
    # As an older version left it, which asked in turn.
    write_sealed(kept, result)
    ((older,), _) = read_evaluations(RunFolder(again))
    assert older["protocol"]["asked"] == "in turn"
    assert protocol_key(older) != key


def test_exported_it_draws_the_same(run, command, tmp_path):
    assert command("export", run, "--format", "npz", "--out", tmp_path / "g.npz").status == 0
    assert command("draw", tmp_path / "g.npz", "--num", 12, "--seed", 3, "--out", tmp_path / "drawn.npy").status == 0
    command("generate", run, "--device", "cpu", "--num", 12, "--seed", 3, "--out", tmp_path / "generated.npy")
    drawn, generated = np.load(tmp_path / "drawn.npy"), np.load(tmp_path / "generated.npy")
    np.testing.assert_allclose(drawn, generated, atol=2e-4)
    words = ("--class", 7, "--num", 1, "--seed", 3, "--out")
    assert command("draw", tmp_path / "g.npz", *words, tmp_path / "drawn.npy").status == 0
    assert command("generate", run, "--device", "cpu", *words, tmp_path / "generated.npy").status == 0
    np.testing.assert_allclose(np.load(tmp_path / "drawn.npy"), np.load(tmp_path / "generated.npy"), atol=2e-4)


def test_a_class_is_asked_for_by_name_or_number():
    assert asked_classes(["Horse", "1"], ("bird", "cat", "horse")) == [2, 1]
    # Where names are numbers, no other number is one.
    assert asked_classes(["5"], ("3", "5")) == [1]
    with pytest.raises(UserError, match=r"--class: unknown name '0'; known: 3, 5"):
        asked_classes(["0"], ("3", "5"))
    # As it is spelt; in other case only where that tells.
    assert asked_classes(["a", "A", "B"], ("A", "a", "b")) == [1, 0, 2]
    with pytest.raises(UserError, match=r"--class: 'straSSe' may be Strasse \(0\) or STRASSE \(1\); say which"):
        asked_classes(["straSSe"], ("Strasse", "STRASSE"))
    with pytest.raises(UserError, match="--class: cat is asked for twice; name each class once"):
        asked_classes(["cat", "CAT"], ("bird", "cat"))


def test_ranges_are_of_numbers_that_are_not_names():
    digits, ages = tuple("0123456789"), ("0-1", "1-2", "18-25", "65")
    assert classes_of(["0-2", "7"], digits, "--classes") == ["0", "1", "2", "7"]
    assert classes_of(["1-2", "2-3"], ages, "--classes") == ["1-2", "18-25", "65"]
    with pytest.raises(UserError, match="--classes: 18-25 is asked for twice; name each class once"):
        classes_of(["18-25", "2-3"], ages, "--classes")
    for word, unknown in (("9-3", "9-3"), ("8-12", "10"), ("0-9999999999", "0-9999999999")):
        with pytest.raises(UserError, match=f"--classes {word}: unknown name '{unknown}'; known: 0, 1"):
            classes_of([word], digits, "--classes")


def test_interpolation_keeps_to_a_class(run, command, tmp_path, monkeypatch):
    from ms_gan.commands import interpolate

    drawn, draw = [], interpolate.draw_images
    monkeypatch.setattr(interpolate, "draw_images", lambda net, latents: drawn.append(latents) or draw(net, latents))
    words = ("--class", 7, "--frames", 3, "--seeds", 1, 2, "--out", tmp_path / "walk.gif", "--device", "cpu")
    result = command("interpolate", run, *words)
    assert result.status == 0, result.stderr
    (asked,) = {tuple(row) for row in drawn[0][:, -10:]}
    assert np.flatnonzero(asked).tolist() == [7]


def test_interpolation_goes_from_class_to_class(run, command, tmp_path):
    assert command("interpolate", run, "--frames", 4, "--out", tmp_path / "strip.png", "--device", "cpu").status == 0
    assert command("interpolate", run, "--frames", 3, "--out", tmp_path / "walk.gif", "--device", "cpu").status == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--class", "12"), "--class 12: unknown name '12'; known: 0, 1"),
        (("--classes", "0-3", "2"), "--classes: 2 is asked for twice; name each class once"),
        (("--classes", "3", "8-12"), "--classes 8-12: unknown name '10'; known: 0, 1"),
        (
            ("--classes", "0-9", "--num", "200000"),
            "--num 200000: of each of 10 classes are 2,000,000 images, more",
        ),
        (("--classes", "0-9", "--latent-scale", "1", "--out", "x.png"), "--latent-scale: goes with one --class"),
        (("--class", "7", "--training-grid"), "leave out --num, --grid, --seed, --class"),
    ],
)
def test_wishes_that_cannot_be_are_refused(run, command, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    result = command("generate", run, *words, "--device", "cpu")
    assert result.status == 2
    assert message in result.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_run_without_classes_says_so(finished, command, tmp_path):
    result = command("generate", finished, "--class", "7", "--out", tmp_path / "x.png", "--device", "cpu")
    assert result.status == 2
    assert "draws no classes on request; train with --set conditional=true" in result.stderr
