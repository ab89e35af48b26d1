"""`ms-gan evaluate` on files of images, and on data without a held-out part."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from ms_gan.data.digits import render_digits

RANDOM = ("--extractor", "random-conv-v1", "--device", "cpu")


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
