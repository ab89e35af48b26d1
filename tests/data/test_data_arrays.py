"""MNIST, raw and CIFAR-10 files: right values from good files, one clear line for bad ones."""

import contextlib
import gzip
import hashlib
import struct

import numpy as np
import pytest
from data_files import grey_set, idx_bytes, write_cifar, write_mnist, write_raw
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from ms_gan.config.schema import DataConfig
from ms_gan.data import ImageSet, load_images
from ms_gan.data.configured import configured_images
from ms_gan.data.images import convert
from ms_gan.errors import UserError

reused_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.mark.parametrize("below", ["", "MNIST_Data", "MNIST/raw", "mnist"])
@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("packed", [True, False])
def test_every_mnist_layout_gives_the_same_set(tmp_path, below, nested, packed):
    write_mnist(tmp_path / below, nested, packed)
    found = load_images(folder=tmp_path)
    images, labels = grey_set(20, 1)
    assert found.source == "idx"
    assert found.images.dtype == np.uint8
    np.testing.assert_array_equal(found.images, images[:, None])
    np.testing.assert_array_equal(found.labels, labels)
    assert found.location == str(tmp_path)


def test_images_and_labels_are_read_only_and_contiguous(tmp_path):
    found = load_images(folder=write_cifar(tmp_path), classes=["horse"])
    assert found.images.flags.c_contiguous
    with pytest.raises(ValueError):
        found.images[0] = 0
    with pytest.raises(ValueError):
        found.labels[0] = 0


def test_both_splits_are_train_then_test(tmp_path):
    write_mnist(tmp_path)
    parts = [load_images(folder=tmp_path, split=split).images for split in ("train", "test")]
    np.testing.assert_array_equal(load_images(folder=tmp_path, split="both").images, np.concatenate(parts))


def test_hash_tells_sets_apart_and_is_documented(tmp_path):
    write_mnist(tmp_path)
    whole, test = load_images(folder=tmp_path), load_images(folder=tmp_path, split="test")
    content = b"(20, 1, 28, 28)" + whole.images.tobytes() + whole.labels.tobytes()
    assert whole.sha256 == hashlib.sha256(content).hexdigest()
    assert whole.sha256 != test.sha256
    assert load_images(folder=tmp_path).sha256 == whole.sha256


def test_cifar_planes_classes_and_names(tmp_path):
    write_cifar(tmp_path / "cifar-10-batches-bin")
    found = load_images(folder=tmp_path, split="both", classes=["Horse", 0, "9"])
    raw = np.concatenate(
        [
            np.fromfile(tmp_path / "cifar-10-batches-bin" / name, np.uint8).reshape(-1, 3073)
            for name in ("data_batch_1.bin", "data_batch_2.bin", "test_batch.bin")
        ]
    )
    raw = raw[np.isin(raw[:, 0], [7, 0, 9])]
    np.testing.assert_array_equal(found.images, raw[:, 1:].reshape(-1, 3, 32, 32))
    np.testing.assert_array_equal(found.labels, raw[:, 0])
    assert found.class_names[7] == "horse"
    assert len(found.class_names) == 10


def test_cifar_names_come_from_the_file(tmp_path):
    write_cifar(tmp_path)
    (tmp_path / "batches.meta.txt").write_text("\n".join(f"kind{i}" for i in range(10)) + "\n\n")
    assert load_images(folder=tmp_path, classes=["kind3"]).labels.tolist() == [3, 3, 3, 3]


def test_raw_files_with_and_without_labels(tmp_path):
    write_raw(tmp_path, test=True)
    found = load_images(folder=tmp_path)
    np.testing.assert_array_equal(found.images[:, 0], grey_set(20, 5)[0])
    assert (found.source, found.notices) == ("raw", ())
    (tmp_path / "labelsTrain.bin").unlink()
    found = load_images(folder=tmp_path)
    assert found.labels is None
    assert "no label file" in found.notices[0]


def test_more_images_than_a_block(tmp_path):
    images, labels = grey_set(2345)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx_bytes(images))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    found = load_images(folder=tmp_path, classes=["3"])
    np.testing.assert_array_equal(found.images[:, 0], images[labels == 3])


def test_conversion_follows_pillow(tmp_path):
    colour = np.random.default_rng(0).integers(0, 256, (3, 3, 32, 32), dtype=np.uint8)
    grey = convert(colour, 20, 1)
    for before, after in zip(colour, grey, strict=True):
        picture = Image.fromarray(before.transpose(1, 2, 0)).convert("L").resize((20, 20), Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(after[0], np.asarray(picture))
    again = convert(grey, None, 3)
    assert again.shape == (3, 3, 20, 20)
    assert (again == grey).all()


def test_conversion_crops_the_central_square():
    wide = np.zeros((1, 1, 4, 8), np.uint8)
    wide[..., 2:6] = 255
    assert (convert(wide, 4, None) == 255).all()


def test_images_that_are_not_square_are_trained_on_with_a_size_alone(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx_bytes(IMAGES[:, :, :20]))
    with pytest.raises(UserError, match=r"images of 20x28 are not square; give --size 20 .*, or another number of"):
        configured_images(DataConfig(folder=str(tmp_path)), print)
    found = configured_images(DataConfig(folder=str(tmp_path), size=20), print)
    np.testing.assert_array_equal(found.images[:, 0], IMAGES[:, 4:24, :20])


def test_conversion_on_loading_keeps_labels(tmp_path):
    found = load_images(folder=write_mnist(tmp_path), size=32, channels=3, classes=[2])
    assert found.images.shape == (2, 3, 32, 32)
    assert set(found.labels) == {2}


IMAGES, LABELS = grey_set(20, 1)
GOOD = idx_bytes(IMAGES)
HUGE = struct.pack(">4I", 0x803, 2**31, 28, 28)
# What is written instead of a good file, and words of the message.
BAD_IDX = {
    "empty": (b"", "truncated"),
    "wrong magic": (b"\x89PNG" + GOOD[4:], "is not an MNIST file"),
    "labels for images": (idx_bytes(LABELS), "is not an MNIST file"),
    "2**31 images": (HUGE + bytes(1000), "promises"),
    "short": (GOOD[:-1], "truncated"),
    "trailing": (GOOD + b"x", "longer than its header says"),
    "no pixels": (struct.pack(">4I", 0x803, 0, 0, 0), "0x0 pixels"),
    "other count": (idx_bytes(IMAGES[:19]), "19 images but"),
}


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("case", BAD_IDX)
def test_bad_image_file_is_one_clear_line(tmp_path, case, packed):
    content, words = BAD_IDX[case]
    write_mnist(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte"
    path.unlink()
    path = path.with_name(path.name + ".gz") if packed else path
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(UserError, match=words) as caught:
        load_images(folder=tmp_path)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gzip.compress(GOOD)[:-30], "truncated"),
        (gzip.compress(GOOD)[:100], "truncated"),
        (GOOD, "not a sound gzip file"),
        (gzip.compress(GOOD) + b"garbage", "not a sound gzip file"),
        (gzip.compress(GOOD)[:-8] + bytes(8), "not a sound gzip file"),
        (gzip.compress(HUGE + bytes(10**6)), "promises"),
    ],
    # Not from the content, which holds the time: processes that share the tests must name them alike.
    ids=["without its end", "without most of it", "not gzip", "garbage behind", "wrong check sum", "huge header"],
)
def test_bad_gzip_is_one_clear_line(tmp_path, content, words):
    write_mnist(tmp_path, packed=True)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(UserError, match=words):
        load_images(folder=tmp_path)


def test_gzip_bomb_is_not_unpacked(tmp_path):
    write_mnist(tmp_path, packed=True)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    zeros = gzip.compress(bytes(2**23))
    path.write_bytes(gzip.compress(GOOD) + 300 * zeros)
    with pytest.raises(UserError, match="longer than its header says"):
        load_images(folder=tmp_path)
    # A header that agrees with the bomb is refused before anything is unpacked.
    path.write_bytes(gzip.compress(struct.pack(">4I", 0x803, 2**21, 28, 28)) + 300 * zeros)
    with pytest.raises(UserError, match="promises"):
        load_images(folder=tmp_path)


def _labels(folder, content):
    (write_mnist(folder) / "train-labels-idx1-ubyte").write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "options", "words"),
    [
        (lambda d: _labels(d, idx_bytes(LABELS + 1)), {}, "holds the label 10"),
        (lambda d: _labels(d, idx_bytes(LABELS[:5])), {}, "20 images but .* 5 labels"),
        (lambda d: _labels(d, idx_bytes(LABELS)[:-2]), {}, "truncated"),
        (lambda d: (write_mnist(d) / "train-labels-idx1-ubyte").unlink(), {}, "train-labels-idx1-ubyte is missing"),
        (lambda d: write_mnist(d, test=False), {"split": "test"}, "t10k-images-idx3-ubyte is missing"),
        (write_mnist, {"classes": ["eleven"]}, r"unknown name 'eleven'.*known: 0, 1"),
        (write_mnist, {"classes": [10]}, "unknown name '10'"),
        (write_mnist, {"classes": [-1]}, "unknown name '-1'"),
        (write_mnist, {"size": 0}, "image size: 0"),
        (write_mnist, {"size": 10**9}, "image size"),
        (write_mnist, {"channels": 2}, "image channels: 2"),
        (write_mnist, {"split": "tests"}, "did you mean test"),
        (write_mnist, {"source": "minst"}, "did you mean mnist"),
        (write_mnist, {"prefer": "horses"}, "data preferred by auto"),
        (write_mnist, {"source": "cifar10"}, "holds no CIFAR-10"),
        (write_mnist, {"source": "raw"}, "holds no raw .bin files"),
        (write_raw, {"split": "test"}, "no test images"),
        (write_raw, {"split": "both"}, "no test images"),
        (lambda d: (write_raw(d) / "imagesTrain.bin").write_bytes(bytes(785)), {}, "whole number of 28x28"),
        (lambda d: (write_raw(d) / "imagesTrain.bin").write_bytes(b""), {}, "0 bytes"),
        (lambda d: (write_raw(d) / "labelsTrain.bin").write_bytes(bytes(3)), {}, "20 images but .* 3 labels"),
        (lambda d: (write_raw(d) / "labelsTrain.bin").write_bytes(b"\x0b" * 20), {}, "holds the label 11"),
        (lambda d: (write_cifar(d) / "data_batch_2.bin").write_bytes(bytes(3072)), {}, "records of 3073 bytes"),
        (lambda d: (write_cifar(d) / "data_batch_1.bin").write_bytes(b"\x0a" * 3073), {}, "holds the label 10"),
        (lambda d: (write_cifar(d) / "test_batch.bin").unlink(), {"split": "test"}, "no test images"),
        (lambda d: (write_cifar(d) / "batches.meta.txt").write_bytes(b"\xff\x00one"), {}, "ten class names"),
        (lambda d: write_cifar(d, 3), {"classes": ["horse"]}, r"holds no image of the classes asked for \(horse\)"),
    ],
)
def test_bad_input_is_one_clear_line(tmp_path, spoil, options, words):
    spoil(tmp_path)
    with pytest.raises(UserError, match=words) as caught:
        load_images(folder=tmp_path, **options)
    assert "\n" not in str(caught.value)


def test_unlabelled_raw_files_have_no_classes_to_choose(tmp_path):
    (write_raw(tmp_path) / "labelsTrain.bin").unlink()
    with pytest.raises(UserError, match="has no labels"):
        load_images(folder=tmp_path, classes=[1])


headers = st.builds(
    lambda magic, shape, rest: struct.pack(">I", magic) + struct.pack(f">{len(shape)}I", *shape) + rest,
    st.sampled_from([0x801, 0x803, 0x802, 0x1]),
    st.lists(st.one_of(st.integers(0, 3), st.integers(0, 2**32 - 1)), max_size=3),
    st.binary(max_size=40),
)
any_bytes = st.one_of(st.binary(max_size=60), headers)


def _loads_or_refuses(folder):
    result = None
    with contextlib.suppress(UserError):
        result = load_images(folder=folder)
    assert result is None or isinstance(result, ImageSet)


@reused_folder
@given(images=any_bytes, labels=any_bytes, packing=st.sampled_from(["plain", "gz", "not gz", "cut"]))
def test_any_bytes_as_mnist(tmp_path, images, labels, packing):
    for name, content in (("train-images-idx3-ubyte", images), ("train-labels-idx1-ubyte", labels)):
        (tmp_path / name).unlink(missing_ok=True)
        if packing == "plain":
            (tmp_path / name).write_bytes(content)
        else:
            packed = content if packing == "not gz" else gzip.compress(content)
            (tmp_path / f"{name}.gz").write_bytes(packed[:-5] if packing == "cut" else packed)
    _loads_or_refuses(tmp_path)


@reused_folder
@given(
    first=st.one_of(st.binary(max_size=50), st.integers(0, 3).map(lambda n: bytes(3073 * n))),
    names=st.one_of(st.binary(max_size=50), st.just(b"\n".join([b"a"] * 10))),
)
def test_any_bytes_as_cifar(tmp_path, first, names):
    (tmp_path / "data_batch_1.bin").write_bytes(first)
    (tmp_path / "batches.meta.txt").write_bytes(names)
    _loads_or_refuses(tmp_path)


@reused_folder
@given(images=st.one_of(st.binary(max_size=50), st.just(bytes(784 * 2))), labels=st.binary(max_size=3))
def test_any_bytes_as_raw(tmp_path, images, labels):
    (tmp_path / "imagesTrain.bin").write_bytes(images)
    (tmp_path / "labelsTrain.bin").write_bytes(labels)
    _loads_or_refuses(tmp_path)
