"""Graph mode against PyNative and a usual script: each in a process of its own, and the answer about bits is true."""

import json

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from ms_gan.commands import compare as compare_module
from ms_gan.commands.compare import compare, ways_for
from ms_gan.commands.compare_report import agreement, compare_table, make_result
from ms_gan.commands.compare_trials import Trial, stock_environment
from ms_gan.config import load_config
from ms_gan.device import DeviceChoice
from ms_gan.device.settings import with_package

SHORT = ("--steps", 15, "--repeats", 1)
SMALL = ("--set", "generator.options.widths=[64,128]", "discriminator.options.widths=[64]")


@pytest.fixture(scope="module")
def compared(run_child, digits_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("compare") / "c"
    words = ("--data-dir", digits_folder, *SHORT, *SMALL, "--stock", "--stock-steps", 1, "--out", out)
    result = run_child("compare", *words)
    assert result.status == 0, result.stderr
    return out, result.stdout, json.loads((out / "compare.json").read_text())


def test_compare_runs_both_modes_and_finds_the_same_bits(compared):
    out, told, found = compared
    assert "After 15 steps: the same bits; largest difference of losses 0, of parameters 0" in told
    assert found["agreement"]["same_bits"]
    assert found["device"] == "CPU"
    assert all(found["modes"][mode]["ms_per_step"]["median"] > 0 for mode in ("graph", "pynative"))
    assert compare_table(found) in told
    with Image.open(out / "compare.png") as picture:
        assert picture.width > 900


def test_compare_tells_how_much_slower_pynative_and_the_usual_script_are(compared):
    _, told, found = compared
    modes = found["modes"]
    assert list(modes) == ["graph", "pynative", "stock"]
    assert modes["graph"]["times_the_first"]["median"] == 1
    for mode in ("pynative", "stock"):
        ratio = modes[mode]["ms_per_step"]["median"] / modes["graph"]["ms_per_step"]["median"]
        assert modes[mode]["times_the_first"]["median"] == pytest.approx(ratio)
    assert [mode["steps"] for mode in modes.values()] == [15, 15, 1]
    assert "| step, times graph's | 1 | " in told
    assert "stock" not in found["agreement"]["with"]
    assert "own random numbers" in told


def test_the_usual_script_gets_none_of_our_settings(monkeypatch):
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "MS_DEV_HOST_BLOCKING_RUN"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("SOMETHING_ELSE", "1")
    found = stock_environment()
    assert not {"ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "MS_DEV_HOST_BLOCKING_RUN"} & set(found)
    assert found["SOMETHING_ELSE"] == "1"


def test_a_child_finds_this_package_and_not_what_its_folder_holds():
    # An empty entry would be the current folder.
    assert with_package({"A": "b"}) == {"A": "b", "PYTHONPATH": str(ROOT)}
    assert with_package({"PYTHONPATH": "/x"})["PYTHONPATH"] == f"{ROOT}:/x"


@pytest.mark.parametrize(
    ("recipe", "convolutional"),
    [
        ("mlp", (False, False)),
        ("dense", (False, False)),
        ("dcgan", (True, True)),
        ("wgan", (True, True)),
        ("best_mnist", (True, False)),
        ("sngan_horses", (True, True)),
    ],
)
def test_the_usual_script_has_mindspores_own_layers_and_our_parameters(
    mindspore_cpu, monkeypatch, recipe, convolutional
):
    import ms_gan.networks
    from ms_gan.commands.stock import make_networks
    from ms_gan.networks import ImageShape, batch_last
    from ms_gan.networks.configured import discriminator_of, generator_of

    config, shape = load_config(recipe, [], {}), ImageShape(1, 32)
    ours = (generator_of(config, shape), discriminator_of(config, shape))
    # Put back afterwards: the script, which is a process of its own, puts it aside for good.
    monkeypatch.setattr(ms_gan.networks, "batch_last", batch_last)
    theirs = make_networks(config, shape)
    nn, own = mindspore_cpu.nn, set()
    for one, other, convolves in zip(ours, theirs, convolutional, strict=True):
        assert [(p.name, p.shape) for p in one.get_parameters()] == [(p.name, p.shape) for p in other.get_parameters()]
        own |= {type(cell).__module__ for _, cell in other.cells_and_names()}
        convolutions = [cell for _, cell in other.cells_and_names() if isinstance(cell, nn.Conv2d | nn.Conv2dTranspose)]
        assert bool(convolutions) == convolves
    assert not {"ms_gan.networks.batch_last", "ms_gan.networks.products"} & own


def test_the_usual_scripts_pipeline_gives_scaled_images_and_latents(mindspore_cpu):
    from small_runs import digits_for

    from ms_gan.commands.stock import endless, pipeline

    images = digits_for("mlp", 40)
    config = load_config("mlp", ["batch_size=16"], {})
    batches = endless(lambda: pipeline(images, config))
    # Two batches a pass, the rest is dropped; then from the start.
    for _ in range(5):
        real, latents = (part.asnumpy() for part in next(batches))
        assert (real.shape, latents.shape) == ((16, 1, 28, 28), (16, 100))
        assert (real.dtype, latents.dtype) == (np.float32, np.float32)
        assert (real.min(), real.max()) == (-1, 1)


def test_the_usual_scripts_pipeline_tells_the_classes_and_asks_for_them(mindspore_cpu):
    from small_runs import digits_for

    from ms_gan.commands.stock import pipeline
    from ms_gan.data.configured import fitted

    images = digits_for("mlp", 40)
    config, _ = fitted(load_config("best_mnist", ["batch_size=40"], {}), images)
    real, latents, choice = (part.asnumpy() for part in next(pipeline(images, config)))
    assert (latents.shape, choice.shape) == ((40, 110), (40, 11))
    assert (choice[:, 0] == 1).all()
    # Each image has its own class, and the latents ask for it; ten times as long as a one, as those of training.
    label_of = {image.tobytes(): label for image, label in zip(images.images, images.labels, strict=True)}
    pixels = np.rint(real * 127.5 + 127.5).astype(np.uint8)
    expected = np.eye(10)[[label_of[image.tobytes()] for image in pixels]]
    np.testing.assert_array_equal(choice[:, 1:], expected)
    np.testing.assert_array_equal(latents[:, 100:], 10 * expected)


def test_the_usual_script_plays_pairs_of_one_class_as_the_formula_says(mindspore_cpu, monkeypatch):
    from small_runs import digits_for

    import ms_gan.networks
    from ms_gan.commands import stock
    from ms_gan.data.configured import fitted
    from ms_gan.networks import batch_last

    made = []

    def keep(*words, make_networks=stock.make_networks):
        made.extend(make_networks(*words))
        return tuple(made)

    monkeypatch.setattr(ms_gan.networks, "batch_last", batch_last)
    monkeypatch.setattr(stock, "make_networks", keep)
    images = digits_for("mlp", 40)
    small = ["batch_size=40", "generator.options.widths=[16]", "discriminator.options.widths=[16]"]
    pairs = ["conditional=true", "objective.loss=relativistic", "ema.decay=0.5", "generator_optimizer.lr=1e-9"]
    config, _ = fitted(load_config("mlp", [*small, *pairs, "discriminator_optimizer.lr=1e-9"], {}), images)
    step = stock.make_step(config, images)
    batch = next(stock.pipeline(images, config))
    d_loss, g_loss = step(iter([batch]))
    generator, discriminator = made
    real, latents, choice = batch
    margin = ((discriminator(real) - discriminator(generator(latents))) * choice).asnumpy().sum(axis=1)
    assert d_loss == pytest.approx(np.log1p(np.exp(-margin)).mean(), rel=1e-4)
    assert g_loss == pytest.approx(np.log1p(np.exp(margin)).mean(), rel=1e-4)


def test_the_usual_scripts_average_follows_the_generator(mindspore_cpu):
    from ms_gan.commands.stock import make_average

    ms = mindspore_cpu
    network = ms.nn.Dense(2, 3, weight_init="zeros")
    means, follow = make_average(network, 0.75)
    network.weight.set_data(ms.ops.ones((3, 2)))
    follow_in_graph = ms.jit(follow)
    follow_in_graph()
    follow_in_graph()
    # 1 - 0.75^2.
    np.testing.assert_allclose(means[0].asnumpy(), np.full((3, 2), 0.4375), rtol=1e-6)
    assert make_average(network, 0.0)[0] == ()


def test_on_ascend_the_two_levels_of_graph_mode_are_columns(monkeypatch, tmp_path):
    asked = []

    def run_train(recipe, way, steps, out, target):
        asked.append((target, way.options))
        weights = np.full(2, 1.0 if way.name != "graph_O1" else 1.5, np.float32)
        timing = {"ms_per_step": 2.0 * len(asked), "first_step_seconds": 30.0, "peak_gb": 1.0, "steps": steps}
        return Trial(timing, [{"step": 5, "d_loss": 1.0, "g_loss": 1.0}], {"w": weights}, {"source": "builtin"})

    choice = DeviceChoice("Ascend", 0, "auto", "an operation ran", {}, {})
    monkeypatch.setattr(compare_module, "choose_device", lambda *words, **options: choice)
    monkeypatch.setattr(compare_module, "run_train", run_train)
    lines = []
    out = compare(load_config("mlp", [], {}), steps=10, repeats=1, out=tmp_path / "c", announce=lines.append)
    assert asked == [
        ("Ascend", ("--mode", "graph", "--set", "jit_level=O0")),
        ("Ascend", ("--mode", "graph", "--set", "jit_level=O1")),
        ("Ascend", ("--mode", "pynative")),
    ]
    found = json.loads((out / "compare.json").read_text())
    assert [mode["title"] for mode in found["modes"].values()] == ["graph O0", "graph O1", "PyNative"]
    assert found["data"] == {"source": "builtin"}
    assert [mode["times_the_first"]["median"] for mode in found["modes"].values()] == [1, 2, 3]
    assert not found["agreement"]["same_bits"]
    told = "\n".join(lines)
    assert "graph O0 and graph O1: DIFFERENT bits; largest difference of losses 0, of parameters 0.5" in told
    assert "graph O0 and PyNative: the same bits" in told
    assert [way.name for way in ways_for("Ascend", stock=True)][-1] == "stock"


@pytest.mark.parametrize(
    ("recipe", "settings", "told"),
    [
        ("dcgan", [], True),
        ("wgan", ["discriminator_optimizer.schedule=linear"], True),
        ("mlp", [], False),
    ],
)
def test_compare_says_that_the_usual_script_has_no_schedule(monkeypatch, tmp_path, recipe, settings, told):
    timing = {"ms_per_step": 2.0, "first_step_seconds": 1.0, "peak_gb": 1.0, "steps": 10}
    trial = Trial(timing, [{"step": 5, "d_loss": 1.0, "g_loss": 1.0}], {"w": np.ones(1, np.float32)})
    for name in ("run_train", "run_stock"):
        monkeypatch.setattr(compare_module, name, lambda *words: trial)
    lines = []
    config = load_config(recipe, settings, {})
    compare(config, steps=10, repeats=1, stock=True, out=tmp_path / "c", device="cpu", announce=lines.append)
    assert any("Stock keeps the learning rates of the start" in line for line in lines) == told


def test_every_run_of_a_way_counts_for_its_bits():
    timing = {"ms_per_step": 2.0, "first_step_seconds": 1.0, "peak_gb": 1.0, "steps": 10}
    ended = {"graph": (1, 1), "pynative": (1, 9)}
    trials = {
        way: [
            Trial(timing, [{"step": 5, "d_loss": 1.0, "g_loss": 1.0}], {"w": np.float32([weight])}) for weight in runs
        ]
        for way, runs in ended.items()
    }
    choice = DeviceChoice("CPU", 0, "auto", "no NPU", {}, {})
    found = make_result(load_config("mlp", [], {}), choice, 10, ways_for("CPU", stock=False), trials)
    assert not found["agreement"]["same_bits"]
    assert found["agreement"]["same_bits_again"]
    assert found["agreement"]["parameters"] == found["agreement"]["with"]["pynative"]["parameters"] == 8
    assert "After 10 steps: DIFFERENT bits; largest difference of losses 0, of parameters 8" in compare_table(found)


def test_the_level_of_the_graph_compiler_is_a_setting(command):
    assert "jit_level: O1" in command("train", "--dry-run", "--set", "jit_level=O1").stdout
    result = command("train", "--dry-run", "--set", "jit_level=O9")
    assert result.status == 2
    assert "O0, O1" in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--steps", "3"), "--steps must be at least 10"),
        (("--repeats", "0"), "--repeats from 1"),
        (("--stock-steps", "3"), "--stock-steps goes with --stock"),
        (("--stock", "--stock-steps", "0"), "--stock-steps must be at least 1"),
        (("--stock", "--set", "precision=fp16"), "the usual script has no precision: fp16"),
        (
            ("--stock", "--set", "updates.d_steps=2", "updates.fresh_batch=false"),
            "the usual script has no updates.fresh_batch: false",
        ),
    ],
)
def test_compare_refuses(command, words, message):
    result = command("compare", *words)
    assert result.status == 2
    assert message in result.stderr


def test_compare_finds_out_that_it_cannot_write_before_it_runs(command, tmp_path, monkeypatch):
    monkeypatch.setattr(compare_module, "run_train", lambda *words: pytest.fail("it ran"))
    (tmp_path / "file").write_text("")
    result = command("compare", "--out", tmp_path / "file")
    assert result.status == 2
    assert f"cannot write {tmp_path / 'file'}" in result.stderr


def test_agreement_sees_the_last_bit_and_says_how_large_it_is():
    weights = np.ones(3, np.float32)
    other = weights.copy()
    other[1] = np.nextafter(np.float32(1), np.float32(2))
    history = [{"step": 1, "d_loss": 1.0, "g_loss": 2.0}]
    one = Trial({}, history, {"w": weights})
    found = agreement(one, Trial({}, history, {"w": other}))
    assert not found["same_bits"]
    assert found["losses"] == 0
    assert found["parameters"] == np.float64(other[1]) - 1
    assert agreement(one, Trial({}, history, {"w": weights.copy()}))["same_bits"]
