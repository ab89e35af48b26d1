"""`benchmarks/quality.py`: what `evaluate` finds, for every checkpoint, at the minutes that the run's clock showed."""

import json

import pytest
from conftest import ROOT
from PIL import Image

from benchmarks import quality
from ms_gan import evaluate, train
from ms_gan.errors import UserError

RANDOM = ("--extractor", "random-conv-v1")
SMALL = {
    "steps": 6,
    "batch_size": 8,
    "log_every": 2,
    "saving.networks_every": 2,
    "saving.networks_keep": 3,
    "generator.options": {"widths": [16, 16]},
    "discriminator.options": {"widths": [16]},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory, digits_folder, compiled_once):
    home = tmp_path_factory.mktemp("quality")
    small = SMALL | {"data.folder": str(digits_folder)}
    return [
        train("mlp", overrides=small | {"seed": seed}, out=home / f"seed-{seed}", device="cpu").path for seed in (1, 2)
    ]


def _evaluated(path):
    result = evaluate(path, num=40, extractor=RANDOM[1], device="cpu", announce=lambda line: None)
    return {metric["name"]: metric for metric in result["metrics"]}


def test_the_curve_is_the_mean_of_what_evaluate_finds(runs, tmp_path, capsys):
    words = [str(path) for path in runs]
    files = ["--json", str(tmp_path / "q.json"), "--picture", str(tmp_path / "q.png")]
    result = quality.main([*words, "--num", "40", *RANDOM, "--metrics", "kid", "swd", *files])
    (points,) = result["curves"].values()
    assert [(point["step"], point["runs"]) for point in points] == [(2, 2), (4, 2), (6, 2)]
    judged = [_evaluated(path) for path in runs]
    for kind, name in result["metrics"].items():
        found = [one[name]["value"] for one in judged]
        last = points[-1]["metrics"][kind]
        assert last["mean"] == pytest.approx(sum(found) / 2, rel=1e-5)
        assert (last["min"], last["max"]) == pytest.approx((min(found), max(found)), rel=1e-5)
        assert result["floor"][kind] == pytest.approx(judged[0][name]["floor"], rel=1e-5)
    clocks = [
        [json.loads(line)["seconds"] for line in (path / "history.jsonl").read_text().splitlines()] for path in runs
    ]
    wanted = [(first + second) / 120 for first, second in zip(*clocks, strict=True)]
    assert [point["minutes"] for point in points] == pytest.approx(wanted)
    printed = capsys.readouterr().out
    assert "| mlp | 6 | 2 |" in printed
    assert "*real images*" in printed
    assert json.loads((tmp_path / "q.json").read_text())["curves"] == result["curves"]
    assert Image.open(tmp_path / "q.png").size[0] == 1350


def test_fewer_checkpoints_end_with_the_last(runs):
    result = quality.main([str(runs[0]), "--num", "40", *RANDOM, "--metrics", "swd", "--checkpoints", "2"])
    assert [point["step"] for point in result["curves"]["mlp"]] == [2, 6]


def test_more_neighbours_reach_further_and_are_named(runs):
    words = [str(runs[0]), "--num", "40", *RANDOM, "--metrics", "precision", "recall", "--checkpoints", "1"]
    usual, most = quality.main(words), quality.main([*words, "--neighbours", "39"])
    assert usual["metrics"]["recall"] == "recall40_random-conv-v1"
    assert most["metrics"]["recall"] == "recall40_random-conv-v1, 39 neighbours"
    assert usual["floor"]["recall"] < 1
    # Every ball of a set of 40 then reaches to its farthest other one.
    assert most["floor"]["precision"] == most["floor"]["recall"] == 1


def test_other_settings_make_another_curve(runs, tmp_path, digits_folder):
    changes = SMALL | {"data.folder": str(digits_folder), "generator_optimizer.lr": 1e-3}
    other = train("mlp", overrides=changes, out=tmp_path / "faster", device="cpu").path
    words = [str(path) for path in (*runs, other)]
    result = quality.main([*words, "--num", "40", *RANDOM, "--metrics", "swd", "--checkpoints", "1"])
    assert {title: points[0]["runs"] for title, points in result["curves"].items()} == {"seed-1": 2, "faster": 1}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--metrics", "fidd"], "unknown name 'fidd'; did you mean fid?"),
        (["--num", "3"], "--num 3: must be at least 10"),
        (["--checkpoints", "0"], "--checkpoints 0: must be at least 1"),
        (["--neighbours", "0"], "--neighbours 0: must be at least 1"),
        (["--num", "10", "--neighbours", "10", *RANDOM, "--metrics", "recall"], "neighbour"),
        (["--picture", "q.jpg"], "q.jpg: give it a name ending in .png"),
        ([str(ROOT / "docs")], "is no run folder"),
        (["--num", "10", *RANDOM, "--metrics", "fid"], "--metrics fid: cannot be measured here: "),
        (["--num", "10", *RANDOM, "--metrics", "classes"], "extractor random-conv-v1 knows no classes"),
    ],
)
def test_what_is_wrong_is_said(runs, words, told):
    with pytest.raises(UserError) as caught:
        quality.main([str(runs[0]), *words])
    assert told in str(caught.value)


def test_a_run_named_twice_is_no_second_seed(runs):
    with pytest.raises(UserError, match="named twice"):
        quality.main([str(runs[0]), f"{runs[0]}/../{runs[0].name}"])


def test_runs_on_other_data_are_refused(runs, tmp_path, digits_folder):
    changes = SMALL | {"data.folder": str(digits_folder), "data.size": 32}
    other = train("mlp", overrides=changes, out=tmp_path / "other", device="cpu").path
    with pytest.raises(UserError, match="trained on different data"):
        quality.main([str(runs[0]), str(other), "--num", "10"])
