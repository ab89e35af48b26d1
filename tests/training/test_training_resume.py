"""A run that was stopped, killed or prolonged ends with the bits of one that went through."""

import json
import os
import resource
import shutil
import signal
import time

import pytest
from conftest import SHORT, STEPS, slow
from PIL import Image
from run_folders import copy_run, differences, replace, states

from ms_gan.runs.folder import RunFolder


@pytest.fixture
def start_run(start, digits_folder, tmp_path):
    """Give a function that begins the run in a child process and waits until its history has so many lines."""

    def start_run(lines):
        run = tmp_path / "child"
        basis = ("train", "--data-dir", digits_folder, "--out", run, "--steps", STEPS, *SHORT, "--device", "cpu")
        child = start(*basis, cwd=tmp_path)
        history = run / "history.jsonl"
        while child.poll() is None and not (history.exists() and history.read_bytes().count(b"\n") >= lines):
            time.sleep(0.002)
        return child, run

    return start_run


def test_sigterm_saves_and_resumes(begin, at_step, command, finished):
    at_step(23, lambda: os.kill(os.getpid(), signal.SIGTERM))
    run, result = begin()
    assert result.status == 143
    last = result.stderr.splitlines()[-1]
    assert "Go on with: " in last
    assert last.endswith(f" train --resume {run}")
    assert "stopped after step 23" in result.stderr
    assert states(run)[-1].name == "state-00000023"
    resumed = command("train", "--resume", run)
    assert resumed.status == 0
    assert "Resuming after step 23" in resumed.stdout
    assert differences(run, finished) == []


def test_interrupt_saves_and_resumes(start_run, command, tmp_path, finished):
    child, run = start_run(lines=3)
    # To a process of its own: MindSpore in this one turns SIGINT into SIGTERM before Python sees it.
    child.send_signal(signal.SIGINT)
    stdout, stderr = child.communicate(timeout=60)
    assert child.returncode == 130, stderr
    assert "Traceback" not in stdout + stderr
    last = stderr.splitlines()[-1]
    assert "Go on with: " in last
    assert last.endswith(f" train --resume {run}")
    assert states(run)[-1].name not in ("state-00000000", "state-00000050")
    assert command("train", "--resume", run).status == 0
    assert differences(run, finished) == []


def test_longer_run_equals_one_of_that_length(command, finished, finished_80, tmp_path):
    run = copy_run(finished, tmp_path / "run")
    assert (run / "checkpoints" / "Generator_step50.ckpt").exists()
    assert command("train", "--resume", run, "--steps", 80).status == 0
    assert differences(run, finished_80) == []


BOTH = ("clip_norm=0.1", "lr_warmup=30")
RESIDUAL = ("name=residual", "options.widths=[3,4]")


# In PyNative, which need not be compiled; graph mode has the same bits by other tests.
@pytest.mark.parametrize(
    "settings",
    [
        (
            *("augmentation=[translation,cutout]", "augmentation_share=0.5", "updates.accumulate=2"),
            *(f"{role}_optimizer.{setting}" for role in ("generator", "discriminator") for setting in BOTH),
        ),
        ("objective.loss=relativistic", "objective.penalty=r1_r2", "objective.penalty_weight=0.5"),
        (
            *("objective.loss=hinge", "discriminator.options.spectral=true"),
            *(f"{role}.{setting}" for role in ("generator", "discriminator") for setting in RESIDUAL),
        ),
    ],
    ids=["augmented, accumulated, clipped, warmed up", "pairs", "residual, spectral, hinge"],
)
def test_run_of_blocks_has_the_same_bits_after_a_resume(train_here, command, tmp_path, settings):
    length = ("--steps", 6, "--save-every", 4, "--log-every", 1)
    small = ("batch_size=8", "generator.options.widths=[8]", "discriminator.options.widths=[8]")
    whole = train_here(*length, "--mode", "pynative", "--size", 8, "--set", *small, *settings)
    part = copy_run(whole, tmp_path / "part")
    # Without its newest state it goes on from step 4.
    states(part)[-1].rename(tmp_path / "newest")
    resumed = command("train", "--resume", part)
    assert resumed.status == 0, resumed.stderr
    assert "Resuming after step 4" in resumed.stdout
    assert differences(part, whole) == []


# From here on what is compiled is shared, see reusing.py: these tests are of files.
sharing = pytest.mark.usefixtures("compiled_once")


@sharing
def test_killed_run_is_locked_while_it_lives_and_resumes(start_run, command, finished):
    child, run = start_run(lines=3)
    child.send_signal(signal.SIGSTOP)
    second = command("train", "--resume", run)
    assert (second.status, second.stderr.count("\n")) == (2, 1)
    assert f"is being written by process {child.pid} on " in second.stderr
    child.kill()
    child.communicate()
    with open(run / "history.jsonl", "ab") as stream:
        stream.write(b'{"step": 9')  # torn, as a kill in the middle of a write leaves it
    (run / "checkpoints" / ".4321.tmp.Generator0.tmp").write_bytes(b"half")
    assert command("train", "--resume", run).status == 0
    assert differences(run, finished) == []


def test_complete_run_does_nothing(command, finished, tmp_path):
    run = copy_run(finished, tmp_path / "run")
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.name not in (".lock", run.name)}
    result = command("train", "--resume", run)
    assert result.status == 0
    assert "complete after 50 steps, nothing to do; give a larger --steps" in result.stdout
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_complete_run_is_drawn_again_where_settings_of_its_pictures_change(command, finished, tmp_path):
    run = copy_run(finished, tmp_path / "run")
    for name in ("training.gif", "losses.png", "report.html"):
        replace(run / name, b"of before")
    change = ("--set", "samples.seconds_per_frame=0.5", "title=Digits", "log_every=7")
    result = command("train", "--resume", run, *change)
    assert result.status == 0
    assert "Drawn again" in result.stdout
    with Image.open(run / "training.gif") as film:
        assert film.info["duration"] == 500
    assert "Digits" in (run / "report.html").read_text()
    config = RunFolder(run).config()
    # The records are every 10 steps, whatever is asked for now.
    assert (config.samples.seconds_per_frame, config.title, config.log_every) == (0.5, "Digits", 10)
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file() and path.name != ".lock"}
    assert "Drawn again" not in command("train", "--resume", run, *change).stdout
    assert before == {path: path.stat().st_mtime_ns for path in before}


@sharing
def test_a_start_on_something_else_is_told_noted_and_shown(command, finished, tmp_path, monkeypatch):
    from ms_gan.commands import environment

    run = copy_run(finished, tmp_path / "run")
    machine = environment.describe_machine()
    monkeypatch.setattr(environment, "describe_machine", lambda: machine | {"mindspore": "9.9"})
    monkeypatch.setattr(environment, "_git_revision", lambda: None)
    changed = f"mindspore {machine['mindspore']} -> 9.9"
    result = command("train", "--resume", run, "--steps", 52)
    assert result.status == 0, result.stderr
    assert f"Note: the start before this one ran on something else ({changed}); " in result.stdout
    assert "on something else" not in command("train", "--resume", run, "--steps", 54).stdout
    told = RunFolder(run).environment()
    assert told["machine"]["mindspore"] == machine["mindspore"]
    assert [(start["step"], start["machine"]["mindspore"]) for start in told["resumes"]] == [(50, "9.9"), (52, "9.9")]
    assert f"2 times; after step 50 with {changed}" in (run / "report.html").read_text().replace("&gt;", ">")


def test_run_killed_before_its_curves_gets_them(command, finished, tmp_path):
    run = copy_run(finished, tmp_path / "run")
    (run / "losses.png").unlink()
    (run / "training.gif").unlink()
    assert command("train", "--resume", run).status == 0
    assert differences(run, finished) == []


@sharing
def test_changed_cadences_keep_what_is_there(command, finished, tmp_path):
    run = copy_run(finished, tmp_path / "run")
    cadences = ("--set", "samples.every=15", "--set", "saving.networks_every=30", "--log-every", "25")
    assert command("train", "--resume", run, "--steps", 60, *cadences).status == 0
    pictures = sorted(path.name for path in (run / "images").glob("step-*"))
    assert pictures == [f"step-{step:08d}.png" for step in (20, 40, 60)]
    assert list(RunFolder(run).network_index()) == [20, 40, 60]
    steps = [json.loads(line)["step"] for line in (run / "history.jsonl").read_text().splitlines()]
    assert steps == [10, 20, 30, 31, 40, 50, 60]


@sharing
def test_run_in_minutes_ends_with_everything_of_its_last_step(command, digits_folder, tmp_path):
    run = tmp_path / "run"
    basis = ("train", "--data-dir", digits_folder, "--out", run, "--device", "cpu", *SHORT)
    # Saving after every step takes longer than the step, so the time most likely runs out beside the training.
    assert command(*basis, "--minutes", "0.02", "--save-every", "1", "--log-every", "1000").status == 0
    last = states(run)[-1].name.removeprefix("state-")
    assert sorted(path.name for path in (run / "images").glob("step-*"))[-1] == f"step-{last}.png"
    assert json.loads((run / "history.jsonl").read_text().splitlines()[-1])["step"] == int(last)
    assert "complete after" in command("train", "--resume", run).stdout


@sharing
@pytest.mark.parametrize(
    ("file", "how"), [("parameters.npz", "bit"), slow("parameters.npz", "missing"), slow("position.json", "truncated")]
)
def test_damaged_state_is_reported_and_the_one_before_it_used(command, finished, tmp_path, file, how):
    run = copy_run(finished, tmp_path / "run")
    newest = states(run)[-1]
    content = (newest / file).read_bytes()
    flipped = content[:40] + bytes([content[40] ^ 1]) + content[41:]
    replace(newest / file, {"truncated": content[: len(content) // 2], "bit": flipped, "missing": b""}[how])
    if how == "missing":
        (newest / file).unlink()
    result = command("train", "--resume", run)
    assert result.status == 0
    assert f"{newest}: damaged" in result.stdout
    assert "Resuming after step 40" in result.stdout
    assert differences(run, finished) == []


def test_all_states_damaged(command, finished, tmp_path):
    run = copy_run(finished, tmp_path / "run")
    for state in states(run):
        replace(state / "parameters.npz", b"PK")
    result = command("train", "--resume", run)
    assert (result.status, result.stderr.count("\n")) == (2, 1)
    assert "holds no intact state" in result.stderr


@sharing
@pytest.mark.parametrize("content", [b'{"40": ["..", "x"]}', slow(b"{"), slow(None)])
def test_damaged_index_is_written_anew(command, finished, tmp_path, content):
    run = copy_run(finished, tmp_path / "run")
    index = run / "checkpoints" / "index.json"
    index.unlink()
    if content is not None:
        index.write_bytes(content)
    assert command("train", "--resume", run, "--steps", 60).status == 0
    assert list(RunFolder(run).network_index()) == [20, 40, 60]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("--seed", "2"), "seed: 1 -> 2"),
        (("--set", "batch_size=32"), "batch_size: 64 -> 32"),
        (("--set", "generator_optimizer.lr=0.1"), "generator_optimizer.lr: 0.0002 -> 0.1"),
        (("--set", "samples.rows=3", "--seed", "2"), "samples.rows: 5 -> 3; seed: 1 -> 2"),
        (("--set", "generator.options.widths=[8]"), "generator.options.widths"),
        (("--set", "objective.clip=0.01"), "objective.clip: None -> 0.01"),
    ],
)
def test_changed_settings_are_refused_with_the_differences(command, finished, change, told):
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    result = command("train", "--resume", finished, *change)
    assert (result.status, result.stderr.count("\n")) == (2, 1)
    assert told in result.stderr
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_data_may_move_but_not_change(command, finished, digits_folder, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(digits_folder, moved)
    assert command("train", "--resume", finished, "--data-dir", moved).status == 0
    labels = moved / "train-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:-1] + b"\3")
    result = command("train", "--resume", finished, "--data-dir", moved)
    assert (result.status, result.stderr.count("\n")) == (2, 1)
    assert "are not those that the run began with" in result.stderr


@sharing
@pytest.mark.parametrize("step", [slow(25), 45])
def test_full_disk_ends_with_one_line_and_the_run_goes_on(begin, at_step, command, finished, step):
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The networks of step 40, or the state of step 50, no longer fit.
    at_step(step, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, unlimited[1])))
    try:
        run, result = begin()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert (result.status, result.stderr.count("\n")) == (2, 1)
    assert "cannot write" in result.stderr
    assert "File too large" in result.stderr
    assert command("train", "--resume", run).status == 0
    assert differences(run, finished) == []
