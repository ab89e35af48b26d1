"""Measuring during the training, the best networks so far, and how much of the disk all that takes."""

import os
import re
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from conftest import STEPS, slow
from run_folders import copy_run, differences, replace, states

from ms_gan.evaluation.cheap import CHEAP_MEASURES
from ms_gan.runs.folder import RunFolder
from ms_gan.runs.history import read_history
from ms_gan.runs.index import check_digest

pytestmark = pytest.mark.usefixtures("compiled_once")

_WISH = ("--evaluate-every", "10", "--keep-best", "sliced_wasserstein")


@pytest.fixture(scope="module")
def evaluated(train_here):
    return train_here("--steps", STEPS, *_WISH)


def _best(run):
    generator, discriminator = RunFolder(run).best_files()
    return generator.read_bytes(), discriminator.read_bytes()


def test_measuring_changes_no_bit_of_the_training(evaluated, finished):
    with np.load(states(evaluated)[-1] / "parameters.npz") as a, np.load(states(finished)[-1] / "parameters.npz") as b:
        assert all(a[name].tobytes() == b[name].tobytes() for name in b.files)
    for ours, theirs in zip(*(read_history(run / "history.jsonl") for run in (evaluated, finished)), strict=True):
        assert {key: ours[key] for key in theirs if key != "seconds"} == {
            key: value for key, value in theirs.items() if key != "seconds"
        }


def test_history_holds_the_measures_where_they_were_due(evaluated):
    records = read_history(evaluated / "history.jsonl")
    assert [record["step"] for record in records if "sliced_wasserstein" in record] == [10, 20, 30, 40, 50]
    assert [record["step"] for record in records if "diversity" in record] == [20, 40]
    assert all(0 < record["sliced_wasserstein"] < 1.5 for record in records if "sliced_wasserstein" in record)


def test_best_networks_are_those_of_the_best_record(evaluated, command, tmp_path):
    records = [record for record in read_history(evaluated / "history.jsonl") if "sliced_wasserstein" in record]
    best = min(records, key=lambda record: record["sliced_wasserstein"])
    note = RunFolder(evaluated).best()
    assert (note["measure"], note["value"], note["step"]) == (
        "sliced_wasserstein",
        best["sliced_wasserstein"],
        best["step"],
    )
    assert f"Best so far: sliced_wasserstein {best['sliced_wasserstein']:.4f} at step" in (
        (evaluated / "log.txt").read_text()
    )
    out = tmp_path / "best.npy"
    assert command("generate", evaluated / "checkpoints" / "GeneratorBest.ckpt", "--num", 4, "--out", out).status == 0
    assert np.load(out).shape == (4, 1, 28, 28)


def test_direction_of_a_measure_is_heeded(begin, monkeypatch):
    from ms_gan.evaluation.cheap import CheapMeasure

    brightness = CheapMeasure(lambda real, fake: float(fake.mean()), lower_is_better=False)
    monkeypatch.setitem(CHEAP_MEASURES, "brightness", brightness)
    measures = "evaluation.measures=[brightness,sliced_wasserstein]"
    run, result = begin("--evaluate-every", "5", "--keep-best", "brightness", "--set", measures)
    assert result.status == 0, result.stderr
    records = [record for record in read_history(run / "history.jsonl") if "brightness" in record]
    assert RunFolder(run).best()["value"] == max(record["brightness"] for record in records)
    assert all("sliced_wasserstein" in record for record in records)


@pytest.mark.parametrize(
    ("step", "how"),
    [(33, "saved"), (47, "lost"), slow(13, "saved"), slow(13, "lost"), slow(33, "lost"), slow(47, "saved")],
)
def test_interrupted_run_ends_with_the_same_best(begin, at_step, command, evaluated, step, how):
    def stop():
        number = signal.SIGTERM if how == "saved" else signal.SIGINT
        signal.signal(signal.SIGINT, signal.getsignal(signal.SIGINT))  # MindSpore has put its own there
        for _ in range(1 if how == "saved" else 2):
            os.kill(os.getpid(), number)

    at_step(step, stop)
    run, result = begin(*_WISH)
    assert result.status == {"saved": 143, "lost": 130}[how]
    assert int(states(run)[-1].name.removeprefix("state-")) == {"saved": step, "lost": step // 20 * 20}[how]
    assert command("train", "--resume", run).status == 0
    assert differences(run, evaluated) == []


def test_best_of_a_future_that_was_taken_back_is_gone(begin, at_step, command, evaluated):
    """Of steps 21 to 33, which are lost, the best must not stay, should the run end before it is reached again."""

    def lost():
        signal.signal(signal.SIGINT, signal.getsignal(signal.SIGINT))
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    at_step(33, lost)
    run, _ = begin(*_WISH)
    assert RunFolder(run).best()["step"] == 30
    at_step(23, lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert command("train", "--resume", run).status == 143
    assert RunFolder(run).best()["step"] == 20
    assert command("train", "--resume", run).status == 0
    assert differences(run, evaluated) == []


def test_damaged_best_networks_are_noticed_and_brought_back(command, evaluated, tmp_path):
    run = copy_run(evaluated, tmp_path / "run")
    path = run / "checkpoints" / "GeneratorBest.ckpt"
    content = bytearray(path.read_bytes())
    content[9000] ^= 4
    replace(path, bytes(content))
    result = command("generate", path, "--num", 4, "--out", tmp_path / "x.npy")
    assert (result.status, result.stderr.count("\n")) == (2, 1)
    assert "GeneratorBest.ckpt: is damaged (its checksum in index.json does not hold)" in result.stderr
    assert command("train", "--resume", run).status == 0
    assert _best(run) == _best(evaluated)


def test_run_whose_best_networks_are_damaged_in_every_copy_goes_on_without(command, evaluated, tmp_path):
    run = Path(shutil.copytree(evaluated, tmp_path / "run"))
    for path in (run / "checkpoints").rglob("GeneratorBest.ckpt"):
        with open(path, "r+b") as stream:
            stream.seek(9000)
            stream.write(b"damage")
    result = command("train", "--resume", run, "--steps", STEPS + 10)
    assert result.status == 0, result.stderr
    assert f"Resuming after step {STEPS}" in result.stdout
    assert result.stdout.count("no intact copy of the best networks of step") == 1
    assert RunFolder(run).best()["step"] == STEPS + 10
    check_digest(run / "checkpoints" / "GeneratorBest.ckpt")


def test_best_is_kept_when_the_older_checkpoints_go(begin):
    run, result = begin("--keep", "1", "--evaluate-every", "20", "--keep-best", "sliced_wasserstein")
    assert result.status == 0
    names = {path.name for path in (run / "checkpoints").glob("*.ckpt")}
    assert names == {f"{role}{which}.ckpt" for role in ("Generator", "Discriminator") for which in ("_step50", "Best")}


@pytest.mark.parametrize("wish", [_WISH, slow(()), slow(("--keep", "2"))])
def test_disk_use_that_is_stated_is_kept(begin, command, wish):
    run, result = begin(*wish)
    assert result.status == 0
    stated = float(re.search(r"Disk: at most ([\d,]+) MB: ", result.stdout)[1].replace(",", ""))
    taken = sum(path.stat().st_size for path in run.rglob("*") if path.is_file()) / 1e6
    assert taken < stated < 4 * taken
    planned = command("train", "--dry-run", "--steps", STEPS, *wish, "--save-every", 20).stdout
    assert re.search(r"# Disk: at most [\d,]+ MB: ", planned)


def test_disk_use_of_a_run_in_minutes_is_stated_per_checkpoint(command):
    open_ended = command("train", "--dry-run", "--minutes", 3).stdout
    assert "and 8.2 MB for each checkpoint (--keep N bounds them)" in open_ended
    assert "for each checkpoint" not in command("train", "--dry-run", "--minutes", 3, "--keep", 5).stdout


def test_curves_show_what_was_measured(evaluated):
    from ms_gan.pictures.curves import draw_curves

    figure = draw_curves(read_history(evaluated / "history.jsonl"), title="x", kind="gan")
    shown = {line.get_gid() for axes in figure.axes for line in axes.lines}
    assert {"sliced_wasserstein", "diversity"} <= shown
