"""The one in-memory type for images, and how records of any file become one."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

from ms_gan.errors import UserError
from ms_gan.names import unknown_name
from ms_gan.wording import plural

BLOCK = 1000  # records read at a time, so that nothing but the result is ever held whole
LARGEST_SET = 4 * 2**30  # bytes; a set lives in memory, and a lying header must not fill it
DIGITS = tuple("0123456789")


@dataclass(frozen=True)
class ImageSet:
    """Images in memory, as they are on disk: uint8, not scaled.

    Attributes
    ----------
    images : numpy.ndarray
        uint8, shape (N, C, H, W), values 0 to 255, C-contiguous and read-only; C is 1 (grey) or 3 (RGB).
    labels : numpy.ndarray or None
        uint8, shape (N,): index into `class_names`; None where the source has no classes.
    class_names : tuple of str
        Names of all classes of the source, also of those that were not asked for.
    source : str
        'mnist', 'idx' (another data set in files of MNIST's names), 'cifar10', 'raw', 'pictures' or 'builtin'.
    location : str
        The folder that the images came from.
    sha256 : str
        Hash over shape, image bytes and labels.
    notices : tuple of str
        What the user should know, one sentence each: a fallback, files that could not be read.
    """

    images: np.ndarray
    labels: np.ndarray | None
    class_names: tuple[str, ...]
    source: str
    location: str
    sha256: str
    notices: tuple[str, ...] = ()

    def described(self) -> str:
        """Return what they are in a few words: 'mnist, 60,000 images of 28x28 grey, DIR', and of which classes."""
        channels, _, size = self.images.shape[1:]
        classes = ""
        if self.labels is not None and len(there := np.unique(self.labels)) < len(self.class_names):
            few = ", ".join(self.class_names[number] for number in there)
            classes = f", class {few}" if len(there) < 4 else f", {len(there)} of {len(self.class_names)} classes"
        kind = "colour" if channels == 3 else "grey"
        return f"{self.source}, {plural(len(self.images), 'image')} of {size}x{size} {kind}{classes}, {self.location}"


@dataclass(frozen=True)
class Wish:
    """What is wanted of a data set, whatever it is: see :func:`ms_gan.data.sources.load_images`."""

    split: str = "train"
    classes: tuple[str | int, ...] = ()
    size: int | None = None
    channels: int | None = None


@dataclass(frozen=True)
class Records:
    """Images of one file, not read yet: `blocks()` yields them as uint8 (n, C, H, W), n up to `BLOCK`."""

    count: int
    shape: tuple[int, int, int]
    labels: np.ndarray | None
    blocks: Callable[[], Iterator[np.ndarray]]


def make_image_set(
    images: np.ndarray,
    labels: np.ndarray | None,
    class_names: Sequence[str],
    source: str,
    folder: Path,
    notices: Sequence[str] = (),
) -> ImageSet:
    """Freeze the arrays and hash them; see :class:`ImageSet` for the parameters."""
    images = np.ascontiguousarray(images)
    digest = hashlib.sha256(repr(images.shape).encode())
    digest.update(images.data)
    images.flags.writeable = False
    if labels is not None:
        labels = np.ascontiguousarray(labels, np.uint8)
        digest.update(labels.data)
        labels.flags.writeable = False
    return ImageSet(
        images, labels, tuple(class_names), source, str(folder.absolute()), digest.hexdigest(), tuple(notices)
    )


def gather(
    parts: Sequence[Records],
    class_names: Sequence[str],
    wish: Wish,
    source: str,
    folder: Path,
    notices: Sequence[str] = (),
) -> ImageSet:
    """Read the wanted records of all `parts` into one array, converting block by block.

    Raises
    ------
    UserError
        If the parts differ in image size, lack labels that `wish.classes` needs, hold none of the wanted
        classes, or are too much for memory; and whatever reading them raises.
    """
    if len({part.shape for part in parts}) != 1:
        shapes = ", ".join(sorted({f"{w}x{h}x{c}" for c, h, w in (part.shape for part in parts)}))
        raise UserError(f"{folder}: its files hold images of different sizes ({shapes}); give files of one set")
    masks = _wanted(parts, class_names, wish, folder)
    count = int(sum(mask.sum() for mask in masks))
    if count == 0:
        wanted = f" of the classes asked for ({', '.join(map(str, wish.classes))})" if wish.classes else ""
        raise UserError(f"{folder}: holds no image{wanted}; choose other classes or another folder")
    images = allocate(count, wish.channels, wish.size, parts[0].shape, folder)
    end = 0
    for part, mask in zip(parts, masks, strict=True):
        start = 0
        for block in part.blocks():
            chosen = block[mask[start : start + len(block)]]
            start += len(block)
            images[end : end + len(chosen)] = convert(chosen, wish.size, wish.channels)
            end += len(chosen)
    labels = None
    if all(part.labels is not None for part in parts):
        labels = np.concatenate([part.labels[mask] for part, mask in zip(parts, masks, strict=True)])
    return make_image_set(images, labels, class_names, source, folder, notices)


def allocate(
    count: int, channels: int | None, size: int | None, shape: tuple[int, int, int], folder: Path
) -> np.ndarray:
    """Return an empty uint8 array (count, C, H, W); None for `channels` or `size` takes that of `shape`."""
    height, width = (size, size) if size else shape[1:]
    shape = (count, channels or shape[0], height, width)
    wanted = int(np.prod(shape, dtype=object))
    if wanted > LARGEST_SET:
        raise UserError(
            f"{folder}: {count} images of {width}x{height} pixels need {wanted / 2**30:.1f} GiB of memory, the "
            f"limit is {LARGEST_SET / 2**30:.0f} GiB; give a smaller --size, fewer classes or a smaller folder"
        )
    return np.empty(shape, np.uint8)


def class_numbers(classes: Sequence[str | int], class_names: Sequence[str], where: str) -> list[int]:
    """Return the numbers of `classes`, each given as a name or a number.

    A name goes before one that only case tells from it, and any name before a number, so that a folder of pictures
    called '7' is found by 7; where all names are numbers, no other number counts. `where` begins the message of the
    UserError for what is neither, or may be several.
    """
    counted = not all(name.isdecimal() for name in class_names)
    known = [f"{name} ({number})" if counted else name for number, name in enumerate(class_names)]
    numbers = []
    for given in classes:
        text = str(given).strip()
        same = [number for number, name in enumerate(class_names) if name == text]
        same = same or [number for number, name in enumerate(class_names) if name.casefold() == text.casefold()]
        if len(same) > 1:
            raise UserError(f"{where}: {text!r} may be {' or '.join(known[number] for number in same)}; say which")
        if same:
            numbers += same
        elif counted and text.isascii() and text.isdecimal() and len(text) < 9 and int(text) < len(class_names):
            numbers.append(int(text))
        else:
            message = unknown_name(where, text, class_names)
            raise UserError(f"{message.split('; ')[0]}; known: {', '.join(known)}")
    return numbers


def convert(images: np.ndarray, size: int | None, channels: int | None) -> np.ndarray:
    """Return uint8 images (n, C, H, W) with `channels` and `size` x `size` pixels; None leaves as it is.

    Colour becomes grey by Pillow's weights (0.299 R + 0.587 G + 0.114 B), grey becomes colour by repeating.
    Images are cropped to their central square, then resized by Pillow's antialiased bicubic filter.
    """
    count, depth, height, width = images.shape
    if channels == 1 and depth == 3 and count:
        # One tall picture: Pillow's own arithmetic at the cost of a single call.
        tall = np.ascontiguousarray(images.transpose(0, 2, 3, 1)).reshape(count * height, width, 3)
        images = np.asarray(Image.fromarray(tall).convert("L")).reshape(count, 1, height, width)
    if size and (height, width) != (size, size):
        resized = np.empty((count, images.shape[1], size, size), np.uint8)
        for source, target in zip(images, resized, strict=True):
            for plane, out in zip(source, target, strict=True):
                out[:] = np.asarray(fit_square(Image.fromarray(plane), size))
        images = resized
    if channels == 3 and depth == 1:
        images = np.repeat(images, 3, axis=1)
    return images


def fit_square(picture: Image.Image, size: int) -> Image.Image:
    """Return the central square of `picture`, resized to `size` x `size` pixels."""
    edge = min(picture.size)
    left, top = (picture.width - edge) // 2, (picture.height - edge) // 2
    if picture.size == (size, size):
        return picture
    square = picture.crop((left, top, left + edge, top + edge))  # first, so that no pixel beside it blends in
    return square.resize((size, size), Image.Resampling.BICUBIC)


@contextlib.contextmanager
def open_data(path: Path) -> Iterator[IO[bytes]]:
    """Open a data file for reading; what the system refuses becomes a `UserError` that names the file."""
    try:
        with open(path, "rb") as stream:
            yield stream
    except OSError as error:
        raise UserError(
            f"cannot read {path}: {error.strerror or error}; check that it exists and may be read"
        ) from error


def _wanted(parts: Sequence[Records], class_names: Sequence[str], wish: Wish, folder: Path) -> list[np.ndarray]:
    if not wish.classes:
        return [np.ones(part.count, bool) for part in parts]
    if any(part.labels is None for part in parts):
        raise UserError(f"{folder}: has no labels, so classes cannot be chosen; leave out --classes")
    numbers = class_numbers(wish.classes, class_names, f"classes of {folder}")
    return [np.isin(part.labels, numbers) for part in parts]
