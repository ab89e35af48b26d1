"""MNIST's own file format (IDX), plain or gzipped, in any of the usual folder layouts.

Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits".
"""

import contextlib
import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from ms_gan.config.schema import LARGEST_SIZE
from ms_gan.data.images import BLOCK, DIGITS, ImageSet, Records, Wish, gather, open_data
from ms_gan.errors import NoSuchPart, UserError

LAYOUTS = ("", "MNIST_Data", "MNIST/raw")  # MindSpore's archive and torchvision's folder
CACHED = "mnist"  # the folder in the cache
_STEMS = {"train": "train", "test": "t10k"}
_LARGEST_FILE = 2**30  # bytes unpacked, twenty times MNIST; more must come from a lying header
_LARGEST_RATIO = 1032  # deflate cannot pack tighter
_MEND = "delete it and fetch the data again, or give another folder"


def find_mnist(folder: Path, layouts: tuple[str, ...] = (*LAYOUTS, CACHED)) -> dict[str, Path]:
    """Return the MNIST files of `folder`, keyed 'train images', 'train labels', 'test images', 'test labels'.

    Files lie in `train/` and `test/`, or flat, in the folder itself or in one of `layouts` below it; each is
    plain or `.gz`; a plain file goes before a gzipped one. Empty if there are none.
    """
    for layout in layouts:
        found = {
            f"{split} {what}": path
            for split in _STEMS
            for what in ("images", "labels")
            if (path := _find_file(folder / layout, split, what)) is not None
        }
        if found:
            return found
    return {}


def load_mnist(folder: Path, wish: Wish, source: str = "mnist", notices: tuple[str, ...] = ()) -> ImageSet:
    """Load a folder of MNIST files; see :func:`ms_gan.data.sources.load_images` for `wish`."""
    files = find_mnist(folder)
    parts = []
    for split in ("train", "test") if wish.split == "both" else (wish.split,):
        for what in ("images", "labels"):
            if f"{split} {what}" not in files:
                name = _names(split, what)[0]
                kind = UserError if any(key.startswith(split) for key in files) else NoSuchPart
                raise kind(f"{folder}: the file {name} is missing; add it, or give another folder or data.split")
        parts.append(idx_records(files[f"{split} images"], files[f"{split} labels"]))
    return gather(parts, DIGITS, wish, source, folder, notices)


def idx_records(images: Path, labels: Path) -> Records:
    """Check the headers of an image file and its label file and return their records.

    Raises
    ------
    UserError
        If a file is not IDX, is shorter or longer than its header says, promises more than memory can take,
        holds labels above 9, or if the files differ in number of records.
    """
    with _open_idx(images, 3) as (_, (count, height, width)):
        pass
    if not (0 < height <= LARGEST_SIZE and 0 < width <= LARGEST_SIZE):
        raise UserError(f"{images}: its header says images of {width}x{height} pixels; {_MEND}")
    values = _read_labels(labels, images, count)

    def blocks() -> Iterator[np.ndarray]:
        with _open_idx(images, 3) as (stream, _):
            for start in range(0, count, BLOCK):
                rows = min(BLOCK, count - start)
                content = _read_exactly(stream, rows * height * width, images)
                yield np.frombuffer(content, np.uint8).reshape(rows, 1, height, width)
            _expect_end(stream, images)

    return Records(count, (1, height, width), values, blocks)


def check_labels(labels: np.ndarray, path: Path) -> np.ndarray:
    """Return `labels` unless one is above 9, which no label of ten classes can be."""
    if len(labels) and labels.max() > 9:
        raise UserError(f"{path}: holds the label {labels.max()}, but labels go from 0 to 9; {_MEND}")
    return labels


def plain_md5(path: Path) -> str | None:
    """Return the md5 of a file's content, unpacked if it is gzipped; None if it cannot be unpacked."""
    try:
        with open_data(path) as file, _as_plain(file, path) as stream:
            # No more than a file of labels has: one that unpacks to gigabytes is none.
            return hashlib.md5(stream.read(2**20), usedforsecurity=False).hexdigest()
    except (UserError, EOFError, zlib.error):
        return None


def _read_labels(path: Path, images: Path, wanted: int) -> np.ndarray:
    with _open_idx(path, 1) as (stream, (count,)):
        if count != wanted:
            raise UserError(f"{images} holds {wanted} images but {path} {count} labels; give files of one set")
        content = _read_exactly(stream, count, path)
        _expect_end(stream, path)
    return check_labels(np.frombuffer(content, np.uint8), path)


def _names(split: str, what: str) -> list[str]:
    kind = "idx3" if what == "images" else "idx1"
    return [f"{_STEMS[split]}-{what}{dot}{kind}-ubyte{end}" for end in ("", ".gz") for dot in ("-", ".")]


def _find_file(base: Path, split: str, what: str) -> Path | None:
    for place in (base / split, base):
        for name in _names(split, what):
            if os.path.isfile(place / name):
                return place / name
    return None


@contextlib.contextmanager
def _open_idx(path: Path, dimensions: int) -> Iterator[tuple[IO[bytes], tuple[int, ...]]]:
    """Open an IDX file of bytes, check its header against its size and yield the stream and its shape."""
    with open_data(path) as file, _as_plain(file, path) as stream:
        header_size = 4 + 4 * dimensions
        header = _read_exactly(stream, header_size, path)
        magic = bytes((0, 0, 8, dimensions))
        if header[:4] != magic:
            raise UserError(f"{path}: is not an MNIST file (begins {header[:4].hex()}, not {magic.hex()}); {_MEND}")
        shape = tuple(int(number) for number in np.frombuffer(header, ">u4", offset=4))
        promised = header_size + int(np.prod(shape, dtype=object))
        on_disk = path.stat().st_size
        packed = isinstance(stream, gzip.GzipFile)
        if promised > on_disk * (_LARGEST_RATIO if packed else 1):
            raise _truncated(path, f"its header promises {promised} bytes, the file has {on_disk}")
        if promised > _LARGEST_FILE:
            raise UserError(f"{path}: its header promises {promised} bytes, the limit is {_LARGEST_FILE}; {_MEND}")
        if not packed and promised < on_disk:
            raise _too_long(path)
        yield stream, shape


def _as_plain(file: IO[bytes], path: Path) -> contextlib.AbstractContextManager[IO[bytes]]:
    return gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else contextlib.nullcontext(file)


def _read_exactly(stream: IO[bytes], wanted: int, path: Path) -> bytearray:
    """Read `wanted` bytes, never more; memory grows with what arrives, not with what was promised."""
    content = bytearray()
    while len(content) < wanted:
        piece = _read_some(stream, min(wanted - len(content), 2**20), path)
        if not piece:
            raise _truncated(path, "it ends too early")
        content += piece
    return content


def _expect_end(stream: IO[bytes], path: Path) -> None:
    if _read_some(stream, 1, path):
        raise _too_long(path)


def _read_some(stream: IO[bytes], most: int, path: Path) -> bytes:
    try:
        return stream.read(most)
    except EOFError:
        raise _truncated(path, "the compressed data end too early") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"{path}: is not a sound gzip file ({error}); {_MEND}") from error


def _truncated(path: Path, how: str) -> UserError:
    return UserError(f"{path}: is truncated ({how}); {_MEND}")


def _too_long(path: Path) -> UserError:
    return UserError(f"{path}: is longer than its header says; {_MEND}")
