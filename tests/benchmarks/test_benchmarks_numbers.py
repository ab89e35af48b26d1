"""The benchmarks' arithmetic, order and files, with sides and clocks that are made up."""

import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ROOT

from benchmarks import against_pytorch, agreement, end_to_end, growth, report, scaling, sides
from benchmarks.process import alternate, compared
from ms_gan.commands.spread import spread_text
from ms_gan.config import recipe_names
from ms_gan.errors import UserError

MADE = []


class FakeSide:
    """A side whose ms/step are given."""

    def __init__(self, side, recipe, settings=(), data_dir=None, fused_adam=False, ms=None, told=None):
        self.side, self.told = side, told if told is not None else []
        self.ms = iter(ms or ([[2.0, 3.0, 100.0]] * 9 if side == "ms_gan" else [[4.0], [6.0]] * 5))
        self.facts = {"parameters": [3, 4], "threads": 2, "block": 5}
        MADE.append((side, recipe, tuple(settings), data_dir, fused_adam))

    def measure(self, seconds, least):
        self.told.append(self.side)
        return {"ms": next(self.ms), "awake": 0.5 if len(self.told) < 3 else 0.01, "peak_gb": 1.0}

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


@pytest.fixture
def fake_sides(monkeypatch):
    MADE.clear()
    for module in (against_pytorch, growth):
        monkeypatch.setattr(module, "Side", FakeSide)
    monkeypatch.setattr(against_pytorch, "module_version", lambda name: "2.13.0")
    return MADE


def test_sides_take_turns_and_ratios_are_of_neighbours():
    told = []
    ours = FakeSide("ours", "mlp", ms=[[1.0, 2.0, 9.0], [8.0]], told=told)
    theirs = FakeSide("theirs", "mlp", ms=[[4.0], [4.0]], told=told)
    found = compared(*alternate((ours, theirs), 2, 1.0, 3))
    assert told == ["ours", "theirs", "ours", "theirs"]
    # The medians 2 and 8 against 4 and 4.
    assert found["ratio"] == {"median": 1.25, "min": 0.5, "max": 2.0}
    assert found["ms"][1] == {"median": 4.0, "min": 4.0, "max": 4.0}
    # How busy a side was while the other started does not count.
    assert found["awake"] == 0.01


def test_json_and_table_of_the_comparison_with_pytorch(fake_sides, tmp_path, capsys):
    file = tmp_path / "numbers.json"
    words = ["--recipe", "wgan", "mlp", "--alternations", "7", "--json", str(file), "--fused-adam"]
    settings = ("seed=3", "data.images_per_epoch=640")
    against_pytorch.main([*words, "--data-dir", "d", "--set", *settings])
    result = json.loads(file.read_text())
    assert list(result["recipes"]) == ["wgan", "mlp"]
    numbers = result["recipes"]["wgan"]
    assert numbers["ratio"] == {"median": 0.75, "min": 0.5, "max": 0.75}
    assert numbers["ms_gan_ms"]["median"] == 3
    assert numbers["pytorch_ms"] == {"median": 4.0, "min": 4.0, "max": 6.0}
    # 5 D updates with 256 images in 3 ms.
    assert numbers["images_per_second"]["ms_gan"] == pytest.approx(5 * 256 / 0.003)
    assert {"machine", "versions", "date", "command", "load_before"} <= set(result)
    assert fake_sides[:2] == [("ms_gan", "wgan", settings, "d", False), ("pytorch", "wgan", settings, "d", True)]
    told = capsys.readouterr().out
    assert against_pytorch.markdown(result) in told
    assert "| `mlp` | 64 | 3 | 4 (4 to 6) | **0.75** (0.50 to 0.75) | 21,333, 16,000 | 1.00, 1.00 |" in told


def test_all_means_every_recipe(fake_sides):
    result = against_pytorch.main(["--recipe", "all", "--alternations", "1"])
    assert sorted(result["recipes"]) == recipe_names()


def test_unequal_networks_are_not_compared(fake_sides, monkeypatch):
    def side(name, *words, **options):
        fake = FakeSide(name, *words, **options)
        fake.facts = {**fake.facts, "parameters": [3, 4 if name == "ms_gan" else 5]}
        return fake

    monkeypatch.setattr(against_pytorch, "Side", side)
    with pytest.raises(UserError, match=r"ms_gan trains \[3, 4\] parameters .* PyTorch twin \[3, 5\]"):
        against_pytorch.main(["--recipe", "mlp"])


def test_without_pytorch_the_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(against_pytorch, "module_version", lambda name: None)
    with pytest.raises(UserError, match=r"pip install -r requirements-pytorch.txt"):
        against_pytorch.main([])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["against_pytorch", "--recipe", "mpl"], "did you mean mlp"),
        (["against_pytorch", "--alternations", "0"], "--alternations"),
        (
            ["against_pytorch", "--set", "batch_size=8", "objective.penalty=r1"],
            "--set objective.penalty=r1: is no setting of both",
        ),
        (["against_pytorch", "--set", "data.source=builtin"], "--set data.source=builtin: is no setting of both"),
        (["growth", "--recipe", "mpl"], "did you mean mlp"),
        (["growth", "--widths", "0"], "--widths"),
        (["growth", "--picture", "x.jpg"], ".png"),
        (["end_to_end", "--recipe", "mpl"], "did you mean mlp"),
        (["end_to_end", "--steps", "1"], "--steps must be at least 2"),
        (["end_to_end", "--json", "."], "it is a folder"),
        (["agreement", "--change=--workers=2", "--recipe", "mpl"], "did you mean mlp"),
        (["agreement", "--change=--workers=2", "--json", "."], "it is a folder"),
    ],
    ids=" ".join,
)
def test_mistakes_end_in_one_line_and_status_2(words, message):
    program = ROOT / "benchmarks" / f"{words[0]}.py"
    done = subprocess.run([sys.executable, program, *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr


class CountingWorker:
    """A worker of which a step takes a millisecond, by a clock that it moves itself."""

    def __init__(self, monkeypatch):
        self.now, self.runs = 0.0, []
        monkeypatch.setattr(sides.time, "perf_counter", lambda: self.now)

    def run(self, steps):
        self.runs.append(steps)
        self.now += 0.001 * steps


def test_a_turn_has_one_uncounted_block_and_enough_others(monkeypatch):
    worker = CountingWorker(monkeypatch)
    assert sides.block_size(worker) == 100
    worker.runs.clear()
    assert sides.measure(worker, 100, seconds=0.25, least=1) == pytest.approx([1.0] * 3)
    assert worker.runs == [100] * 4
    assert len(sides.measure(worker, 100, seconds=0.25, least=5)) == 5


def test_a_long_step_is_a_block_by_itself(monkeypatch):
    worker = CountingWorker(monkeypatch)
    monkeypatch.setattr(worker, "run", lambda steps: setattr(worker, "now", worker.now + 4 * steps))
    assert sides.block_size(worker) == 1


def test_slopes_of_powers():
    assert growth.slopes([(16, 5.0), (32, 10.0), (64, 20.0)]) == pytest.approx({"slope": 1, "slope_at_the_end": 1})
    found = growth.slopes([(1, 1.0), (2, 1.0), (4, 4.0)])
    assert found["slope_at_the_end"] == pytest.approx(2)
    assert found["slope"] == pytest.approx(1)
    assert growth.slopes([(16, 5.0)])["slope"] is None


def test_growth_measures_batches_widths_and_data(fake_sides, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(
        growth, "_data", lambda options: {"images": [2, 1], "ms": [_same(2.0)] * 2, "ratio": _same(1.0)}
    )
    files = tmp_path / "g.json", tmp_path / "g.png"
    words = ["--recipe", "mlp", "--batches", "8", "4", "--widths", "0.5", "1"]
    growth.main([*words, "--json", str(files[0]), "--picture", str(files[1])])
    assert [settings for _, _, settings, _, _ in fake_sides] == [
        ("batch_size=4",),
        ("batch_size=8",),
        ("generator.options.widths=[64, 128, 256, 512]", "discriminator.options.widths=[256, 128]"),
        ("generator.options.widths=[128, 256, 512, 1024]", "discriminator.options.widths=[512, 256]"),
    ]
    result = json.loads(files[0].read_text())
    assert [point["batch"] for point in result["batch"]["mlp"]["points"]] == [4, 8]
    assert growth.markdown(result) in capsys.readouterr().out
    assert "| `mlp`, ms/step | 3 | 3 | 0.00 | 0.00 |" in growth.markdown(result)
    assert files[1].stat().st_size > 10_000


def test_agreement_takes_the_worst_step_and_names_the_furthest_parameter(monkeypatch):
    records = [{"d_loss": 1.0, "g_loss": 2.0}, {"d_loss": 0.5, "g_loss": -2.0}]
    parameters = {"one": np.array([3.0, 4.0]), "other": np.array([12.0]), "zero": np.zeros(2)}
    ours = SimpleNamespace(history=lambda: records, parameters=parameters)
    theirs = SimpleNamespace(
        history=lambda: [records[0], {"d_loss": 0.6, "g_loss": -2.0}],
        parameters=parameters | {"one": np.array([3.0, 4.5])},
    )
    monkeypatch.setattr(agreement, "_parameters", lambda run: run.parameters)
    found = agreement.compare(ours, theirs)
    assert (found["d_loss"], found["g_loss"]) == (pytest.approx(0.2), 0.0)
    assert found["parameters"] == pytest.approx(0.5 / 13)
    assert found["tensors"] == {"one": pytest.approx(0.1), "other": 0.0}
    assert agreement.markdown({"recipes": {"mlp": found}}).endswith(
        "| `mlp` | 2.0e-01 | 0.0e+00 | 3.8e-02 | 1.0e-01 `one` |"
    )


def _same(value):
    return {"median": value, "min": value, "max": value}


def test_end_to_end_has_a_length_for_every_recipe():
    assert sorted(end_to_end._STEPS) == recipe_names()


def test_end_to_end_holds_the_wall_time_against_steps_and_start_up():
    names = ("python and ms_gan", "device", "data", "mindspore", "networks", "folder and checks", "first step")
    moments = {name: 0.5 * number for number, name in enumerate(names, 1)} | {"curves and GIF": 16.0}
    clock = {"moments": moments, "input_seconds": 0.99, "steps": 100}
    timing = {"ms_per_step": 100.0, "seconds_beside_training": {"curves_and_GIF": 1.7}}
    found = end_to_end.summarise(clock, timing, 17.0, 0.6)
    assert found["start_up_seconds"] == 3.5
    assert list(found["start_up"].values()) == pytest.approx([0.5] * 7)
    assert found["allowed_seconds"] == pytest.approx(1.15 * 10 + 3.5)
    assert found["wall_over_allowed"] == pytest.approx(17 / 15)
    assert found["input_share_of_a_step"] == pytest.approx(0.1)
    assert found["shares_of_the_wall_time"] == {"curves and GIF": pytest.approx(0.1)}
    assert found["ending_seconds"] == pytest.approx(1)
    lines = end_to_end.markdown({"bar": 1.15, "recipes": {"mlp": found}}).splitlines()
    assert lines[2] == "| `mlp` | 100 | 100.0 | 17.0 | 113.3 % | 10.0 % | 10.0 % | 0.60 |"


def test_a_busy_machine_is_warned_of(monkeypatch, capsys):
    monkeypatch.setattr(report.os, "getloadavg", lambda: (1.7, 0, 0))
    assert report.circumstances()["load_before"] == 1.7
    assert "Warning: the load of this machine is 1.7 before the start" in capsys.readouterr().err
    monkeypatch.setattr(report.os, "getloadavg", lambda: (0.2, 0, 0))
    report.circumstances()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("--workers 0", "--workers, --batch and --steps are whole numbers from 1"),
        ("--batch 65", "--batch 65: cannot be split into 2 equal shares; give a multiple of --workers, for example 66"),
        ("--batch 4096", "--batch 4096: the data are 2,048 images"),
        ("--recipe mpl", "did you mean mlp?"),
        ("--paper nan", "--paper is a number of milliseconds above 0"),
    ],
)
def test_workers_that_cannot_be_measured_are_one_line(words, line):
    with pytest.raises(UserError, match=line):
        scaling.main(words.split())


def test_workers_against_one_process_and_on_paper(monkeypatch, tmp_path):
    asked = []

    def alone(options, processes, batch):
        asked.append((processes, batch))
        return {"ms": 10.0 * batch / 64}

    together = {"ms": 20.0, "gradients": [int(scaling.LINK), int(scaling.LINK)], "statistics": []}
    monkeypatch.setattr(scaling, "_alone", alone)
    monkeypatch.setattr(scaling, "_together", lambda options, share: together)
    result = scaling.main(["--batch", "64", "--workers", "4", "--paper", "100", "--json", str(tmp_path / "x.json")])
    assert asked == [(1, 64), (4, 16)]
    assert result["communication"] == pytest.approx(1 - 2.5 / 20)
    eight = result["on_paper"][0]
    # Of a ring of 8: 7/8 of both messages there and back, 14 hops for each.
    assert eight["sending_ms"] == pytest.approx(1000 * 2 * 7 / 8 * 2)
    assert eight["latency_ms"] == pytest.approx(1000 * 14 * 2 * scaling.LATENCY)
    assert eight["images_per_second"] == pytest.approx(8 * 64 / (0.1 + 3.5 + 28 * scaling.LATENCY))
    assert "| 4 workers | 20.0 | 3,200 |" in scaling.markdown(result)
    assert json.loads((tmp_path / "x.json").read_text())["ms"] == result["ms"]


def test_a_worker_that_fails_is_one_line(monkeypatch):
    monkeypatch.setattr(scaling, "__file__", "/nonexistent.py")
    with pytest.raises(UserError, match=r"a process with 64 images ended with status 2: .*No such file"):
        scaling.main(["--steps", "1"])


def test_numbers_are_short():
    assert spread_text({"median": 81234.4, "min": 0.012345, "max": 81235.0}) == "81,234 (0.01235 to 81,235)"
    assert spread_text(_same(26.918)) == "26.92"


def test_the_deaf_listener_takes_whatever_the_loop_tells():
    deaf = sides._Deaf()
    assert deaf.on_step(SimpleNamespace(step=1)) is None
    assert deaf.on_something_new(1, 2) is None
