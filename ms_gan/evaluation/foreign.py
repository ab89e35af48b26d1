"""Extractors of the user's: a network in a .onnx or .mindir file, or statistics of features in a .npz file."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ms_gan.errors import UserError, first_line
from ms_gan.evaluation.extractors import Extractor
from ms_gan.evaluation.frechet import Gaussian, gaussian_of

_BLOCK = 50
_MOST_FEATURES = 8192


def load_foreign(path: Path) -> Extractor:
    """Return the network in a .onnx or .mindir file as an extractor.

    It is given float32 images (N, C, S, S) in [-1, 1] and returns features (N, d); what else the network wants of its
    images (another size, other channels, another scale) must be part of the file.

    Raises
    ------
    UserError
        If the file is missing, of another kind, or cannot be loaded.
    """
    loaders = {".onnx": _onnx, ".mindir": _mindir}
    if path.suffix.lower() == ".npz":
        raise UserError(
            f"--extractor {path}: statistics compare only with features of the same network; give those as SOURCE.npz"
        )
    if path.suffix.lower() not in loaders:
        raise UserError(
            f"--extractor {path}: unknown; give auto, cnn, turns, random-conv-v1, or a .onnx, .mindir or .npz file"
        )
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        raise UserError(f"--extractor {path}: no such file") from None
    except OSError as error:
        raise UserError(f"--extractor {path}: cannot be read: {error.strerror}") from None
    run = loaders[path.suffix.lower()](path)

    def measure(images: np.ndarray) -> tuple[np.ndarray, None]:
        parts = []
        for start in range(0, len(images), _BLOCK):
            block = images[start : start + _BLOCK].astype(np.float32) / 127.5 - 1
            parts.append(_features(path, run, block))
        return np.concatenate(parts), None

    name = f"{_plain(path.stem)}-{digest[:8]}"
    return Extractor(name, digest, measure, facts={"kind": f"network from {path.name}"})


def read_statistics(path: Path) -> tuple[Gaussian, int | None]:
    """Read mean and covariance of features, and of how many images they are where the file says so.

    Parameters
    ----------
    path : Path
        A .npz file with `mu` (d,) and `sigma` (d, d), as other projects write them, or with `features` (N, d).

    Raises
    ------
    UserError
        If the file cannot be read or holds neither.
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            arrays = {name: content[name] for name in ("mu", "sigma", "features") if name in content.files}
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except Exception as error:  # np.load and the zip reader raise many kinds for damaged files
        raise UserError(f"{path}: cannot be read as a .npz file of arrays: {first_line(error)}") from None
    if not all(np.issubdtype(array.dtype, np.number) and array.dtype.kind in "fiu" for array in arrays.values()):
        raise UserError(f"{path}: its arrays must hold numbers")
    if "features" in arrays:
        features = arrays["features"]
        if features.ndim != 2 or not features.shape[1]:
            raise UserError(f"{path}: features must have the shape (N, d), not {features.shape}")
        return gaussian_of(features), len(features)
    if set(arrays) != {"mu", "sigma"}:
        raise UserError(f"{path}: must hold mu (d,) and sigma (d, d), or features (N, d)")
    mean = np.asarray(arrays["mu"], np.float64).reshape(-1)
    if not 0 < mean.size <= _MOST_FEATURES or arrays["sigma"].shape != (mean.size, mean.size):
        raise UserError(f"{path}: mu of {mean.size} numbers needs a sigma of {mean.size} x {mean.size}")
    return Gaussian(mean, np.asarray(arrays["sigma"], np.float64)), None


def _onnx(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    try:
        import onnxruntime
    except ImportError:
        raise UserError(f"--extractor {path}: .onnx files need onnxruntime: pip install onnxruntime") from None
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:
        raise UserError(f"--extractor {path}: cannot be loaded: {first_line(error)}") from None
    if len(session.get_inputs()) != 1:
        raise UserError(f"--extractor {path}: must have one input, the images; it has {len(session.get_inputs())}")
    name = session.get_inputs()[0].name
    return lambda block: session.run(None, {name: block})[0]


def _mindir(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    import mindspore as ms
    from mindspore import Tensor, nn

    try:
        network = nn.GraphCell(ms.load(str(path)))
    except Exception as error:
        raise UserError(f"--extractor {path}: cannot be loaded: {first_line(error)}") from None

    def run(block: np.ndarray) -> np.ndarray:
        result = network(Tensor(block))
        return (result[0] if isinstance(result, tuple | list) else result).asnumpy()

    return run


def _features(path: Path, run: Callable[[np.ndarray], np.ndarray], block: np.ndarray) -> np.ndarray:
    """Run a block through the network and check what comes out."""
    try:
        found = np.asarray(run(block))
    except Exception as error:
        raise UserError(f"--extractor {path}: fails on images of shape {block.shape}: {first_line(error)}") from None
    if found.ndim < 2 or len(found) != len(block) or not np.issubdtype(found.dtype, np.floating):
        raise UserError(f"--extractor {path}: returns {found.shape} for {len(block)} images; expected (N, features)")
    return found.reshape(len(found), -1).astype(np.float32)


def _plain(stem: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]+", "-", stem).strip("-") or "network"
