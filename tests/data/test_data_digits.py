"""The built-in digits: the same everywhere, like MNIST in form, readable, and whole on disk or absent."""

import gzip
import hashlib
import os
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

import ms_gan
from ms_gan.data import digit_shapes, digits
from ms_gan.data.digits import ensure_digits, render_colour_digits, render_digits
from ms_gan.errors import UserError

REPOSITORY = Path(ms_gan.__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def rendered():
    return render_digits(4000, 5)


@pytest.fixture
def small(monkeypatch):
    """Few pictures in every file."""
    monkeypatch.setattr(digits, "_TRAIN_COUNT", 60)
    monkeypatch.setattr(digits, "_TEST_COUNT", 20)
    monkeypatch.setattr(digits, "_COLOUR_COUNT", 30)


def quiet(line: str) -> None:
    """Swallow what is announced."""


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def accuracy(train: tuple, test: tuple) -> float:
    nearest = cv2.ml.KNearest_create()
    flat = [images.reshape(len(images), -1).astype(np.float32) for images, _ in (train, test)]
    nearest.train(flat[0], cv2.ml.ROW_SAMPLE, train[1].astype(np.float32)[:, None])
    _, found, _, _ = nearest.findNearest(flat[1], 3)
    return float((found.ravel() == test[1]).mean())


def read_folder(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- the pictures


def test_same_seed_gives_the_same_bytes_and_another_seed_others():
    images, labels = render_digits(300, 7)
    again, labels_again = render_digits(300, 7)
    np.testing.assert_array_equal(images, again)
    np.testing.assert_array_equal(labels, labels_again)
    assert not np.array_equal(images, render_digits(300, 8)[0])


def test_bytes_do_not_depend_on_process_threads_or_processor():
    here = hashlib.md5(render_digits(400, 7)[0].tobytes() + render_colour_digits(100, 7)[0].tobytes())
    code = (
        "import cv2, hashlib; cv2.setNumThreads(1); cv2.setUseOptimized(False);"
        "from ms_gan.data.digits import *;"
        "print(hashlib.md5(render_digits(400, 7)[0].tobytes()"
        " + render_colour_digits(100, 7)[0].tobytes()).hexdigest())"
    )
    done = run_python(code, PYTHONHASHSEED="77", OPENBLAS_NUM_THREADS="1", OPENBLAS_CORETYPE="Prescott")
    assert done.stdout.strip() == here.hexdigest(), done.stderr


def test_classes_are_balanced_and_shuffled(rendered):
    images, labels = rendered
    assert images.dtype == labels.dtype == np.uint8
    assert images.shape == (4000, 28, 28)
    assert labels.shape == (4000,)
    assert np.bincount(labels).tolist() == [400] * 10
    assert np.bincount(labels[:1000], minlength=10).min() > 60


@pytest.mark.parametrize("count", [0, 1, 13])
def test_any_count_can_be_drawn(count):
    images, labels = render_digits(count, 1)
    assert images.shape == (count, 28, 28)
    assert np.ptp(np.bincount(labels, minlength=10)) <= 1


def test_form_is_that_of_mnist(rendered):
    # MNIST: mean 33.3, deviation 78.6, 80.9 % black, box 20, centre of mass within half a pixel of 14.
    images, _ = rendered
    assert 31 < images.mean() < 36
    assert 74 < images.std() < 83
    assert 0.78 < (images == 0).mean() < 0.83
    assert (images.max(axis=(1, 2)) > 150).all()
    mass = images.sum(axis=(1, 2), dtype=np.float64)
    for axis in (1, 2):
        inked = (images > 0).any(axis=axis)
        assert np.ptp(np.where(inked, np.arange(28), np.nonzero(inked)[1].mean()), axis=1).max() < 20
        centre = images.sum(axis=axis) @ np.arange(28) / mass
        assert np.abs(centre - 14).max() <= 0.51


def test_pictures_differ_from_each_other(rendered):
    images, _ = rendered
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) == len(images)


def test_digits_can_be_told_apart(rendered):
    images, labels = rendered
    assert accuracy((images[:3300], labels[:3300]), (images[3300:], labels[3300:])) > 0.92


@pytest.mark.parametrize("pair", [(1, 7), (6, 9), (3, 8), (4, 9)])
def test_similar_digits_can_be_told_apart(rendered, pair):
    images, labels = rendered
    mine = np.isin(labels, pair)
    images, labels = images[mine], labels[mine]
    assert accuracy((images[:650], labels[:650]), (images[650:], labels[650:])) > 0.95


@pytest.mark.realdata
def test_real_mnist_is_read_by_who_learned_from_built_in_digits(rendered):
    folder = Path(os.environ.get("MS_GAN_TEST_DATA", REPOSITORY.parent / "shared" / "data")) / "mnist"
    if not folder.is_dir():
        pytest.skip(f"no real MNIST in {folder}")
    images, labels = (
        np.frombuffer(gzip.decompress((folder / f"t10k-{name}-ubyte.gz").read_bytes()), np.uint8, offset=skip)
        for name, skip in (("images-idx3", 16), ("labels-idx1", 8))
    )
    images = images.reshape(-1, 28, 28)
    assert accuracy(rendered, (images[:600], labels[:600])) > 0.6
    assert abs(images.mean() - rendered[0].mean()) < 2


def test_colour_pictures_have_contrast_and_many_colours():
    images, labels = render_colour_digits(500, 3)
    assert images.shape == (500, 3, 32, 32)
    assert np.bincount(labels).tolist() == [50] * 10
    grey, grey_labels = render_digits(500, 3)
    np.testing.assert_array_equal(labels, grey_labels)
    ink = np.pad(grey, ((0, 0), (2, 2), (2, 2)))
    brightness = np.einsum("ncij,c->nij", images / 255, [0.299, 0.587, 0.114])
    gaps = [
        picture[mask >= 250].mean() - picture[mask == 0].mean()
        for picture, mask in zip(brightness, ink, strict=True)
        if (mask >= 250).any()
    ]
    assert len(gaps) > 450
    assert np.abs(gaps).min() > 0.28
    assert 0.4 < (np.array(gaps) > 0).mean() < 0.6
    # Grounds are neither grey nor flat.
    corners = images[:, :, [0, 0, 31, 31], [0, 31, 0, 31]].astype(int)
    assert np.median(np.ptp(corners, axis=1)) > 30
    assert np.median(np.ptp(corners, axis=2)) > 30


# --- the folder


def test_grey_folder_has_the_format_of_mnist(tmp_path, small):
    folder = ensure_digits(tmp_path / "new" / "cache", announce=quiet)
    assert folder == tmp_path / "new" / "cache" / "builtin-digits"
    for stem, count in (("train/train", 60), ("test/t10k", 20)):
        pictures = (folder / f"{stem}-images-idx3-ubyte").read_bytes()
        labels = (folder / f"{stem}-labels-idx1-ubyte").read_bytes()
        assert struct.unpack(">4i", pictures[:16]) == (2051, count, 28, 28)
        assert len(pictures) == 16 + count * 784
        assert struct.unpack(">2i", labels[:8]) == (2049, count)
        assert np.bincount(np.frombuffer(labels, np.uint8, offset=8)).tolist() == [count // 10] * 10


def test_colour_folder_has_the_format_of_cifar10(tmp_path, small):
    folder = ensure_digits(tmp_path, colour=True, announce=quiet)
    assert folder == tmp_path / "builtin-digits-colour"
    names = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    records = np.stack([np.fromfile(folder / name, np.uint8).reshape(30, 3073) for name in names])
    assert np.bincount(records[:, :, 0].ravel()).tolist() == [18] * 10
    assert len(np.unique(records[:, :, 1:].reshape(180, -1), axis=0)) == 180
    assert (folder / "batches.meta.txt").read_text().split() == (
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    )


def test_full_size_is_that_of_mnist_and_cifar10():
    assert sum(digits._sizes(colour=False).values()) == 47040016 + 60008 + 7840016 + 10008
    assert list(digits._sizes(colour=True).values()) == [30_730_000] * 6


def test_train_and_test_share_no_picture(tmp_path, small):
    files = read_folder(ensure_digits(tmp_path, announce=quiet))
    train, test = (
        {files[name][start : start + 784] for start in range(16, len(files[name]), 784)}
        for name in ("train/train-images-idx3-ubyte", "test/t10k-images-idx3-ubyte")
    )
    assert len(train) == 60
    assert not train & test


def test_drawn_once_and_announced_once(tmp_path, small):
    lines = []
    folder = ensure_digits(tmp_path, announce=lines.append)
    assert len(lines) == 2
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert ensure_digits(tmp_path, announce=lines.append) == folder
    assert len(lines) == 2
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.parametrize("damage", ["truncated", "missing", "version", "marker", "empty"])
def test_incomplete_or_older_folder_is_drawn_again(tmp_path, small, damage):
    folder = ensure_digits(tmp_path, announce=quiet)
    good = read_folder(folder)
    pictures, marker = folder / "train/train-images-idx3-ubyte", folder / digits.MARKER
    if damage == "truncated":
        pictures.write_bytes(pictures.read_bytes()[:-1])
    elif damage == "missing":
        pictures.unlink()
    elif damage == "version":
        marker.write_text("0\n")
    elif damage == "marker":
        marker.unlink()
    else:
        for path in folder.rglob("*"):
            if path.is_file():
                path.unlink()
    assert ensure_digits(tmp_path, announce=quiet) == folder
    assert read_folder(folder) == good
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_killed_process_leaves_nothing_that_looks_complete(tmp_path, small):
    code = (
        "import os, signal, sys\n"
        "from ms_gan.data import digits\n"
        "digits._TRAIN_COUNT, digits._TEST_COUNT = 60, 20\n"
        "digits._put_in_place = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"digits.ensure_digits({str(tmp_path)!r})\n"
    )
    assert run_python(code).returncode == -signal.SIGKILL
    (leftover,) = tmp_path.iterdir()
    assert leftover.name.startswith(".builtin-digits.")
    # As old as it would be found later: then it is swept away; a young one may belong to a running process.
    os.utime(leftover, (0, 0))
    folder = ensure_digits(tmp_path, announce=quiet)
    assert len(read_folder(folder)) == 5
    assert list(tmp_path.iterdir()) == [folder]


def test_young_unfinished_folder_of_another_process_is_left_alone(tmp_path, small):
    other = tmp_path / ".builtin-digits.0123abcd.tmp"
    other.mkdir()
    ensure_digits(tmp_path, announce=quiet)
    assert other.is_dir()


@pytest.mark.parametrize("older", [False, True])
def test_several_at_once_all_get_the_whole_folder(tmp_path, small, monkeypatch, older):
    if older:
        marker = ensure_digits(tmp_path, announce=quiet) / digits.MARKER
        marker.write_text("0\n")
    barrier = threading.Barrier(4)
    put = digits._put_in_place

    def put_together(*arguments):
        barrier.wait(timeout=20)
        put(*arguments)

    monkeypatch.setattr(digits, "_put_in_place", put_together)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(read_folder(ensure_digits(tmp_path, announce=quiet))))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(len(files) == 5 and files == found[0] for files in found)
    assert [path.name for path in tmp_path.iterdir()] == ["builtin-digits"]


def test_cache_that_cannot_be_written_is_one_clear_line(tmp_path, small):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*file") as caught:
        ensure_digits(tmp_path / "file" / "cache", announce=quiet)
    assert "\n" not in str(caught.value)


def test_without_opencv_it_says_what_to_install(tmp_path, small, monkeypatch):
    digit_shapes.digit_shapes.cache_clear()
    monkeypatch.setitem(sys.modules, "cv2", None)
    lines = []
    with pytest.raises(UserError, match=r"opencv-python-headless.*libgl1"):
        ensure_digits(tmp_path, announce=lines.append)
    assert lines == []
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlibs_fonts_it_names_the_file(tmp_path, small, monkeypatch):
    digit_shapes.digit_shapes.cache_clear()
    monkeypatch.setattr("matplotlib.get_data_path", lambda: str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"nowhere.*DejaVuSans\.ttf.*matplotlib"):
        ensure_digits(tmp_path, announce=quiet)
