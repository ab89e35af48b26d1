"""The self-test: one table, and an exit status that tells a disagreement."""

import numpy as np
import pytest

from ms_gan.commands import self_test as self_test_module
from ms_gan.commands.compare_trials import Trial
from ms_gan.commands.self_test import judge, loss_difference, self_test
from ms_gan.device import DeviceChoice
from ms_gan.errors import UserError


def trial(loss: float = 1.0, weight: float = 1.0) -> Trial:
    history = [{"step": 5, "d_loss": loss, "g_loss": 4.0}]
    return Trial({"ms_per_step": 2.0}, history, {"w": np.full(2, weight, np.float32)})


def test_self_test_really_runs_both_modes_and_gives_one_table(run_child, kept_digits):
    result = run_child("doctor", "--self-test", "--config", "mlp", "--steps", 5, "--device", "cpu")
    assert result.status == 0, result.stderr
    table = [line for line in result.stdout.splitlines() if line.startswith("|")]
    assert table[0] == "| recipe | graph, ms/step | PyNative, ms/step | agreement | verdict |"
    assert table[2].startswith("| mlp | ")
    assert table[2].endswith(" | PyNative and graph: the same bits | ok |")
    assert "self-test on CPU (mindspore 2." in result.stdout
    assert result.stdout.rstrip().endswith("All recipes agree.")


def test_a_disagreement_or_a_failing_run_is_told_and_the_others_go_on(command, monkeypatch):
    def run_train(recipe, way, steps, out, target):
        name = next(line.split()[1] for line in recipe.read_text().splitlines() if line.startswith("recipe:"))
        if name == "dense":
            raise UserError("the graph run ended with status 1: no memory")
        return trial(weight=1.5 if (name, way.title) == ("dcgan", "PyNative") else 1.0)

    monkeypatch.setattr(self_test_module, "run_train", run_train)
    result = command("doctor", "--self-test", "--device", "cpu", "--config", "dcgan", "dense", "mlp")
    assert result.status == 1
    assert (
        "| dcgan | 2.0 | 2.0 | PyNative and graph: DIFFERENT bits, parameters differ by 0.5 | FAILED |" in result.stdout
    )
    assert "| dense | - | - | the graph run ended with status 1: no memory | FAILED |" in result.stdout
    assert "| mlp | 2.0 | 2.0 | PyNative and graph: the same bits | ok |" in result.stdout
    assert "FAILED: dcgan, dense." in result.stdout


def test_on_ascend_every_run_is_held_against_one_on_the_cpu(monkeypatch):
    asked, lines = [], []

    def run_train(recipe, way, steps, out, target):
        asked.append((target, way.title))
        return trial(1.04 if target == "Ascend" else 1.0)

    choice = DeviceChoice("Ascend", 0, "auto", "an operation ran", {}, {})
    monkeypatch.setattr(self_test_module, "choose_device", lambda *words, **options: choice)
    monkeypatch.setattr(self_test_module, "run_train", run_train)
    assert self_test(["mlp"], announce=lines.append)
    assert asked == [("CPU", "CPU graph"), ("Ascend", "graph O0"), ("Ascend", "graph O1"), ("Ascend", "PyNative")]
    assert "graph O1 and CPU graph: losses agree (4 %)" in lines[-1]
    assert "no loss may differ from the CPU's by more than 5 %" in lines[-1]


def test_tolerance_is_of_the_loss_and_nan_agrees_with_nothing():
    assert loss_difference(trial(0.01), trial(0.05)) == pytest.approx(0.04)
    assert loss_difference(trial(-200), trial(-210)) == pytest.approx(0.05)
    assert not judge("mlp", {"CPU graph": trial(), "graph O0": trial(1.06)}, exact=False).right
    assert not judge("mlp", {"CPU graph": trial(), "graph O0": trial(float("nan"))}, exact=False).right


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--self-test", "--steps", "4"), "--steps must be from 5"),
        (("--self-test", "--config", "mpl"), "mlp"),
        (("--self-test", "--device", "cpu", "--require-ascend"), "--require-ascend contradicts"),
        (("--steps", "5"), "its options go with --self-test"),
    ],
)
def test_self_test_refuses(command, words, message):
    result = command("doctor", *words)
    assert result.status == 2
    assert message in result.stderr
