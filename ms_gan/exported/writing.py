"""Writes a generator in each of the formats; MindSpore's own ONNX exporter knows no free batch size."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn

from ms_gan.errors import UserError, first_line
from ms_gan.exported.layers import arrays, describe
from ms_gan.exported.mindir_info import write_info
from ms_gan.networks import ImageShape
from ms_gan.networks.products import take_any_batch


class Trained(NamedTuple):
    """A trained generator, twice."""

    network: nn.Cell
    """As it draws on this device."""
    plain: nn.Cell
    """The same weights in MindSpore's own layers."""
    latent_size: int
    image: ImageShape


def write_exported(path: Path, kind: str, trained: Trained, metadata: dict[str, Any]) -> None:
    """Write `trained` and its metadata to `path`, not atomically; the formats are `ms_gan.exported.FORMATS`.

    Raises
    ------
    UserError
        If the network has a layer that the format cannot hold, or a package is missing.
    """
    _WRITERS[kind](path, trained, metadata)


def _write_mindir(path: Path, trained: Trained, metadata: dict[str, Any]) -> None:
    take_any_batch(trained.network)
    trained.network.set_train(False)
    inputs = Tensor(shape=[None, trained.latent_size], dtype=ms.float32)
    try:
        ms.export(trained.network, inputs, file_name=str(path), file_format="MINDIR")
    except (RuntimeError, TypeError, ValueError) as error:
        raise UserError(
            f"--format mindir: MindSpore cannot export {type(trained.network).__name__}: {first_line(error)}"
        ) from None
    finally:
        trained.network.set_train()
    write_info(path, json.dumps(metadata))


def _write_onnx(path: Path, trained: Trained, metadata: dict[str, Any]) -> None:
    from ms_gan.exported.onnx_graph import onnx_model

    layers = describe(trained.plain, trained.latent_size, trained.image)
    model = onnx_model(layers, arrays(trained.plain), trained.latent_size, trained.image, metadata)
    path.write_bytes(model.SerializeToString())


def _write_npz(path: Path, trained: Trained, metadata: dict[str, Any]) -> None:
    metadata = metadata | {"layers": describe(trained.plain, trained.latent_size, trained.image)}
    # A string array is no object array: numpy.load reads it without pickle.
    np.savez(path, ms_gan=np.array(json.dumps(metadata)), **arrays(trained.plain))


_WRITERS: dict[str, Callable[[Path, Trained, dict[str, Any]], None]] = {
    "mindir": _write_mindir,
    "onnx": _write_onnx,
    "npz": _write_npz,
}
