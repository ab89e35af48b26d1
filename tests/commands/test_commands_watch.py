"""A collapse that is seen during a run is told on the console, in the log and in environment.json, once."""

import os
import signal

import pytest

from ms_gan.evaluation.diversity import Diversity
from ms_gan.runs.folder import RunFolder
from ms_gan.runs.history import read_history
from ms_gan.training import watch

pytestmark = pytest.mark.usefixtures("compiled_once")

_OFTEN = ("--set", "samples.every=5")


@pytest.fixture(autouse=True)
def collapsed(monkeypatch):
    """Let every grid look as if all its pictures were alike, from the first step on."""
    monkeypatch.setattr(Diversity, "of", lambda self, images: 0.01)
    monkeypatch.setattr(watch, "_GRACE", 0)


def test_warning_is_told_everywhere_once(begin):
    run, result = begin(*_OFTEN)
    assert result.status == 0
    told = "Warning: step 15: G draws nearly the same picture again and again (diversity 0.01"
    assert result.stdout.count("Warning: ") == result.stdout.count(told) == 1
    assert told in (run / "log.txt").read_text()
    (warning,) = RunFolder(run).environment()["warnings"]
    assert (warning["step"], warning["kind"]) == (15, "collapse")
    assert f"Warning: {warning['text']}" in result.stdout
    grids = [record for record in read_history(run / "history.jsonl") if record["step"] % 5 == 0]
    assert {record["diversity"] for record in grids} == {0.01}


def test_resumed_run_does_not_warn_again(begin, at_step, command):
    at_step(23, lambda: os.kill(os.getpid(), signal.SIGTERM))
    run, result = begin(*_OFTEN)
    assert result.stdout.count("Warning: ") == 1
    assert [warning["step"] for warning in RunFolder(run).environment()["warnings"]] == [15]
    resumed = command("train", "--resume", run)
    assert resumed.status == 0
    assert "Warning: " not in resumed.stdout
    assert [warning["step"] for warning in RunFolder(run).environment()["warnings"]] == [15]


def test_run_that_loses_the_steps_of_a_warning_gives_it_again(begin, at_step, command):
    def lost():
        signal.signal(signal.SIGINT, signal.getsignal(signal.SIGINT))  # MindSpore has put its own there
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    at_step(18, lost)
    run, _ = begin(*_OFTEN)
    assert command("train", "--resume", run).stdout.count("Warning: step 15") == 1
    assert [warning["step"] for warning in RunFolder(run).environment()["warnings"]] == [15]
