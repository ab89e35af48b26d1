"""`ms-gan sweep`: several runs in one folder, gone on with where they stopped."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from ms_gan.commands.sweep_file import read_sweep
from ms_gan.config import recipe_names
from ms_gan.config.load import config_folder
from ms_gan.errors import Interrupted, TrainingDiverged, UserError
from ms_gan.runs.folder import RunFolder

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
    assert "Ordered by the best sliced wasserstein" in text
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


def test_a_run_that_stopped_on_its_way_is_resumed(swept, digits_folder, tmp_path):
    from ms_gan.commands.sweep import sweep

    shutil.copytree(swept / "out", tmp_path / "out")
    # Longer than it was: as if it had been stopped.
    run = RunFolder(tmp_path / "out" / "plain")
    run.losses_picture.unlink()
    lines = []
    sweep(None, out=tmp_path / "out", device="cpu", announce=lines.append)
    assert lines.count("complete") == 1
    assert run.losses_picture.is_file()


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


def test_another_sweeps_folder_is_refused(swept, tmp_path, command):
    outcome = command("sweep", write(tmp_path / "x.yaml", set={"steps": 9}), "--out", swept / "out")
    assert outcome.status == 2
    assert "holds another sweep" in outcome.stderr


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
        ({"evaluate": 3}, "evaluate: 3 is no number"),
        ({"set": [1]}, "set: expected keys and values"),
        ({"repeat": 3}, "unknown name 'repeat'"),
    ],
)
def test_a_wrong_file_ends_with_one_line_before_anything_is_trained(command, tmp_path, changes, message):
    outcome = command("sweep", write(tmp_path / "x.yaml", **changes), "--out", tmp_path / "out")
    assert outcome.status == 2
    assert outcome.stderr.count("\n") == 1
    assert message in outcome.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", [(), ("--resume", "nowhere"), ("no.yaml",), ("x.yaml", "--resume", "y")])
def test_wrong_words_end_with_one_line(command, words):
    outcome = command("sweep", *words)
    assert outcome.status == 2
    assert outcome.stderr.count("\n") == 1


def test_nested_and_dotted_settings_change_the_same(tmp_path):
    nested = read_sweep(write(tmp_path / "a.yaml", set={"objective": {"loss": "hinge"}}), {})
    dotted = read_sweep(write(tmp_path / "b.yaml", set={"objective.loss": "hinge"}), {})
    assert nested == dotted


def test_the_examples_are_sweeps_and_no_recipes():
    examples = sorted((config_folder() / "sweeps").glob("*.yaml"))
    assert examples
    for path in examples:
        assert len(read_sweep(path, {}).runs) > 1
        assert path.stem not in recipe_names()


def test_its_evaluations_are_kept(as_swept, digits_folder, tmp_path, monkeypatch):
    def evaluate(folder, num, data, announce, **device):
        (folder / "evaluation").mkdir()
        name = RunFolder(folder).generator_file().stem
        (folder / "evaluation" / f"{name}-x.json").write_text(json.dumps({"num": num}))
        seen.append(folder.name)

    seen: list[str] = []
    monkeypatch.setattr(as_swept, "evaluate", evaluate)
    common = {"overrides": {"data.folder": str(digits_folder)}, "device": "cpu", "announce": lambda line: None}
    as_swept.sweep(write(tmp_path / "two.yaml", evaluate=50), out=tmp_path / "out", **common)
    as_swept.sweep(None, out=tmp_path / "out", **common)
    assert seen == ["plain", "hinge"]


def test_the_file_is_checked_for_size_and_depth(tmp_path):
    (tmp_path / "x.yaml").write_text("runs: " + "[" * 50 + "]" * 50)
    with pytest.raises(UserError, match="nested more than"):
        read_sweep(tmp_path / "x.yaml", {})
