"""Reads what was exported, whatever the format, and draws from it."""

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ms_gan.data.classes import asked_classes, asking
from ms_gan.data.stream import fixed_latents
from ms_gan.errors import UserError, first_line
from ms_gan.names import unknown_name

BATCH = 256
"""Images that are drawn at once, here and from a checkpoint: other batches may give other bits."""
_LARGEST = 8 * 2**30  # bytes; what is drawn lives in memory
# Of a latent vector; twice what a configuration may ask for, as classes come on top.
_LONGEST = 32_768

_Draw = Callable[[np.ndarray], np.ndarray]


class ExportedGenerator:
    """A generator read from a file; see :func:`load_exported`.

    Attributes
    ----------
    path : Path
        The file.
    metadata : dict
        What it is; docs/export.md explains the keys.
    latent_size : int
        Length of a latent vector, with a number for each class behind it where it can be asked for one.
    class_names : tuple of str
        Classes that it can be asked for.
    """

    def __init__(self, path: Path, metadata: dict[str, Any], draw: _Draw):
        self.path, self.metadata, self._draw = path, metadata, draw
        self.latent_size: int = metadata["latents"]["size"]
        self.class_names = tuple(metadata["latents"].get("classes", ()))
        if type(self.latent_size) is not int or not len(self.class_names) < self.latent_size <= _LONGEST:
            raise ValueError(f"its metadata say that latents have the size {self.latent_size!r:.40}")
        self._image = tuple(metadata["images"]["shape"])

    def latents(self, seed: int, count: int, class_name: str | None = None) -> np.ndarray:
        """Return the latents (count, n) from which `ms-gan generate` draws with this seed.

        `class_name` asks for one class, by name or number, as :func:`ms_gan.data.classes.asked_classes` reads it; None:
        for the classes in turn.
        """
        classes = len(self.class_names)
        numbers = np.arange(count) % max(1, classes)
        if class_name is not None:
            numbers = np.full(count, asked_classes([class_name], self.class_names)[0])
        return asking(fixed_latents(seed, count, self.latent_size - classes), numbers, classes)

    def __call__(self, latents: np.ndarray) -> np.ndarray:
        """Draw float32 images (N, C, S, S) in [-1, 1] from latents (N, n); UserError for latents of another kind."""
        latents = np.asarray(latents)
        if latents.ndim != 2 or latents.shape[1] != self.latent_size or not len(latents):
            raise UserError(f"{self.path}: takes latents (N, {self.latent_size}), not {latents.shape}")
        if latents.dtype.kind not in "fiu" or not np.isfinite(latents).all():
            raise UserError(f"{self.path}: takes latents that are finite real numbers")
        latents = latents.astype(np.float32)
        with _one_line(f"{self.path}: cannot be drawn from"):
            images = draw_in_batches(self._draw, latents)
        if images.shape[1:] != self._image:
            raise UserError(f"{self.path}: draws {images.shape[1:]}, its metadata say {self._image}; it is damaged")
        return images


def draw_in_batches(draw: _Draw, latents: np.ndarray, size: int = BATCH) -> np.ndarray:
    """Return in one array what `draw` makes of latents, `size` at a time.

    Parameters
    ----------
    draw : callable
        Latents (n, l) to images (n, C, S, S).
    latents : array (N, l)
        At least one.
    size : int
        Latents at a time, at least 1.

    Returns
    -------
    array (N, C, S, S)

    Raises
    ------
    UserError
        If the images are too much for memory; found out after the first of them.
    ValueError
        If `draw` returns another number of images, or images of another size than before.
    """
    images = None
    for start in range(0, len(latents), size):
        part = draw(latents[start : start + size])
        if images is None:
            images = _allocate(len(latents), part)
        place = images[start : start + size]
        if part.shape != place.shape:
            raise ValueError(f"draws {part.shape} where {place.shape} is expected")
        place[:] = part
    return images


def _allocate(count: int, like: np.ndarray) -> np.ndarray:
    """Return an empty array for `count` images of the kind of `like`."""
    shape = (count, *like.shape[1:])
    wanted = int(np.prod(shape, dtype=object)) * like.itemsize
    if wanted > _LARGEST:
        raise UserError(
            f"{count} images of {' x '.join(map(str, shape[1:]))} numbers need {wanted / 2**30:.1f} GiB of memory, "
            f"the limit is {_LARGEST / 2**30:.0f} GiB; draw fewer at once"
        )
    return np.empty(shape, like.dtype)


def load_exported(path: str | os.PathLike) -> ExportedGenerator:
    """Load a generator that `ms-gan export` wrote.

    Parameters
    ----------
    path : path-like
        ``*.mindir`` (needs MindSpore), ``*.onnx`` (onnxruntime) or ``*.npz`` (nothing but NumPy).

    Returns
    -------
    ExportedGenerator
        A function of latents, with metadata.

    Raises
    ------
    UserError
        If there is no such file, it is damaged or not one of ours, or a package is missing.
    """
    path = Path(path)
    reader = _READERS[check_file(path)]
    with _one_line(f"{path}: cannot be read as what ms-gan export writes"):
        return ExportedGenerator(path, *reader(path))


@contextlib.contextmanager
def _one_line(what: str) -> Iterator[None]:
    """Turn any error into a UserError: each library has errors of its own for damaged files."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        name, words = type(error).__name__, first_line(error)
        raise UserError(f"{what}: {name if words == name else f'{name}: {words}'}") from None


def check_file(path: str | os.PathLike) -> str:
    """Return the format of a file that is there and can be read here, or raise UserError."""
    kind = format_of(Path(path), str(path))
    if not os.path.isfile(path):
        raise UserError(f"{path}: no such file; ms-gan export writes one")
    if kind == "onnx":
        check_installed("onnxruntime")
    return kind


def format_of(path: Path, where: str) -> str:
    """Return the format that the end of a file's name says, or raise UserError."""
    kind = path.suffix[1:].lower()
    if kind not in FORMATS:
        raise UserError(f"{where}: must end in {', '.join(f'.{known}' for known in FORMATS)}")
    return kind


def check_format(kind: str) -> None:
    """Raise UserError if a format is unknown, or needs a package that is not installed."""
    if kind not in FORMATS:
        raise UserError(unknown_name("--format", kind, FORMATS))
    if kind == "onnx":
        check_installed("onnx", "onnxruntime")


def check_installed(*packages: str) -> None:
    """Raise UserError if one of the packages that only ONNX needs cannot be imported."""
    for package in packages:
        try:
            __import__(package)
        except ImportError:
            fix = "pip install -r requirements-export.txt"
            raise UserError(f"onnx: the package {package} is not installed: {fix}") from None


def _read_mindir(path: Path) -> tuple[dict[str, Any], _Draw]:
    import mindspore as ms
    from mindspore import Tensor, nn

    from ms_gan.exported.mindir_info import read_info

    metadata = json.loads(read_info(path))
    network = nn.GraphCell(ms.load(str(path)))
    return metadata, lambda latents: network(Tensor(latents)).asnumpy()


def _read_onnx(path: Path) -> tuple[dict[str, Any], _Draw]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    metadata = json.loads(session.get_modelmeta().custom_metadata_map["ms_gan"])
    return metadata, lambda latents: session.run(["images"], {"latents": latents})[0]


def _read_npz(path: Path) -> tuple[dict[str, Any], _Draw]:
    from ms_gan.exported import by_numpy

    metadata, weights = by_numpy.read(path)
    return metadata, lambda latents: by_numpy.draw(metadata, weights, latents)


_READERS: dict[str, Callable[[Path], tuple[dict[str, Any], _Draw]]] = {
    "mindir": _read_mindir,
    "onnx": _read_onnx,
    "npz": _read_npz,
}
FORMATS = tuple(_READERS)
