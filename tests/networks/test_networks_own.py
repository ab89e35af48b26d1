"""The network of one's own that docs/blocks.md shows, trained by the file and the command beside it."""

import importlib
import re
import shlex
from pathlib import Path

import yaml

from ms_gan.commands.sweep_file import read_sweep
from ms_gan.config import read_config
from ms_gan.networks import GENERATORS


def test_the_example_of_the_docs_trains(command, digits_folder, tmp_path, monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "blocks.md").read_text()
    blocks = re.findall(r"```(?:python|yaml|bash)\n(.*?)```", page.partition("## Your own")[2], re.DOTALL)
    module, recipe, line, sweep = blocks
    (tmp_path / "tiny.py").write_text(module)
    (tmp_path / "tiny.yaml").write_text(recipe)
    monkeypatch.setitem(GENERATORS, "tiny", None)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("tiny")

    monkeypatch.chdir(tmp_path)
    short = ("--set", "batch_size=50", "data.images_per_epoch=50")
    result = command(*shlex.split(line)[1:], "--data-dir", digits_folder, "--out", "run", "--device", "cpu", *short)
    assert result.status == 0, result.stderr
    config = read_config(tmp_path / "run" / "config.yaml")
    told = yaml.safe_load(recipe)
    assert (config.recipe, config.title, config.source) == (told["recipe"], told["title"], "")
    assert config.generator.options == {"width": 512}

    Path("mine.yaml").write_text(recipe)
    Path("sweep.yaml").write_text(sweep)
    compared = read_sweep(Path("sweep.yaml"), {}).runs
    assert {name: run.generator.name for name, run in compared.items()} == {"best-1": "infogan", "mine-1": "tiny"}
