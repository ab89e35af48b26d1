"""A finished run: the same bits in both modes, what it leaves, and how it is used."""

import json
import math
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import SHORT, STEPS
from PIL import Image
from run_folders import copy_run, differences, states

from ms_gan.pictures import read_loss_texts

_FILES = {
    "config.yaml",
    "environment.json",
    "history.jsonl",
    "log.txt",
    "losses.png",
    "training.gif",
    "images/real.png",
    "checkpoints/index.json",
}


def test_graph_and_pynative_end_with_the_same_bits(finished, train_here):
    assert differences(train_here("--steps", STEPS, "--mode", "pynative"), finished, free=("mode",)) == []


def test_another_seed_gives_another_run(finished, train_here):
    found = differences(train_here("--steps", STEPS, "--seed", "2"), finished, free=("seed",))
    assert "checkpoints/Generator_step50.ckpt" in found
    assert "history.jsonl" in found


def test_a_grid_too_large_for_its_film_is_refused_before_anything_is_made(command, digits_folder, tmp_path):
    run = tmp_path / "run"
    for number in ("300", "100000"):
        grid = ("--set", f"samples.rows={number}", f"samples.columns={number}")
        result = command("train", "--data-dir", digits_folder, "--out", run, "--device", "cpu", *grid)
        assert (result.status, result.stderr.count("\n")) == (2, 1)
        assert f"config samples: a grid of {number} x {number} images" in result.stderr
    assert not run.exists()


def test_the_real_pictures_beside_the_drawn_ones_are_of_all_classes(tmp_path):
    from ms_gan.commands.train import _draw_real

    # As a folder has them: one class after the other.
    images = np.repeat(np.uint8([0, 60, 120, 180, 240]), 40)[:, None, None, None] * np.ones((1, 1, 4, 4), np.uint8)
    samples = SimpleNamespace(rows=5, columns=8, seed=1)
    job = SimpleNamespace(
        config=SimpleNamespace(samples=samples),
        images=SimpleNamespace(images=images),
        run=SimpleNamespace(real_picture=tmp_path / "real.png"),
    )
    _draw_real(job)
    assert set(np.unique(np.asarray(Image.open(tmp_path / "real.png").convert("L")))) >= {0, 60, 120, 180, 240}


# From here on what is compiled is shared, see reusing.py: these tests are of files.
sharing = pytest.mark.usefixtures("compiled_once")


@pytest.fixture(scope="module")
def one_epoch(compiled_once, train_here):
    return train_here("--epochs", "1", "--set", "saving.networks_every=null", "samples.every=null")


def test_what_a_run_leaves(finished):
    files = {path.relative_to(finished).as_posix() for path in finished.rglob("*") if path.is_file()}
    assert files >= _FILES
    assert {f"images/step-{step:08d}.png" for step in (20, 40, 50)} <= files
    for role in ("Generator", "Discriminator"):
        assert {f"checkpoints/{role}_step{step}.ckpt" for step in (20, 40, 50)} <= files
    assert [state.name for state in states(finished)] == ["state-00000040", "state-00000050"]
    assert not [name for name in files if ".tmp" in name]


def test_history_has_every_tenth_step_the_end_of_the_epoch_and_the_last(finished):
    records = [json.loads(line) for line in (finished / "history.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records] == [10, 20, 30, 31, 40, 50]
    assert [record["epoch"] for record in records] == [0, 0, 0, 0, 1, 1]
    for record in records:
        assert all(math.isfinite(value) for value in record.values())
        assert 0 <= record["d_real"] <= 1
        assert record["g_lr"] == record["d_lr"] == 2e-4


def test_epochs_number_the_checkpoints(one_epoch):
    assert (one_epoch / "checkpoints" / "Generator0.ckpt").exists()
    assert (one_epoch / "images" / "step-00000031.png").exists()


def test_checkpoint_loads_with_plain_mindspore(finished, mindspore_cpu):
    from ms_gan.networks import ImageShape, build_generator

    ms = mindspore_cpu
    generator = build_generator("mlp", 100, ImageShape(1, 28), {"widths": [64, 128]})
    parameters = ms.load_checkpoint(str(finished / "checkpoints" / "Generator_step50.ckpt"))
    assert (
        sum(parameters[parameter.name].size for parameter in generator.trainable_params())
        == 101 * 64 + 65 * 128 + 2 * 128 + 129 * 784
    )
    assert ms.load_param_into_net(generator, parameters, strict_load=True) == ([], [])


def test_training_grid_is_drawn_again_exactly(command, finished, tmp_path):
    assert command("generate", finished, "--training-grid", "--out", tmp_path / "again.png").status == 0
    assert (tmp_path / "again.png").read_bytes() == (finished / "images" / "step-00000050.png").read_bytes()


def test_images_follow_from_the_seed(command, finished, tmp_path):
    for name, seed, num in (("a", 7, 9), ("b", 7, 9), ("c", 8, 9), ("d", 7, 4)):
        result = command("generate", finished, "--seed", seed, "--num", num, "--out", tmp_path / f"{name}.npy")
        assert result.status == 0
    a, b, c, d = (np.load(tmp_path / f"{name}.npy") for name in "abcd")
    assert a.shape == (9, 1, 28, 28)
    assert a.dtype == np.float32
    assert abs(a).max() <= 1
    assert a.tobytes() == b.tobytes()
    assert not np.array_equal(a, c)
    assert np.allclose(a[:4], d, atol=1e-5)


@sharing
def test_warm_start_begins_with_the_given_networks(finished, train_here, mindspore_cpu):
    checkpoints = finished / "checkpoints"
    run = train_here(
        *("--init-generator", checkpoints / "Generator_step50.ckpt"),
        *("--init-discriminator", checkpoints / "Discriminator_step50.ckpt"),
        *("--steps", "1", "--seed", "5"),
    )
    first = states(run)[0]
    assert first.name == "state-00000000"
    with np.load(first / "parameters.npz") as begun, np.load(states(finished)[-1] / "parameters.npz") as ended:
        for role in ("Generator", "Discriminator"):
            given = mindspore_cpu.load_checkpoint(str(checkpoints / f"{role}_step50.ckpt"))
            assert given
            for name in given:
                assert begun[name].tobytes() == ended[name].tobytes()


@sharing
def test_no_home_folder_in_what_a_run_leaves(command, child_environment, digits_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "digits").symlink_to(digits_folder)
    words = ("--data-dir", "~/digits", "--out", tmp_path / "run", "--steps", "2", *SHORT, "--device", "cpu")
    result = command("train", *words)
    assert result.status == 0
    for name in ("history.jsonl", "environment.json", "config.yaml"):
        assert str(tmp_path) not in (tmp_path / "run" / name).read_text()


@sharing
def test_what_is_trained_with_relative_data_is_gone_on_with_from_elsewhere_and_told_that_its_rate_is_0(
    command, digits_folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(digits_folder.parent)
    rates = [f"{role}_optimizer.schedule=linear" for role in ("generator", "discriminator")]
    words = ("--data-dir", digits_folder.name, "--out", tmp_path / "run", "--steps", "2", *SHORT, "--device", "cpu")
    begun = command("train", *words, "--set", *rates)
    monkeypatch.chdir(tmp_path)
    longer = command("train", "--resume", tmp_path / "run", "--steps", "3", "--device", "cpu")
    assert (begun.status, longer.status) == (0, 0), longer.stderr
    idle = "Note: the generator learns nothing after step 2 and the discriminator learns nothing after step 2: "
    assert idle not in begun.stdout
    assert idle in longer.stdout
    assert idle in (tmp_path / "run" / "log.txt").read_text()


_USE = """
import json, os, sys
import ms_gan
assert "mindspore" not in sys.modules and "numpy" not in sys.modules
from ms_gan import generate, load_generator, train
from ms_gan.device import choose_device
choose_device("cpu")
assert "mindspore" not in sys.modules
small = {"generator.options.widths": [64, 128], "discriminator.options.widths": [64]}
run = train("mlp", overrides={"steps": 3, "data.folder": sys.argv[1], **small}, out="run", device="cpu")
assert generate(run.path, num=4, out="new.png")[0].exists()
generator, config = load_generator(run.path)
import mindspore
assert mindspore.get_context("device_target") == "CPU" and os.environ["MS_DEV_HOST_BLOCKING_RUN"] == "1"
settings = json.loads((run.path / "environment.json").read_text())["device"]["settings"]
assert settings["MS_DEV_HOST_BLOCKING_RUN"] == "1"
assert generator(mindspore.ops.zeros((2, config.latent.size), mindspore.float32)).shape == (2, 1, 28, 28)
"""


def test_functions_work_in_a_fresh_process(run_child, digits_folder, tmp_path):
    result = run_child(digits_folder, cwd=tmp_path, program=("-c", _USE))
    assert result.status == 0, result.stderr
    assert "Done: 3 steps" in result.stdout


@sharing
def test_diverging_run_ends_with_one_line_and_status_1(command, digits_folder, tmp_path):
    result = command(
        *("train", "--data-dir", digits_folder, "--out", tmp_path / "run", "--steps", "50", *SHORT, "--device", "cpu"),
        *("--set", "discriminator_optimizer.lr=1e30", "--set", "generator_optimizer.lr=1e30"),
    )
    assert result.status == 1
    assert result.stderr.count("\n") == 1
    assert "is not finite" in result.stderr


@pytest.mark.parametrize(
    ("loss", "watched"),
    [("minimax", r"D\(real\) \S+ D\(fake\)"), ("wasserstein", "distance"), ("relativistic", "margin")],
)
def test_the_bar_on_a_terminal_shows_what_is_to_be_watched(
    command, digits_folder, tmp_path, monkeypatch, loss, watched
):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    words = ("--data-dir", digits_folder, "--out", tmp_path / "run", "--steps", "20", *SHORT, "--device", "cpu")
    result = command("train", *words, "--mode", "pynative", "--set", f"objective.loss={loss}")
    assert result.status == 0
    last = result.stderr.split("\r")[-1]
    assert re.search(rf", {watched} \S+ loss_d \S+ loss_g \S+ [0-9,]+ images/s\]", last), last


def test_grids_of_epochs_are_the_last_ones_drawn_in_them(finished, one_epoch, monkeypatch):
    from ms_gan.commands import show
    from ms_gan.runs.folder import RunFolder

    drawn = []
    monkeypatch.setattr(show, "save_labelled", lambda path, panels, *_, **__: drawn.extend(panels))
    show.plot_epochs(RunFolder(one_epoch), [0])
    show.plot_epochs(RunFolder(finished), [1, 0])
    assert [label for label, _ in drawn] == ["epoch 0", "epoch 1 · step 50", "epoch 0 · step 20"]
    for (_, images), step in zip(drawn[1:], (50, 20), strict=True):
        assert np.array_equal(images[0, 0], np.asarray(Image.open(RunFolder(finished).grid_picture(step)).convert("L")))


@pytest.mark.parametrize(
    # 31 steps an epoch.
    ("steps", "others"),
    [((), "and none of another"), ((20,), "only of 0"), ((20, 31, 32, 62, 93, 200, 210, 300), "only of 0 to 2, 6, 9")],
)
def test_the_refusal_of_an_epoch_names_those_that_are_there(command, finished, tmp_path, steps, others):
    run = copy_run(finished, tmp_path / "run")
    for path in (run / "images").glob("step-*.png"):
        path.unlink()
    for step in steps:
        (run / "images" / f"step-{step:08d}.png").touch()
    result = command("plot", run, "--epochs", "7")
    assert result.status == 2
    assert result.stderr == f"ms-gan: --epochs 7: {run / 'images'} holds no grid of it, {others}\n"


def test_grids_side_by_side(command, one_epoch, tmp_path):
    assert command("plot", one_epoch, "--epochs", "0", "--out", tmp_path / "epochs.png").status == 0


def test_texts_hold_every_tenth_step_and_are_read_back_as_that(command, one_epoch, tmp_path):
    result = command("plot", one_epoch, "--texts", tmp_path)
    assert result.status == 0
    assert "left out: 1 of 4 records, between the multiples of 10 (log_every)" in result.stdout
    assert {path.name for path in tmp_path.glob("*.txt")} == {"d_loss.txt", "d_acc.txt", "g_loss.txt", "steps.txt"}
    records = [json.loads(line) for line in (one_epoch / "history.jsonl").read_text().splitlines()]
    read = read_loss_texts(tmp_path)
    # The record of step 31, the end of the epoch, is left out.
    assert [record["step"] for record in read] == [10, 20, 30]
    for ours, theirs in zip(read, records[:3], strict=True):
        assert all(ours[key] == pytest.approx(theirs[key], rel=1e-12) for key in ours)
    assert command("plot", tmp_path, "--out", tmp_path / "losses.png").status == 0
