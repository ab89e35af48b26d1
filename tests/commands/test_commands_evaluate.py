"""`ms-gan evaluate` on a run, a checkpoint, a file of images, and statistics."""

import dataclasses
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from run_folders import copy_run

from ms_gan.commands.references import classes_to_ask
from ms_gan.data.digits import render_digits
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
        assert any(metric["name"] in line for line in lines)


def test_names_carry_numbers_and_extractor(evaluated):
    names = {metric["kind"]: metric["name"] for metric in evaluated[1]["metrics"]}
    # In MNIST's format, but no MNIST.
    assert re.fullmatch("fid150_idx-[0-9a-f]{8}-cnn-v1", names["fid"])
    assert names["swd"] == "swd150_pixels"


def test_the_data_are_said_on_console_and_page(evaluated, digits_folder):
    run, result, lines = evaluated
    told = f"mnist, 200 images of 28x28 grey, {digits_folder}"
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


def test_a_file_of_real_images_is_as_good_as_real(command, digits_folder, tmp_path):
    images, _ = render_digits(200, 77)
    np.save(tmp_path / "real.npy", (images[:, None] / 127.5 - 1).astype(np.float32))
    outcome = command(
        "evaluate", tmp_path / "real.npy", "--data-dir", digits_folder, *RANDOM, "--json", tmp_path / "x.json"
    )
    assert outcome.status == 0, outcome.stderr
    metrics = {m["kind"]: m for m in json.loads((tmp_path / "x.json").read_text())["metrics"]}
    assert metrics["kid"]["low"] < metrics["kid"]["floor"] < metrics["kid"]["high"]
    assert metrics["precision"]["value"] == pytest.approx(metrics["precision"]["floor"], abs=0.12)
    assert metrics["copies"]["value"] < 0.05


def test_copies_of_training_images_are_found(command, digits_folder, tmp_path):
    from ms_gan.data.sources import load_images

    np.save(tmp_path / "copies.npy", load_images(folder=digits_folder).images[:200])
    outcome = command(
        "evaluate", tmp_path / "copies.npy", "--data-dir", digits_folder, *RANDOM, "--json", tmp_path / "x.json"
    )
    assert outcome.status == 0, outcome.stderr
    metrics = {m["kind"]: m for m in json.loads((tmp_path / "x.json").read_text())["metrics"]}
    assert metrics["copies"]["value"] == 1
    assert metrics["copies"]["floor"] < 0.03


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


def test_pictures_without_a_held_out_part_are_halved(command, tmp_path):
    images, _ = render_digits(60, 5)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number}.png")
    np.save(tmp_path / "x.npy", images[:40, None])
    outcome = command("evaluate", tmp_path / "x.npy", "--data-dir", folder, "--data", "pictures", "--device", "cpu")
    assert outcome.status == 0, outcome.stderr
    assert "no held-out part" in outcome.stdout
    assert "30 generated against 30 real images" in outcome.stdout


@pytest.mark.parametrize("kind", ["raw", "mnist"])
def test_training_files_alone_are_halved(command, digits_folder, tmp_path, kind):
    images, labels = render_digits(60, 5)
    if kind == "raw":
        (tmp_path / "imagesTrain.bin").write_bytes(images.tobytes())
        (tmp_path / "labelsTrain.bin").write_bytes(labels.tobytes())
    else:
        for path in digits_folder.glob("train-*"):
            (tmp_path / path.name).symlink_to(path)
    np.save(tmp_path / "x.npy", images[:20, None])
    outcome = command("evaluate", tmp_path / "x.npy", "--data-dir", tmp_path, "--device", "cpu")
    assert outcome.status == 0, outcome.stderr
    assert "Note: The data have no held-out part" in outcome.stdout


def test_a_half_of_a_folder_has_a_hash_of_its_own(tmp_path):
    from ms_gan.commands.references import load_real_images
    from ms_gan.config.schema import DataConfig

    for number, image in enumerate(render_digits(12, 5)[0]):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    data = DataConfig(source="pictures", folder=str(tmp_path))
    one, again, other = (load_real_images(data, None, lambda line: None, seed) for seed in (1, 1, 2))
    assert one.train.sha256 == again.train.sha256
    # By it an extractor is kept, which must not have been trained on the reference.
    assert len({one.train.sha256, one.reference.sha256, other.train.sha256, one.seen.sha256}) == 4


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


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "x.npy: name the real images to compare it with"),
        (("--data-dir", "here", "--config", "mlp"), "--config mlp: {folder}/x.npy holds images"),
    ],
)
def test_a_file_of_images_says_not_what_it_is_compared_with(command, tmp_path, words, message):
    np.save(tmp_path / "x.npy", np.zeros((10, 1, 28, 28), np.uint8))
    outcome = command("evaluate", tmp_path / "x.npy", *words, "--device", "cpu")
    assert (outcome.status, outcome.stderr.count("\n")) == (2, 1)
    assert message.format(folder=tmp_path) in outcome.stderr


def _header(shape) -> bytes:
    """Return the start of a .npy file that says it holds float64 numbers of that shape."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no numbers", "cannot be read as a .npy file"),
        (np.zeros((20, 28, 28), np.float32), "(20, 28, 28)"),
        (np.zeros((5, 1, 28, 28), np.float32), "at least 10 images"),
        (np.full((20, 1, 28, 28), 255.0, np.float32), "values up to 255"),
        (np.full((20, 1, 28, 28), np.nan, np.float32), "NaN"),
        (np.zeros((10, 1, 0, 0), np.float32), "its shape is (10, 1, 0, 0)"),
        (_header((10**6, 10**6, 9)), "cannot be read as a .npy file: Unable to allocate"),
        (b"PK\3\4 no archive", "cannot be read as a .npy file"),
        (np.zeros((20, 1, 28, 28), np.int64), "not int64"),
        (np.array([{}], object), "cannot be read"),
        (None, "no such file"),
    ],
)
def test_files_that_are_no_images_are_refused(command, digits_folder, tmp_path, content, message):
    path = tmp_path / "x.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.save(path, content, allow_pickle=True)
    outcome = command("evaluate", path, "--data-dir", digits_folder, *RANDOM)
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
