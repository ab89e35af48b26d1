"""`ms-gan sweep`: several runs in one folder, gone on with where they stopped."""

import os
import shutil
import signal
from pathlib import Path

import pytest
from report_pages import result
from run_folders import differences, states
from sweep_files import SHORT, write

from ms_gan.commands.references import load_real_images
from ms_gan.commands.sweep_file import read_sweep
from ms_gan.config import recipe_names
from ms_gan.config.load import config_folder
from ms_gan.errors import Interrupted, TrainingDiverged, UserError
from ms_gan.runs.folder import RunFolder
from ms_gan.runs.sealed import write_sealed


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
    assert "objective.<wbr>loss" in text
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
        ({"runs": [{"name": "a"}, {"name": "b", "set": {"objective.penalti": 1}}]}, "mlp.yaml or set over it)"),
        (
            {"runs": [{"name": "a"}, {"name": "b", "set": {"objective": {"penalty_weight": 20}}}]},
            "x.yaml: run 2: config objective.penalty_weight: changes nothing, since objective.penalty is none; leave",
        ),
        ({"runs": [{"name": "a"}, {"name": "b", "config": "dcgann"}]}, "did you mean dcgan"),
        ({"runs": [{"name": "a"}, "b"]}, "run 2: expected keys and values"),
        ({"base": None}, "name a recipe with config:"),
        ({"evaluate": True}, "evaluate: True is no number"),
        ({"evaluate": 50, "extractor": "inception"}, "extractor: unknown name 'inception'; known: auto, cnn, turns"),
        ({"extractor": "turns"}, "extractor: goes with evaluate"),
        ({"runs": [{"name": "a"}, {"name": "b"}]}, "a and b would be the same run"),
        (
            {"runs": [{"name": "a"}, {"name": "b", "set": {"objective.penalty_weight": 0}}]},
            "a and b would be the same run",
        ),
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
    ("changes", "message"),
    [
        (
            {"evaluate": 50, "extractor": "turns", "set": SHORT | {"data.size": 8}},
            "plain: images of 8 pixels are too small",
        ),
        (
            {"evaluate": 50, "extractor": "cnn", "set": SHORT | {"data.size": 97}},
            "plain: extractor: cnn: images of 97 pixels are bey",
        ),
        ({"runs": [{"name": "a"}, {"name": "b", "set": {"batch_size": 2001}}]}, "b: "),
        ({"runs": [{"name": "a"}, {"name": "b", "set": {"data.folder": "nowhere"}}]}, "b: "),
        (
            {"runs": [{"name": "a"}, {"name": "b", "set": {"saving.best": "beauty"}}]},
            "b: config saving.best (--keep",
        ),
        (
            {
                "runs": [
                    {"name": "a"},
                    {"name": "b", "config": "wgan", "set": {"generator.options.widths": [8, 8, 8, 4]}},
                ]
            },
            "b: generator WGANGenerator with options {'widths': [8, 8, 8, 4]}: 28 pixels are not a multiple of 8",
        ),
    ],
)
def test_data_that_do_not_suit_a_run_are_found_out_before_the_first_one(
    command, digits_folder, tmp_path, monkeypatch, changes, message
):
    changes["set"] = {"data.folder": str(digits_folder)} | changes.get("set", SHORT)
    monkeypatch.chdir(tmp_path)
    file = write(tmp_path / "x.yaml", **changes)
    for out in (("--out", tmp_path / "out"), ()):
        outcome = command("sweep", file, *out, "--device", "cpu")
        assert outcome.status == 2
        assert message in outcome.stderr
        assert outcome.stderr.count("\n") == 1
        assert list(tmp_path.iterdir()) == [tmp_path / "x.yaml"]


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
