"""`ms-gan sweep`: several runs in one folder, gone on with where they stopped."""

import os
import shutil
import signal
from datetime import date
from pathlib import Path

import pytest
import yaml
from report_pages import result
from run_folders import differences, states

from ms_gan.commands.references import load_real_images
from ms_gan.commands.sweep_file import read_sweep
from ms_gan.config import recipe_names
from ms_gan.config.load import config_folder
from ms_gan.errors import Interrupted, TrainingDiverged, UserError
from ms_gan.runs.folder import RunFolder
from ms_gan.runs.sealed import read_sealed, write_sealed

SHORT = {
    "generator.options.widths": [64, 128],
    "discriminator.options.widths": [64],
    "steps": 4,
    "batch_size": 16,
    "log_every": 1,
    "samples.every": 2,
    "evaluation.every": 2,
    "evaluation.images": 64,
}


def write(path, **changes):
    values = {
        "base": "mlp",
        "set": SHORT,
        "runs": [{"name": "plain"}, {"name": "hinge", "set": {"objective": {"loss": "hinge"}}}],
    } | changes
    path.write_text(yaml.safe_dump({key: value for key, value in values.items() if value is not None}))
    return path


@pytest.fixture(scope="module")
def swept(mindspore_cpu, digits_folder, tmp_path_factory):
    """Give a finished sweep and the folder of the data."""
    from ms_gan.commands.sweep import sweep

    folder = tmp_path_factory.mktemp("sweep")
    page = sweep(
        write(folder / "two.yaml"), out=folder / "out", overrides={"data.folder": str(digits_folder)}, device="cpu"
    )
    assert page == folder / "out" / "report.html"
    return folder


@pytest.fixture
def as_swept(swept, monkeypatch):
    """Let a sweep take the runs of the finished one instead of training them again."""
    from ms_gan.commands import sweep as module

    def train(config, **options):
        shutil.copytree(swept / "out" / Path(options["out"]).name, options["out"])
        return RunFolder(options["out"])

    monkeypatch.setattr(module, "train", train)
    return module


@pytest.fixture
def stopped(command, monkeypatch, tmp_path):
    """Give a function that runs a sweep, stopped at its second run, and returns what its runs would be trained with."""
    from ms_gan.commands import sweep as module

    def stopped(*words):
        asked = {}

        def train(config, out, **options):
            asked[Path(out).name] = config
            if Path(out).name == "hinge":
                raise Interrupted("stopped", 2)

        monkeypatch.setattr(module, "train", train)
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


def test_every_run_has_its_folder_and_settings(swept):
    configs = {name: RunFolder.open(swept / "out" / name).config() for name in ("plain", "hinge")}
    assert [config.objective.loss for config in configs.values()] == ["non_saturating", "hinge"]
    assert {config.seed for config in configs.values()} == {1}
    assert all(config.steps == 4 for config in configs.values())
    digests = {RunFolder.open(swept / "out" / name).data_digest() for name in configs}
    assert len(digests) == 1


def test_the_joint_page_ranks_them(swept):
    text = (swept / "out" / "report.html").read_text()
    assert "2 runs side by side" in text
    assert "objective.loss" in text
    assert "Ordered by the last sliced wasserstein" in text
    assert (swept / "out" / "plain" / "report.html").is_file()


def test_the_same_again_trains_nothing(swept, capsys):
    from ms_gan.commands.sweep import sweep

    before = (swept / "out" / "hinge" / "history.jsonl").read_bytes()
    lines = []
    sweep(None, out=swept / "out", device="cpu", announce=lines.append)
    assert lines.count("complete") == 2
    assert (swept / "out" / "hinge" / "history.jsonl").read_bytes() == before


def test_an_interrupted_one_is_gone_on_with(swept, digits_folder, tmp_path, monkeypatch):
    from ms_gan.commands import sweep as module

    trained = []

    def stop_the_second(config, **options):
        if trained:
            raise Interrupted("stopped", 15)
        trained.append(options["out"])
        return module_train(config, **options)

    module_train = module.train
    monkeypatch.setattr(module, "train", stop_the_second)
    common = {"overrides": {"data.folder": str(digits_folder)}, "device": "cpu", "announce": lambda line: None}
    with pytest.raises(Interrupted):
        module.sweep(write(tmp_path / "two.yaml"), out=tmp_path / "out", **common)
    assert not (tmp_path / "out" / "hinge").exists()
    monkeypatch.setattr(module, "train", module_train)
    module.sweep(None, out=tmp_path / "out", **common)
    for name in ("plain", "hinge"):
        ours, theirs = (
            [{key: value for key, value in record.items() if key != "seconds"} for record in RunFolder(place).history()]
            for place in (tmp_path / "out" / name, swept / "out" / name)
        )
        assert ours == theirs


def test_a_run_that_stopped_on_its_way_is_resumed(swept, at_step, tmp_path):
    from ms_gan.commands.sweep import sweep

    out = shutil.copytree(swept / "out", tmp_path / "out")
    shutil.rmtree(out / "hinge")
    RunFolder(out / "plain").losses_picture.unlink()
    at_step(3, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(Interrupted):
        sweep(None, out=out, device="cpu", announce=lambda line: None)
    assert states(out / "hinge")[-1].name == "state-00000003"
    lines = []
    sweep(None, out=out, device="cpu", announce=lines.append)
    assert lines.count("complete") == 1
    for name in ("plain", "hinge"):
        assert differences(out / name, swept / "out" / name) == []


def test_one_that_diverges_does_not_stop_the_others(as_swept, digits_folder, tmp_path, monkeypatch):
    module, train = as_swept, as_swept.train

    def diverge(config, **options):
        run = train(config, **options)
        if options["out"].endswith("plain"):
            raise TrainingDiverged("step 3: d_loss is not finite")
        return run

    monkeypatch.setattr(module, "train", diverge)
    lines = []
    with pytest.raises(TrainingDiverged, match="1 of 2 runs diverged: plain"):
        module.sweep(
            write(tmp_path / "two.yaml"),
            out=tmp_path / "out",
            overrides={"data.folder": str(digits_folder)},
            device="cpu",
            announce=lines.append,
        )
    assert (tmp_path / "out" / "hinge" / "report.html").is_file()
    assert "plain: step 3: d_loss is not finite" in lines


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


def test_what_cannot_be_kept_is_refused_before_anything_is_trained(command, tmp_path):
    path = write(tmp_path / "x.yaml", set={"generator.options.day": date(2026, 1, 1)})
    outcome = command("sweep", path, "--out", tmp_path / "out")
    assert outcome.status == 2
    assert "cannot keep a setting" in outcome.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"runs": [{"name": "one"}]}, "list of 2 to 100 runs"),
        ({"runs": "many"}, "list of 2 to 100 runs"),
        ({"runs": [{"name": "a"}, {"name": "a"}]}, "the name 'a' is taken"),
        ({"runs": [{"name": "a"}, {"name": "../b"}]}, "cannot name a folder"),
        ({"runs": [{"name": "a"}, {"set": {}}]}, "run 2: name: None"),
        ({"runs": [{"name": "a"}, {"name": "b", "sett": {}}]}, "did you mean set"),
        ({"runs": [{"name": "a"}, {"name": "b", "set": {"objective.los": "hinge"}}]}, "did you mean loss"),
        ({"runs": [{"name": "a"}, {"name": "b", "config": "dcgann"}]}, "did you mean dcgan"),
        ({"runs": [{"name": "a"}, "b"]}, "run 2: expected keys and values"),
        ({"base": None}, "name a recipe with config:"),
        ({"evaluate": True}, "evaluate: True is no number"),
        ({"evaluate": 50, "extractor": "inception"}, "extractor: unknown name 'inception'; known: auto, cnn, turns"),
        ({"extractor": "turns"}, "extractor: goes with evaluate"),
        ({"runs": [{"name": "a"}, {"name": "b"}]}, "a and b would be the same run"),
        ({"evaluate": 3}, "evaluate: 3 is no number"),
        ({"set": [1]}, "set: expected keys and values"),
        ({"repeat": 3}, "unknown name 'repeat'"),
        ({"base": "x" * 300}, "run 1: base: unknown name"),
    ],
)
def test_a_wrong_file_ends_with_one_line_before_anything_is_trained(command, tmp_path, changes, message):
    outcome = command("sweep", write(tmp_path / "x.yaml", **changes), "--out", tmp_path / "out")
    assert outcome.status == 2
    assert outcome.stderr.count("\n") == 1
    assert message in outcome.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "words", [(), ("--resume", "nowhere"), ("--resume", "x" * 300), ("no.yaml",), ("x.yaml", "--resume", "y")]
)
def test_wrong_words_end_with_one_line(command, words):
    outcome = command("sweep", *words)
    assert outcome.status == 2
    assert outcome.stderr.count("\n") == 1


def test_nested_and_dotted_settings_change_the_same(tmp_path):
    nested = read_sweep(write(tmp_path / "a.yaml", set={"objective": {"loss": "least_squares"}}), {})
    dotted = read_sweep(write(tmp_path / "b.yaml", set={"objective.loss": "least_squares"}), {})
    assert nested == dotted


def test_base_and_config_mean_what_they_mean_in_a_recipe(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "here" / "dcgan.yaml").write_text("base: mlp\n")
    (tmp_path / "mine.yaml").write_text("base: dcgan.yaml\nseed: 4\n")
    runs = [{"name": "a"}, {"name": "b", "config": "mine.yaml"}]
    found = read_sweep(write(tmp_path / "x.yaml", base="dcgan.yaml", set=None, runs=runs), {}).runs
    assert [(config.recipe, config.seed) for config in found.values()] == [("dcgan", 1), ("dcgan", 4)]
    with pytest.raises(UserError, match=r"x\.yaml: run 2: config: unknown name 'gone\.yaml'"):
        read_sweep(write(tmp_path / "x.yaml", runs=[{"name": "a"}, {"name": "b", "config": "gone.yaml"}]), {})


def test_none_in_the_file_is_a_value(tmp_path):
    values = {"set": {"objective.clip": 0.5}, "runs": [{"name": "a", "set": {"objective.clip": None}}, {"name": "b"}]}
    runs = read_sweep(write(tmp_path / "a.yaml", **values), {"seed": None}).runs
    assert [config.objective.clip for config in runs.values()] == [None, 0.5]
    # The clip of the recipe, too.
    runs = read_sweep(write(tmp_path / "b.yaml", base="wgan", set={"objective": {"clip": None}}), {}).runs
    assert runs["plain"].objective.clip is None


def test_the_examples_are_sweeps_and_no_recipes():
    examples = sorted((config_folder() / "sweeps").glob("*.yaml"))
    assert examples
    for path in examples:
        assert len(read_sweep(path, {}).runs) > 1
        assert path.stem not in recipe_names()


def test_a_seed_for_all_runs_makes_no_three_of_one():
    with pytest.raises(UserError, match="seed-1 and seed-2 would be the same run: settings of the command line"):
        read_sweep(config_folder() / "sweeps" / "seeds.yaml", {"seed": 7})


@pytest.mark.parametrize(("num", "extractor"), [(50, "turns"), (1000, "auto")])
def test_its_evaluations_are_kept_and_others_not_taken_for_them(
    as_swept, digits_folder, tmp_path, monkeypatch, num, extractor
):
    def leave(folder, name, **changes):
        run = RunFolder(folder)
        reference = load_real_images(run.config().data, None, print, 1).reference.sha256
        given = {"file": run.generator_file().name, "reference_sha256": reference, "seed": 1} | changes
        write_sealed(run.evaluations / f"{name}.json", result(**given))

    def evaluate(folder, num, extractor, **others):
        leave(folder, "planned", **planned, asked=None, seen_sha256=RunFolder(folder).data_digest())
        seen.append((folder.name, num, extractor))

    def load(*arguments):
        loaded.append(arguments)
        return load_real_images(*arguments)

    # Of the held-out digits there are 200.
    planned = {"generated": min(num, 200), "extractor": "idx-cnn-v1" if extractor == "auto" else "idx-turns-v1"}
    seen: list[tuple] = []
    loaded: list[tuple] = []
    monkeypatch.setattr(as_swept, "evaluate", evaluate)
    monkeypatch.setattr(as_swept, "load_real_images", load)
    common = {"overrides": {"data.folder": str(digits_folder)}, "device": "cpu", "announce": lambda line: None}
    out = tmp_path / "out"
    as_swept.sweep(write(tmp_path / "two.yaml", evaluate=num, extractor=extractor), out=out, **common)
    as_swept.sweep(None, out=out, **common)
    assert seen == [("plain", num, extractor), ("hinge", num, extractor)]
    # The data may be gone by then, unless they have to tell that there are fewer.
    assert bool(loaded) == (num > 200)
    (out / "hinge" / "evaluation" / "planned.json").unlink()
    leave(out / "hinge", "asked", **planned, asked="in turn")
    leave(out / "hinge", "fewer", generated=20, extractor="idx-cnn-v1")
    leave(out / "hinge", "random", generated=min(num, 200), extractor="random-conv-v1")
    leave(out / "hinge", "other", generated=min(num, 200), extractor="idx-cnn-v1", file="Other.ckpt")
    as_swept.sweep(None, out=out, **common)
    assert seen[2:] == [("hinge", num, extractor)]


def test_the_file_is_checked_for_size_and_depth(tmp_path):
    (tmp_path / "x.yaml").write_text("runs: " + "[" * 50 + "]" * 50)
    with pytest.raises(UserError, match="nested more than"):
        read_sweep(tmp_path / "x.yaml", {})
