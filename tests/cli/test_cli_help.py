import re
from pathlib import Path

import pytest
import yaml

from ms_gan.config import load_config, read_config

_COMMANDS = ["train", "generate", "export", "draw", "interpolate", "animate", "plot", "summary", "data", "doctor"]


def test_help_of_train_fits_a_screen_and_is_grouped(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    result = command("train", "--help")
    assert result.status == 0
    lines = result.stdout.splitlines()
    assert len(lines) <= 45
    assert max(map(len, lines)) < 80
    assert [line for line in lines if line.startswith(" " * 20)] == []  # no help on a second line
    for group in ("what:", "data:", "length (one of them):", "output:", "start:", "device:"):
        assert group in lines


def test_options_that_the_project_promises(command):
    text = command("train", "--help").stdout
    promised = (
        "--config --data --data-dir --out --mode --device --epochs --steps --minutes --seed --save-every --log-every "
        "--keep --keep-best --evaluate-every --on-nan --resume --tensorboard --set --dry-run "
        "--init-generator --init-discriminator --require-ascend --classes --size"
    )
    assert [option for option in promised.split() if f"{option} " not in text and f"{option}\n" not in text] == []
    text = command("generate", "--help").stdout
    promised = "--num --grid --seed --out --training-grid --latent-scale --batch-statistics --config"
    assert [option for option in promised.split() if option not in text] == []


def test_every_command_has_help(command):
    text = command("--help").stdout
    for name in _COMMANDS:
        assert name in text
        assert command(name, "--help").status == 0


def test_dry_run_trains_nothing_and_can_be_fed_back(command, run_child, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wish = ("--config", "mlp", "--steps", "7", "--seed", "3", "--set", "objective.clip=0.5")
    # In a process of its own, which has not imported MindSpore: its settings come first, or it warns of itself.
    result = run_child("train", "--dry-run", *wish)
    assert (result.status, result.stderr) == (0, "")
    assert "Nothing was trained" in result.stdout
    assert list(tmp_path.iterdir()) == []
    assert yaml.safe_load(result.stdout)["seed"] == 3
    assert (
        "discriminator.options.widths=[512,256] discriminator.options.spectral=false discriminator.options.gain=1.0\n"
        in result.stdout
    )
    (tmp_path / "again.yaml").write_text(result.stdout)
    assert read_config(tmp_path / "again.yaml") == load_config("mlp", ["objective.clip=0.5"], {"steps": 7, "seed": 3})
    assert command("train", "--dry-run", "--config", "again.yaml").stdout == result.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--data-dir", "gone"), "/gone (this folder is not there)."),
        (("--data", "mnist", "--data-dir", "new"), "/new (this folder is to be made)."),
        (("--data-dir", "."), "."),
        (("--data", "builtin"), "data builtin from the cache, or drawn."),
        (("--data", "pictures"), "the cache, if it holds them; else name their folder with --data-dir."),
        ((), "data auto from the cache, or a download."),
    ],
)
def test_dry_run_says_where_the_data_would_come_from(command, tmp_path, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    result = command("train", "--dry-run", *words)
    assert result.status == 0
    assert f"{told} Nothing was trained." in result.stdout
    assert ("not there" in result.stdout) == ("gone" in words)


@pytest.mark.parametrize("words", [["summary", "mlp"], ["train", "--dry-run", "--config", "mlp"]], ids=" ".join)
def test_without_mindspore_one_line_tells_what_to_do(run_child, words):
    script = f"import sys; sys.modules['mindspore'] = None\nfrom ms_gan.cli import main\nsys.exit(main({words}))"
    result = run_child(program=("-c", script))
    assert result.status == 2
    assert result.stderr.startswith("ms-gan: mindspore cannot be imported")
    assert result.stderr.count("\n") == 1


def test_elsewhere_than_on_unix_one_line_tells_what_to_do(command, monkeypatch):
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("os.name", "nt")
        elsewhere.setattr("sys.platform", "win32")
        result = command("train", "--config", "mlp")
    assert result.status == 2
    assert result.stderr == "ms-gan: needs Linux, and this is win32; on Windows install and run it in WSL\n"


@pytest.mark.parametrize(("name", "total"), [("mlp", "2,043,537"), ("dense", "2,158,609")])
def test_summary_counts_the_parameters_of_the_sources(command, name, total):
    result = command("summary", name)
    assert result.status == 0
    assert total in result.stdout


def test_version_is_that_of_the_package(command):
    result = command("--version")
    assert result.status == 0
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    version = re.search(r'^version = "(.*)"$', project, re.MULTILINE)[1]
    assert result.stdout == f"ms-gan {version}\n"
