"""What the folder of a sweep keeps, and is gone on with or refused for."""

import shutil
from datetime import date
from pathlib import Path

import pytest
from sweep_files import SHORT, write

from ms_gan.errors import Interrupted
from ms_gan.runs.folder import RunFolder
from ms_gan.runs.sealed import read_sealed, write_sealed


@pytest.fixture
def stopped(command, monkeypatch, tmp_path):
    """Give a function that runs a sweep, stopped at its second run, and returns what its runs would be trained with."""
    from ms_gan.commands import sweep as module
    from ms_gan.commands import sweep_folder

    def stopped(*words):
        asked = {}

        def train(config, out, **options):
            asked[Path(out).name] = config
            if Path(out).name == "hinge":
                raise Interrupted("stopped", 2)

        monkeypatch.setattr(module, "train", train)
        # The data of these tests need not be there.
        monkeypatch.setattr(sweep_folder, "check_runs", lambda sweep, announce: None)
        assert command("sweep", *words, "--device", "cpu").status == 130
        return asked

    return stopped


@pytest.fixture
def begun(stopped, digits_folder, tmp_path):
    """Give the folder of a sweep whose first run has begun, on the digits."""
    from ms_gan.data.configured import configured_images

    out = tmp_path / "out"
    config = stopped(write(tmp_path / "two.yaml"), "--out", out, "--data-dir", digits_folder, "--seed", 5)["plain"]
    run = RunFolder.new("mlp", str(out / "plain"))
    run.write_environment({"data": {"sha256": configured_images(config.data, print).sha256}, "steps_per_epoch": 125})
    run.write_config(config)
    return out


def test_a_resume_knows_what_was_given_to_the_first_command(stopped, tmp_path):
    words = (write(tmp_path / "two.yaml"), "--out", tmp_path / "out")
    given = ("--seed", 5, "--data", "mnist", "--data-dir", tmp_path)
    first = stopped(*words, *given)
    assert first["hinge"].seed == 5
    assert (first["hinge"].data.source, first["hinge"].data.folder) == ("mnist", str(tmp_path))
    assert stopped("--resume", tmp_path / "out") == first
    assert stopped("--resume", tmp_path / "out", *given) == first
    assert stopped(*words, *given) == first


def test_a_resume_from_another_folder_finds_the_data(stopped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = stopped(write(tmp_path / "two.yaml"), "--out", tmp_path / "out", "--data-dir", "digits")
    assert first["hinge"].data.folder == str(tmp_path / "digits")
    monkeypatch.chdir("/")
    assert stopped("--resume", tmp_path / "out") == first


def test_a_relative_folder_that_an_older_version_kept_is_no_other_sweep(stopped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = (write(tmp_path / "two.yaml"), "--out", tmp_path / "out", "--data-dir", "digits")
    first = stopped(*words)
    kept = read_sealed(tmp_path / "out" / "sweep.json")
    for run in kept["runs"]:
        run["config"]["data"]["folder"] = "digits"
    write_sealed(tmp_path / "out" / "sweep.json", kept)
    assert stopped(*words) == first


def test_a_resume_reads_no_recipe_again(stopped, tmp_path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("base: mlp\nbatch_size: 24\n")
    runs = [{"name": "plain"}, {"name": "hinge", "config": "mine.yaml", "set": {"seed": 2}}]
    first = stopped(write(tmp_path / "two.yaml", base="mine.yaml", set=None, runs=runs), "--out", tmp_path / "out")
    recipe.unlink()
    assert first["plain"].batch_size == 24
    assert stopped("--resume", tmp_path / "out") == first


def test_a_resume_changes_no_run(command, stopped, tmp_path):
    out = tmp_path / "out"
    stopped(write(tmp_path / "two.yaml"), "--out", out, "--seed", 5)
    before = (out / "sweep.json").read_bytes()
    outcome = command("sweep", "--resume", out, "--seed", 7)
    assert outcome.status == 2
    assert f"--resume {out}: these settings of plain cannot change" in outcome.stderr
    assert "begun: seed: 5 -> 7;" in outcome.stderr
    assert outcome.stderr.count("\n") == 1
    assert (out / "sweep.json").read_bytes() == before


def test_moved_data_are_found_from_then_on(begun, stopped, digits_folder, tmp_path, monkeypatch):
    from ms_gan.commands import sweep as module

    moved, resumed = tmp_path / "moved", []
    monkeypatch.setattr(module, "resume", lambda path, overrides, **options: resumed.append(overrides["data.folder"]))
    shutil.copytree(digits_folder, moved)
    asked = stopped("--resume", begun, "--data-dir", moved)
    assert stopped("--resume", begun) == asked
    assert asked["hinge"].data.folder == str(moved)
    assert resumed == [str(moved)] * 2


def test_other_data_are_refused(begun, command, digits_folder, tmp_path):
    other, before = tmp_path / "other", (begun / "sweep.json").read_bytes()
    shutil.copytree(digits_folder, other)
    images = other / "train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-1] + b"\xff")
    outcome = command("sweep", "--resume", begun, "--data-dir", other)
    assert outcome.status == 2
    assert f"the data at {other} are not those that plain began with" in outcome.stderr
    assert (begun / "sweep.json").read_bytes() == before


def test_runs_on_different_data_are_not_moved_to_one_place(command, stopped, tmp_path):
    runs = [{"name": "plain", "set": {"data.source": "builtin"}}, {"name": "hinge"}]
    stopped(write(tmp_path / "two.yaml", runs=runs), "--out", tmp_path / "out")
    outcome = command("sweep", "--resume", tmp_path / "out", "--data-dir", tmp_path)
    assert outcome.status == 2
    assert "(auto from the cache, builtin from the cache); leave out --data" in outcome.stderr


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda kept: kept.unlink(), "holds no sweep.json: it is no sweep, or one of an older version"),
        (lambda kept: kept.write_bytes(kept.read_bytes().replace(b"hinge", b"hinde")), "its checksum does not hold"),
        (lambda kept: kept.write_text('{"runs": [{"name": "a"}, {"name": "b"}]}'), "run 1: config: expected"),
        (lambda kept: kept.write_text('{"runs": [{"name": "../a", "config": {}}, {}]}'), "cannot name a folder"),
    ],
)
def test_a_folder_that_does_not_tell_its_runs_is_refused(command, stopped, tmp_path, damage, message):
    stopped(write(tmp_path / "two.yaml"), "--out", tmp_path / "out")
    damage(tmp_path / "out" / "sweep.json")
    outcome = command("sweep", "--resume", tmp_path / "out")
    assert outcome.status == 2
    assert outcome.stderr.count("\n") == 1
    assert message in outcome.stderr


@pytest.mark.parametrize(
    ("changes", "words", "message"),
    [
        ({"set": SHORT | {"steps": 9}}, (), "(plain: steps: 4 -> 9)"),
        ({}, ("--seed", "6"), "(plain: seed: 5 -> 6)"),
        ({"evaluate": 50}, (), "(evaluate: None -> 50)"),
        (
            {"runs": [{"name": "plain"}, {"name": "wide", "set": {"steps": 9}}]},
            (),
            "(runs: plain, hinge -> plain, wide)",
        ),
    ],
)
def test_another_sweeps_folder_is_refused(stopped, command, tmp_path, changes, words, message):
    out = tmp_path / "out"
    stopped(write(tmp_path / "two.yaml"), "--out", out, "--seed", 5)
    outcome = command("sweep", write(tmp_path / "x.yaml", **changes), "--out", out, "--seed", 5, *words)
    assert outcome.status == 2
    assert f"--out {out}: holds another sweep {message}" in outcome.stderr


def test_runs_that_nobody_knows_are_not_taken_for_those_of_the_sweep(begun, command, tmp_path):
    (begun / "sweep.json").unlink()
    outcome = command("sweep", write(tmp_path / "x.yaml"), "--out", begun)
    assert outcome.status == 2
    assert f"--out {begun}: holds runs already (plain), but no sweep.json" in outcome.stderr


@pytest.mark.parametrize("option", ["day", "widths"])
def test_what_cannot_be_kept_is_refused_before_anything_is_trained(command, digits_folder, tmp_path, option):
    path = write(tmp_path / "x.yaml", set={f"generator.options.{option}": date(2026, 1, 1)})
    outcome = command("sweep", path, "--out", tmp_path / "out", "--data-dir", digits_folder)
    assert outcome.status == 2
    assert outcome.stderr.startswith("ms-gan: plain: generator option")
    assert not (tmp_path / "out").exists()
