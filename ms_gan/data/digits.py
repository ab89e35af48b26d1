"""Built-in digits as a data set: drawn once, kept in the files of MNIST or, in colour, of CIFAR-10."""

import contextlib
import fcntl
import os
import secrets
import shutil
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ms_gan.data.digit_drawing import SIDE, render_digits
from ms_gan.data.digit_shapes import digit_shapes
from ms_gan.errors import UserError
from ms_gan.files import cannot_write, sync_folder, write_atomically

__all__ = ["FOLDERS", "MARKER", "VERSION", "ensure_digits", "render_colour_digits", "render_digits"]

VERSION = 1  # of the pictures: raise it when they change, and caches are drawn again
MARKER = "builtin-digits-version.txt"  # in the folder: digits are not MNIST, in whatever format they are kept
FOLDERS = {"grey": "builtin-digits", "colour": "builtin-digits-colour"}
_LEFTOVER_AGE = 3600  # seconds after which an unfinished folder belongs to a process that was killed

_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_COLOUR_SIDE = 32
_CHUNK = 500  # colour pictures mixed at once, to stay small in memory

# Every file has its own seed, so no picture is in two of them.
_TRAIN_COUNT, _TEST_COUNT = 60_000, 10_000
_TRAIN_SEED, _TEST_SEED = 1, 2
_COLOUR_COUNT = 10_000  # in each file
_COLOUR_SEEDS = {
    "data_batch_1.bin": 11,
    "data_batch_2.bin": 12,
    "data_batch_3.bin": 13,
    "data_batch_4.bin": 14,
    "data_batch_5.bin": 15,
    "test_batch.bin": 16,
}

# Brightness (0 to 1) of the darker and of the lighter one of ink and ground: the gap between is the contrast.
_DARK, _LIGHT = (0.05, 0.35), (0.65, 0.95)
_LUMA = np.array([0.299, 0.587, 0.114])  # share of R, G and B in brightness (ITU-R BT.601)


def ensure_digits(cache: Path, colour: bool = False, announce: Callable[[str], None] = print) -> Path:
    """Return the folder of the built-in digits; draw them if they are not there yet.

    Grey: MNIST's layout, 60,000 pictures of 28x28 for training and 10,000 for tests. Colour: CIFAR-10's
    binary layout, five batches of 10,000 pictures of 32x32 and a test batch. The folder appears only when it
    is complete, also when several processes draw it at once or one is killed.

    Parameters
    ----------
    cache : path-like
        Folder for the folder; made when missing.
    colour : bool
        The colour variant.
    announce : callable
        Gets a line before drawing and one after it; none when the digits are already there.

    Returns
    -------
    Path
        ``cache/builtin-digits`` or ``cache/builtin-digits-colour``.

    Raises
    ------
    UserError
        If the cache cannot be written, or OpenCV or a font of matplotlib is missing.
    """
    folder = Path(cache) / FOLDERS["colour" if colour else "grey"]
    if _is_complete(folder, colour):
        return folder
    digit_shapes()  # whatever is missing on this machine shows here, before anything is announced or written
    kind, seconds = ("colour", 20) if colour else ("grey", 10)
    announce(f"drawing the built-in {kind} digits into {folder}: once, about {seconds} s")
    write = _write_colour if colour else _write_grey
    start = time.monotonic()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _temporary_sibling(folder) as temporary:
            write(temporary)
            write_atomically(temporary / MARKER, f"{VERSION}\n")
            _put_in_place(temporary, folder, colour)
    except OSError as error:
        raise UserError(cannot_write(folder, error)) from error
    announce(f"built-in digits are ready after {time.monotonic() - start:.1f} s")
    return folder


def render_colour_digits(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw coloured digits on grounds whose colour changes smoothly from corner to corner.

    Parameters
    ----------
    count : int
        Number of pictures, 0 or more.
    seed : int
        0 or more; the same seed and count give the same bytes.

    Returns
    -------
    images : ndarray of uint8, shape (count, 3, 32, 32)
        Planes R, G, B.
    labels : ndarray of uint8, shape (count,)
        0 to 9.

    Raises
    ------
    UserError
        If OpenCV or a font of matplotlib is missing.
    """
    drawn, labels = render_digits(count, seed)
    margin = (_COLOUR_SIDE - SIDE) // 2
    drawn = np.pad(drawn, ((0, 0), (margin, margin), (margin, margin)))
    # Another stream than the shapes have, so that colours say nothing about the digit.
    rng = np.random.Generator(np.random.PCG64([seed, 1]))
    light_ink = rng.random((count, 1)) < 0.5
    ink = _random_colours(rng, light_ink)
    corners = _random_colours(rng, np.repeat(~light_ink, 4, axis=1))
    images = np.empty((count, 3, _COLOUR_SIDE, _COLOUR_SIDE), np.uint8)
    for start in range(0, count, _CHUNK):
        part = slice(start, start + _CHUNK)
        images[part] = _mix(drawn[part], ink[part], corners[part])
    return images, labels


def _random_colours(rng: np.random.Generator, light: np.ndarray) -> np.ndarray:
    """Draw a dark or light colour for each element of `light`, whole numbers 0 to 255, shape (..., 3)."""
    low, high = np.where(light[..., None], _LIGHT, _DARK).transpose(-1, *range(light.ndim))
    wanted = (low + (high - low) * rng.random(light.shape))[..., None]
    colours = rng.random((*light.shape, 3))
    brightness = (colours * _LUMA).sum(axis=-1, keepdims=True)
    # Towards black or white, on the straight line, until the brightness is the wanted one.
    darker = colours * wanted / brightness
    lighter = 1 - (1 - colours) * (1 - wanted) / (1 - brightness)
    return np.round(255 * np.where(wanted < brightness, darker, lighter)).astype(np.int32)


def _mix(drawn: np.ndarray, ink: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Colour drawings (m, 32, 32) by ink (m, 1, 3) and corner colours (m, 4, 3); shape (m, 3, 32, 32)."""
    last = _COLOUR_SIDE - 1
    ramp = np.stack([np.arange(last, -1, -1), np.arange(_COLOUR_SIDE)])
    weights = (ramp[:, None, :, None] * ramp[None, :, None, :]).reshape(4, -1).astype(np.float64)
    # Whole numbers, in float64 for the fast product.
    ground = (corners.transpose(0, 2, 1).astype(np.float64) @ weights).astype(np.int32)
    ground = ground.reshape(-1, 3, _COLOUR_SIDE, _COLOUR_SIDE) // last**2
    share = drawn[:, None].astype(np.int32)
    return ((ground * (255 - share) + ink.transpose(0, 2, 1)[..., None] * share) // 255).astype(np.uint8)


def _write_grey(folder: Path) -> None:
    for stem, count, seed in (
        ("train/train", _TRAIN_COUNT, _TRAIN_SEED),
        ("test/t10k", _TEST_COUNT, _TEST_SEED),
    ):
        images, labels = render_digits(count, seed)
        # IDX: 0x08 for unsigned bytes, number of dimensions, their sizes, the bytes.
        write_atomically(
            folder / f"{stem}-images-idx3-ubyte", struct.pack(">4i", 0x0803, *images.shape) + images.tobytes()
        )
        write_atomically(folder / f"{stem}-labels-idx1-ubyte", struct.pack(">2i", 0x0801, count) + labels.tobytes())


def _write_colour(folder: Path) -> None:
    for name, seed in _COLOUR_SEEDS.items():
        images, labels = render_colour_digits(_COLOUR_COUNT, seed)
        records = np.concatenate([labels[:, None], images.reshape(_COLOUR_COUNT, -1)], axis=1)
        write_atomically(folder / name, records.tobytes())
    write_atomically(folder / "batches.meta.txt", "\n".join(_NAMES) + "\n")


def _sizes(colour: bool) -> dict[str, int]:
    """Return the size in bytes of every data file of a complete folder."""
    if colour:
        return dict.fromkeys(_COLOUR_SEEDS, _COLOUR_COUNT * (1 + 3 * _COLOUR_SIDE**2))
    return {
        "train/train-images-idx3-ubyte": 16 + _TRAIN_COUNT * SIDE**2,
        "train/train-labels-idx1-ubyte": 8 + _TRAIN_COUNT,
        "test/t10k-images-idx3-ubyte": 16 + _TEST_COUNT * SIDE**2,
        "test/t10k-labels-idx1-ubyte": 8 + _TEST_COUNT,
    }


def _is_complete(folder: Path, colour: bool) -> bool:
    """Tell whether a folder holds every file in full, of this version of the pictures."""
    try:
        if (folder / MARKER).read_bytes() != f"{VERSION}\n".encode():
            return False
        return all((folder / name).stat().st_size == size for name, size in _sizes(colour).items())
    except OSError:
        return False


@contextlib.contextmanager
def _temporary_sibling(folder: Path) -> Iterator[Path]:
    """Make a folder beside `folder`, and remove it (if it was not renamed) and those of killed processes."""
    for leftover in folder.parent.glob(f".{folder.name}.*.tmp"):
        with contextlib.suppress(OSError):
            if time.time() - leftover.stat().st_mtime > _LEFTOVER_AGE:
                shutil.rmtree(leftover, ignore_errors=True)
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.tmp")
    temporary.mkdir()
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _put_in_place(temporary: Path, folder: Path, colour: bool) -> None:
    """Rename a complete folder into its place, unless another process has put one there meanwhile."""
    with _one_at_a_time(folder.parent):
        if _is_complete(folder, colour):
            return
        # A damaged or older one is renamed first, so that nobody sees a folder that is half removed.
        with _temporary_sibling(folder) as old:
            if folder.is_dir():
                os.rename(folder, old)
            os.rename(temporary, folder)
    sync_folder(folder.parent)


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Keep other processes out of the block for a moment, where the system can lock a folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        # Network file systems may refuse; the renames alone are then safe unless an old folder is replaced.
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
