"""The binary version of CIFAR-10: records of a label byte and 3,072 bytes of 32x32 RGB, plane by plane.

Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images" (2009). The pickled version is not
read: a pickle can run any code.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ms_gan.data.idx import check_labels
from ms_gan.data.images import BLOCK, ImageSet, Records, Wish, gather, open_data
from ms_gan.errors import NoSuchPart, UserError

CACHED = "cifar-10-batches-bin"  # the folder in the archive and in the cache
NAMES_FILE = "batches.meta.txt"
OFFICIAL_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SHAPE = (3, 32, 32)
RECORD = 1 + 3 * 32 * 32
_LONGEST_NAMES = 4096  # bytes of batches.meta.txt that are looked at


def find_cifar10(folder: Path, cached: bool = True) -> Path | None:
    """Return the folder with CIFAR-10's files: `folder`, or, if `cached`, `cifar-10-batches-bin` below it."""
    for place in (folder, folder / CACHED) if cached else (folder,):
        if _files(place, "both"):
            return place
    return None


def load_cifar10(folder: Path, wish: Wish, source: str = "cifar10", notices: tuple[str, ...] = ()) -> ImageSet:
    """Load CIFAR-10's binary files; see :func:`ms_gan.data.sources.load_images` for `wish`."""
    place = find_cifar10(folder) or folder
    for split in ("train", "test") if wish.split == "both" else (wish.split,):
        if not _files(place, split):
            wanted = "data_batch_1.bin" if split == "train" else "test_batch.bin"
            raise NoSuchPart(f"{place}: has no {split} images ({wanted}); add them or choose another data.split")
    parts = [cifar10_records(path) for path in _files(place, wish.split)]
    return gather(parts, _class_names(place), wish, source, place, notices)


def cifar10_records(path: Path) -> Records:
    """Check the size and labels of one file and return its records.

    Raises
    ------
    UserError
        If the file is not a whole number of 3,073-byte records or holds a label above 9.
    """
    with open_data(path) as stream:
        size = stream.seek(0, 2)
    if size == 0 or size % RECORD:
        raise UserError(
            f"{path}: has {size} bytes, which is not a whole number of CIFAR-10 records of {RECORD} bytes; "
            "delete it and fetch the data again, or give another folder"
        )
    count = size // RECORD
    # The labels are needed before any image is kept; a second pass over the file is cheaper than holding it.
    labels = np.concatenate([block[:, 0] for block in _rows(path, count)])
    return Records(
        count,
        SHAPE,
        check_labels(labels, path),
        lambda: (block[:, 1:].reshape(-1, *SHAPE) for block in _rows(path, count)),
    )


def _rows(path: Path, count: int) -> Iterator[np.ndarray]:
    with open_data(path) as stream:
        for start in range(0, count, BLOCK):
            rows = min(BLOCK, count - start)
            yield np.frombuffer(stream.read(rows * RECORD), np.uint8).reshape(rows, RECORD)


def _files(place: Path, split: str) -> list[Path]:
    patterns = {"train": ["data_batch_*.bin"], "test": ["test_batch.bin"]}
    patterns["both"] = patterns["train"] + patterns["test"]
    return [path for pattern in patterns[split] for path in sorted(place.glob(pattern)) if os.path.isfile(path)]


def _class_names(place: Path) -> tuple[str, ...]:
    path = place / NAMES_FILE
    if not os.path.isfile(path):
        return OFFICIAL_NAMES
    with open_data(path) as stream:
        text = stream.read(_LONGEST_NAMES).decode(errors="replace")
    names = tuple(line.strip() for line in text.splitlines() if line.strip())
    if len(names) != len(OFFICIAL_NAMES) or not all(name.isprintable() for name in names):
        raise UserError(f"{path}: does not hold ten class names, one a line; mend it, or delete it for the usual names")
    return names
