"""Headerless files of 28x28 grey images: `imagesTrain.bin` (N*784 bytes) and `labelsTrain.bin` (N bytes)."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ms_gan.data.idx import check_labels
from ms_gan.data.images import BLOCK, DIGITS, ImageSet, Records, Wish, gather, open_data
from ms_gan.errors import NoSuchPart, UserError

EDGE = 28
_PIXELS = EDGE * EDGE
_FILES = {"train": ("imagesTrain.bin", "labelsTrain.bin"), "test": ("imagesTest.bin", "labelsTest.bin")}


def holds_raw(folder: Path) -> bool:
    """Tell whether `folder` holds raw image files."""
    return any(os.path.isfile(folder / images) for images, _ in _FILES.values())


def load_raw(folder: Path, wish: Wish) -> ImageSet:
    """Load raw files; without a label file the set has no labels, and a notice says so."""
    parts, notices = [], []
    for split in ("train", "test") if wish.split == "both" else (wish.split,):
        images, labels = (folder / name for name in _FILES[split])
        if not os.path.isfile(images):
            raise NoSuchPart(f"{folder}: has no {split} images ({images.name}); add them or choose another data.split")
        if not os.path.isfile(labels):
            notices.append(f"{images} has no label file ({labels.name}) beside it, so the images have no labels.")
        parts.append(raw_records(images, labels if os.path.isfile(labels) else None))
    return gather(parts, DIGITS, wish, "raw", folder, notices)


def raw_records(images: Path, labels: Path | None) -> Records:
    """Check the sizes of both files and return their records.

    Raises
    ------
    UserError
        If the image file is not a whole number of 784-byte images, the number of labels differs, or a label
        is above 9.
    """
    size = _size(images)
    if size == 0 or size % _PIXELS:
        raise UserError(
            f"{images}: has {size} bytes, not a whole number of {EDGE}x{EDGE} images of {_PIXELS} bytes; "
            "give a file of N*28*28 bytes without a header"
        )
    count = size // _PIXELS
    values = None
    if labels is not None:
        if _size(labels) != count:
            raise UserError(f"{images} holds {count} images but {labels} {_size(labels)} labels; give files of one set")
        with open_data(labels) as stream:
            values = check_labels(np.frombuffer(stream.read(count), np.uint8), labels)
    return Records(count, (1, EDGE, EDGE), values, lambda: _blocks(images, count))


def _blocks(path: Path, count: int) -> Iterator[np.ndarray]:
    with open_data(path) as stream:
        for start in range(0, count, BLOCK):
            rows = min(BLOCK, count - start)
            yield np.frombuffer(stream.read(rows * _PIXELS), np.uint8).reshape(rows, 1, EDGE, EDGE)


def _size(path: Path) -> int:
    with open_data(path) as stream:
        return stream.seek(0, 2)
