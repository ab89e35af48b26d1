"""`ms-gan evaluate` on a run, a checkpoint, a file of images, and statistics."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from run_folders import copy_run

from ms_gan.commands.references import classes_to_ask
from ms_gan.data.images import make_image_set
from ms_gan.errors import UserError
from ms_gan.runs.folder import RunFolder
from ms_gan.runs.sealed import read_sealed

RANDOM = ("--extractor", "random-conv-v1", "--device", "cpu")


@pytest.fixture(scope="module")
def evaluated(finished, tmp_path_factory, mindspore_cpu, monkeypatch_module):
    """Give a run that was evaluated with a short classifier, its result, and what was printed."""
    from ms_gan.commands.evaluate import evaluate

    run = copy_run(finished, tmp_path_factory.mktemp("evaluated") / "run")
    lines = []
    result = evaluate(run, num=150, device="cpu", announce=lines.append)
    return run, result, lines


def spy(monkeypatch, module, name):
    """Return a list that collects what a function of a module returns from now on."""
    returned, function = [], getattr(module, name)
    monkeypatch.setattr(module, name, lambda *arguments: returned.append(function(*arguments)) or returned[-1])
    return returned


@pytest.fixture(scope="module")
def monkeypatch_module(tmp_path_factory):
    """Give a short training of the classifier and a cache of its own, for all tests here."""
    with pytest.MonkeyPatch.context() as patch:
        from ms_gan.evaluation import classifier

        patch.setattr(classifier, "_STEPS", 40)
        patch.setattr(classifier, "_BATCH", 64)
        patch.setenv("MS_GAN_DATA", str(tmp_path_factory.mktemp("cache")))
        yield patch


def test_every_metric_has_a_value_an_interval_and_a_floor(evaluated):
    _, result, lines = evaluated
    kinds = [metric["kind"] for metric in result["metrics"]]
    expected = [
        "fid",
        "kid",
        "precision",
        "recall",
        "density",
        "coverage",
        "classes",
        "confidence",
        "swd",
        "nearest",
        "copies",
    ]
    assert kinds == expected
    for metric in result["metrics"]:
        assert metric["low"] <= metric["value"] <= metric["high"], metric
        assert metric["floor_low"] <= metric["floor"] <= metric["floor_high"], metric
        (line,) = (line for line in lines if line.startswith(f"{metric['name']} "))
        assert ("deviation over subsets" in line) == (metric["kind"] == "kid")


def test_names_carry_numbers_and_extractor(evaluated):
    names = {metric["kind"]: metric["name"] for metric in evaluated[1]["metrics"]}
    # In MNIST's format, but no MNIST.
    assert re.fullmatch("fid150_idx-[0-9a-f]{8}-cnn-v1", names["fid"])
    assert names["swd"] == "swd150_pixels"


def test_the_data_are_said_on_console_and_page(evaluated, digits_folder):
    run, result, lines = evaluated
    told = f"idx, 200 images of 28x28 grey, {digits_folder}"
    assert lines.count(f"Data: {told}") == 2
    assert f"(data: {told})" in (run / "report.html").read_text()
    assert result["protocol"]["data"] == told


def test_a_young_generator_is_worse_than_its_floor(evaluated):
    metrics = {metric["kind"]: metric for metric in evaluated[1]["metrics"]}
    for kind in ("fid", "kid", "swd", "classes"):
        assert metrics[kind]["value"] > 2 * metrics[kind]["floor"], kind
    for kind in ("recall", "coverage"):
        assert metrics[kind]["value"] < metrics[kind]["floor"], kind


def test_shares_add_up(evaluated):
    classes = evaluated[1]["classes"]
    assert sum(classes["generated"]) == pytest.approx(1, abs=1e-4)
    assert sum(classes["real"]) == pytest.approx(1, abs=1e-4)
    assert len(classes["names"]) == 10


def test_share_of_drawings_that_are_what_was_asked_for(evaluated, train_here, monkeypatch):
    from ms_gan.commands import evaluate as module

    small = ("generator.options.widths=[16,8,4]", "discriminator.options.widths=[16]", "objective.penalty=none")
    run = train_here("--config", "conditional_mnist", "--steps", 20, "--set", *small)
    lines, drawn, seen = [], spy(monkeypatch, module, "draw_to_judge"), spy(monkeypatch, module, "_samples")
    result = module.evaluate(run, num=150, device="cpu", announce=lines.append)
    hit = (seen[0]["fake"].classes == np.array(drawn[0][1], int)).mean()
    assert result["classes"]["as_asked"] == pytest.approx(hit, abs=1e-6)
    assert f"Classified as the class that was asked for: {100 * hit:.1f} %" in lines
    assert "as_asked" not in evaluated[1]["classes"]


def test_a_generator_is_asked_for_classes_as_often_as_the_data_have_them():
    labels = np.repeat(np.arange(3, dtype=np.uint8), [900, 100, 0])
    images = make_image_set(np.zeros((1000, 1, 28, 28), np.uint8), labels, ("a", "b", "c"), "pictures", Path("here"))
    asked = classes_to_ask(images, ("a", "b"), 4000, 1)
    assert np.bincount(asked)[1] / 4000 == pytest.approx(0.1, abs=0.02)
    np.testing.assert_array_equal(asked, classes_to_ask(images, ("a", "b"), 4000, 1))
    assert (asked != classes_to_ask(images, ("a", "b"), 4000, 2)).any()
    # By name: the place of a class among the generator's, not among the data's.
    assert set(classes_to_ask(images, ("z", "b", "a"), 50, 1)) == {1, 2}
    with pytest.raises(UserError, match="here have others"):
        classes_to_ask(images, ("a", "c"), 50, 1)
    with pytest.raises(UserError, match="here have none"):
        classes_to_ask(dataclasses.replace(images, labels=None), ("a", "b"), 50, 1)


def test_of_a_file_images_from_everywhere_are_judged(evaluated, digits_folder, tmp_path, monkeypatch):
    from ms_gan.commands import evaluate as module

    images = np.repeat(np.arange(240, dtype=np.uint8), 28 * 28).reshape(240, 1, 28, 28)
    np.save(tmp_path / "sorted.npy", images)
    seen = spy(monkeypatch, module, "_samples")
    module.evaluate(
        tmp_path / "sorted.npy",
        num=120,
        extractor="random-conv-v1",
        data={"folder": str(digits_folder)},
        device="cpu",
        announce=lambda line: None,
    )
    rows = seen[0]["fake"].images[:, 0, 0, 0]
    assert len(set(rows)) == 120
    assert rows.mean() == pytest.approx(120, abs=20)


def test_the_run_keeps_the_result_pictures_and_page(evaluated):
    run, result, _ = evaluated
    (kept,) = (run / "evaluation").glob("*.json")
    assert read_sealed(kept) == json.loads(json.dumps(result))
    assert {path.name for path in (run / "evaluation").glob("*.png")} == {
        f"{kept.stem}-first.png",
        f"{kept.stem}-closest.png",
    }
    text = (run / "report.html").read_text()
    assert result["metrics"][0]["name"] in text
    assert "Generated pictures over their nearest training pictures" in text
    assert result["source"]["step"] == 50


def test_the_same_again_gives_the_same_numbers(evaluated, mindspore_cpu):
    from ms_gan.commands.evaluate import evaluate

    run, result, _ = evaluated
    again = evaluate(run, num=150, device="cpu", announce=lambda line: None)
    assert again["metrics"] == result["metrics"]


def test_fewer_held_out_images_are_announced_and_named(command, finished, tmp_path):
    run = copy_run(finished, tmp_path / "run")
    outcome = command("evaluate", run, *RANDOM, "--json", tmp_path / "x.json")
    assert outcome.status == 0, outcome.stderr
    # The digits hold 200 for tests.
    assert "200 images of either kind, not 10,000" in outcome.stdout
    assert "fid200_random-conv-v1" in outcome.stdout
    assert json.loads((tmp_path / "x.json").read_text())["protocol"]["real"] == 200


def test_evaluations_against_other_images_do_not_replace_each_other(command, finished, tmp_path):
    run = copy_run(finished, tmp_path / "run")
    assert command("evaluate", run, *RANDOM, "--num", 10).status == 0
    outcome = command("evaluate", run, *RANDOM, "--num", 10, "--classes", 3, 5)
    assert outcome.status == 0, outcome.stderr
    assert "images of 28x28 grey, class 3, 5, " in outcome.stdout
    assert len(list((run / "evaluation").glob("*.json"))) == 2


@pytest.mark.parametrize("place", [".", "file/x.json"])
def test_a_file_that_cannot_be_written_is_said_first(command, finished, tmp_path, place):
    (tmp_path / "file").touch()
    outcome = command("evaluate", finished, *RANDOM, "--json", tmp_path / place)
    assert (outcome.status, outcome.stdout, outcome.stderr.count("\n")) == (2, "", 1)
    assert f"cannot write {tmp_path}" in outcome.stderr


def test_too_few_images_for_a_covariance_are_said_in_words(command, finished, tmp_path):
    run = copy_run(finished, tmp_path / "run")
    outcome = command("evaluate", run, *RANDOM, "--num", 60)
    assert outcome.status == 0, outcome.stderr
    assert "60 images are too few for 128 features" in outcome.stdout
    assert "kid60_random-conv-v1" in outcome.stdout


def test_other_data_than_those_of_the_training_are_noted(command, finished, tmp_path, digits_folder):
    other = tmp_path / "other"
    other.mkdir()
    for path in digits_folder.iterdir():
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        (other / path.name).write_bytes(bytes(content))
    run = copy_run(finished, tmp_path / "run")
    outcome = command("evaluate", run, *RANDOM, "--num", 100, "--data-dir", other)
    assert outcome.status == 0, outcome.stderr
    assert "are not those that the run was trained on" in outcome.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--num", "5"), "--num 5: must be from 10"),
        (("--seed", "-1"), "--seed -1"),
        (("--extractor", "inception"), "--extractor inception: unknown"),
        (("--data", "nothing"), "nothing"),
        (("--data-dir", "/no/such/place"), "/no/such/place"),
        (("--extractor", "statistics.npz"), "two .npz files"),
    ],
)
def test_mistakes_end_with_one_line(command, finished, words, message):
    outcome = command("evaluate", finished, *words, "--device", "cpu")
    assert outcome.status == 2
    assert outcome.stderr.count("\n") == 1
    assert message in outcome.stderr


def test_statistics_of_two_files(command, tmp_path):
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "fake.npz", features=rng.standard_normal((2000, 4)) + 1)
    np.savez(tmp_path / "inception.npz", mu=np.zeros(4), sigma=np.eye(4))
    outcome = command(
        "evaluate", tmp_path / "fake.npz", "--extractor", tmp_path / "inception.npz", "--json", tmp_path / "x.json"
    )
    assert outcome.status == 0, outcome.stderr
    (metric,) = json.loads((tmp_path / "x.json").read_text())["metrics"]
    assert metric["name"] == "fid2k-unknown_inception"
    assert metric["value"] == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("words", [("--num", 50), ("--seed", 0), ("--data", "mnist"), ("--device", "ascend")])
def test_what_two_files_of_statistics_have_no_use_for_is_refused(command, tmp_path, words):
    outcome = command("evaluate", tmp_path / "a.npz", "--extractor", tmp_path / "b.npz", *words)
    assert (outcome.status, outcome.stderr.count("\n")) == (2, 1)
    assert f"{words[0]}: two .npz files are compared as they are" in outcome.stderr


def test_an_untouched_run_is_still_one(evaluated):
    assert RunFolder.open(evaluated[0]).history()
