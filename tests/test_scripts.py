"""The scripts pass on arguments, signals and statuses, keep a log, and call the commands that they stand for."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from script_place import REPOSITORY, Place, training


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_first_start_makes_the_environment_and_trains_the_main_job(place):
    place.add_python()
    status, output = place.run("run_ascend.sh")
    assert status == 0, output
    assert training(output)["argv"] == ["train", "--config", "mlp"]
    assert training(output)["cwd"] == str(place.elsewhere)
    calls = place.calls()
    assert calls[0] == "venv"
    assert any("--requirement" in call and "a clone/requirements.txt" in call for call in calls)
    assert any("--no-deps" in call and call.endswith("--editable " + str(place.tree)) for call in calls)
    log = next((place.elsewhere / "runs").glob("run_ascend-*.log"))
    assert str(log) in output
    assert "TRAINING" in log.read_text()
    assert "a line for stderr" in log.read_text()


@pytest.mark.parametrize("status", [1, 2, 77])
def test_status_of_a_failing_training_comes_back(place, status):
    place.add_python()
    assert place.run("run_ascend.sh", TRAINING_STATUS=str(status))[0] == status


def test_arguments_pass_unchanged(place):
    place.add_python()
    given = ["--config", "my file.yaml", "--out", "a b", "--set", "x=*", "", "--require-ascend"]
    assert training(place.run("run_ascend.sh", *given)[1])["argv"] == ["train", *given]


@pytest.mark.parametrize("given", [["--config=dense"], ["--resume", "runs/x"], ["--resume=runs/x"]])
def test_main_job_is_only_the_default(place, given):
    place.add_python()
    assert training(place.run("run_ascend.sh", *given)[1])["argv"] == ["train", *given]


def test_help_and_dry_run_leave_no_log(place):
    place.add_python()
    _, output = place.run("run_ascend.sh", "--help")
    assert "--require-ascend" in output
    assert training(output)["argv"][-1] == "--help"
    place.run("run_ascend.sh", "--dry-run")
    assert not (place.elsewhere / "runs").exists()


def test_works_through_a_link_and_without_a_writable_folder(place):
    place.add_python()
    link = place.elsewhere / "go"
    link.symlink_to(place.tree / "scripts/run_ascend.sh")
    (place.elsewhere / "runs").write_text("a file in the way")
    status, output = place.run(str(link))
    assert status == 0
    assert "no log is kept" in output


def test_ctrl_c_reaches_the_training_whose_last_words_are_logged(place):
    place.add_python()
    process = place.start("run_ascend.sh", "--wait")
    _wait_for_log(place, "a line for stderr")
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted, state saved" in output
    assert "interrupted, state saved" in _log(place)


def test_term_of_a_scheduler_reaches_the_training(place):
    place.add_python()
    process = place.start("run_ascend.sh", "--wait")
    _wait_for_log(place, "a line for stderr")
    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == 143


def _log(place: Place) -> str:
    return "".join(log.read_text() for log in (place.elsewhere / "runs").glob("*.log"))


def _wait_for_log(place: Place, text: str) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if text in _log(place):
            time.sleep(0.3)
            return
        time.sleep(0.05)
    raise AssertionError(f"{text!r} never came into the log: {_log(place)}")


@pytest.mark.parametrize("step", ["ruff check", "ruff format", "pytest -n"])
def test_test_command_ends_with_the_status_of_the_failing_step(place, step):
    place.add_python()
    assert place.run("test.sh", "-k", "a or b", FAILING_STEP=step)[0] == 7


def test_test_command_checks_style_and_passes_arguments(place):
    place.add_python()
    assert place.run("test.sh", "-k", "a or b")[0] == 0
    steps = [call for call in place.calls() if call.startswith("[")]
    assert steps[:2] == ["[-m][ruff][check][.]", "[-m][ruff][format][--check][.]"]
    assert steps[2].startswith("[-m][pytest]")
    assert steps[2].endswith("[-k][a or b]")
    assert len(steps) == 3


def test_test_command_adds_what_the_notebooks_need(place):
    place.add_python()
    (place.tree / "requirements-notebooks.txt").write_text("a-jupyter-thing>=8\n")
    assert place.run("test.sh")[0] == 0
    added = [call for call in place.calls() if "--constraint" in call]
    assert [call.split()[-1] for call in added] == ["a-jupyter-thing>=8"]
    assert place.run("run_ascend.sh")[0] == 0
    assert not [call for call in place.calls() if "a-jupyter-thing" in call]


@pytest.mark.parametrize(
    ("script", "command"),
    [("train.py", "train"), ("make_gif.py", "animate"), ("download_mnist.py", "data fetch mnist")],
)
def test_python_entries_call_the_command(place, script, command):
    run = [sys.executable, str(place.tree / "scripts" / script), "a b"]
    done = subprocess.run(run, cwd=place.elsewhere, capture_output=True, text=True, env={"TRAINING_STATUS": "3"})
    assert done.returncode == 3, done.stderr
    assert training(done.stdout)["argv"] == [*command.split(), "a b"]


@pytest.mark.parametrize(
    ("folder", "words"), [("in-the-way", "in-the-way"), ("", "the word after --data-dir is empty")]
)
def test_download_entry_is_one_line_for_a_folder_that_cannot_be_written(tmp_path, folder, words):
    (tmp_path / "in-the-way").touch()
    run = [sys.executable, str(REPOSITORY / "scripts/download_mnist.py"), "--data-dir", folder]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert words in done.stderr
