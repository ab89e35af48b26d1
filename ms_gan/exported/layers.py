"""A generator as a list of plain layers, for files that know nothing of MindSpore."""

from collections.abc import Callable
from typing import Any

import numpy as np
from mindspore import Tensor, nn

from ms_gan.errors import UserError
from ms_gan.networks import ImageShape, native


def describe(generator: nn.Cell, latent_size: int, image: ImageShape) -> list[dict[str, Any]]:
    """Return the layers of a generator in order.

    Parameters
    ----------
    generator : nn.Cell
        One of MindSpore's own layers (see `ms_gan.networks.kit.plain_layers`), in its sequence ``layers``.
    latent_size : int
        Length of a latent vector.
    image : ImageShape
        What it draws.

    Returns
    -------
    list of dict
        Each with ``kind`` (a key of ``_LAYERS`` in `ms_gan.exported.by_numpy`), ``weights`` (role to the name of a
        parameter) and ``options``. Batch normalisation is by the moving statistics.

    Raises
    ------
    UserError
        If it has a layer without a description here; it may be exported as MindIR all the same.
    """
    sequence = getattr(generator, "layers", None)
    if not isinstance(sequence, nn.SequentialCell):
        raise _unknown(generator, "keeps no nn.SequentialCell called layers")
    found = []
    for cell in sequence.cells():
        if type(cell) not in _RULES:
            raise _unknown(generator, f"has a layer {type(cell).__name__}")
        found += _RULES[type(cell)](cell)
    # Dense layers take latents (N, n) as they are.
    if found and found[0]["kind"] != "dense":
        found.insert(0, _layer("reshape", shape=[latent_size, 1, 1]))
    return [*found, _layer("reshape", shape=[image.channels, image.size, image.size])]


def arrays(generator: nn.Cell) -> dict[str, np.ndarray]:
    """Return copies of a network's parameters, float32, by name."""
    return {parameter.name: parameter.asnumpy().copy() for parameter in generator.get_parameters()}


def exact_images(generator: nn.Cell, latents: np.ndarray, image: ImageShape) -> np.ndarray:
    """Draw as `generator` does, but with an exact tanh: on the CPU MindSpore's own is off by up to 1e-4, around 5.

    Parameters
    ----------
    generator : nn.Cell
        One that :func:`describe` knows, in the layers of either kit.
    latents : array, float32 (N, n)
        One latent vector per image.
    image : ImageShape
        What it draws.

    Returns
    -------
    array, float32 (N, C, S, S), in [-1, 1]
    """
    *cells, last = generator.layers.cells()
    generator.set_train(False)
    values = Tensor(latents)
    for cell in cells:
        values = cell(values)
    exact = np.tanh(values.asnumpy().astype(np.float64)) if isinstance(last, nn.Tanh) else last(values).asnumpy()
    return exact.astype(np.float32).reshape(-1, image.channels, image.size, image.size)


def _unknown(generator: nn.Cell, what: str) -> UserError:
    name = type(generator).__name__
    return UserError(f"--format: generator {name} {what}, which only mindir can hold; export with --format mindir")


def _layer(kind: str, weights: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    names = {role: parameter.name for role, parameter in (weights or {}).items() if parameter is not None}
    return {"kind": kind, "weights": names, "options": options}


def _weighted(kind: str, cell: nn.Cell, **options: Any) -> dict[str, Any]:
    return _layer(kind, {"weight": cell.weight, "bias": cell.bias if cell.has_bias else None}, **options)


def _convolution(kind: str, cell: nn.Cell) -> dict[str, Any]:
    # Both kits have square strides and equal padding on all sides.
    return _weighted(kind, cell, stride=int(cell.stride[0]), padding=int(cell.padding))


def _normalise(cell: nn.Cell) -> list[dict[str, Any]]:
    weights = {"scale": cell.gamma, "shift": cell.beta, "mean": cell.moving_mean, "variance": cell.moving_variance}
    return [_layer("normalise", weights, epsilon=float(cell.eps))]


_UPSAMPLE = _layer("upsample", factor=2)
_RULES: dict[type[nn.Cell], Callable[[nn.Cell], list[dict[str, Any]]]] = {
    nn.Dense: lambda cell: [_weighted("dense", cell)],
    native.Dense: lambda cell: [_weighted("dense", cell)],
    native.BatchNorm1d: _normalise,
    native.BatchNorm: _normalise,
    native.Conv2d: lambda cell: [_convolution("conv", cell)],
    native.Conv2dTranspose: lambda cell: [_convolution("conv_transpose", cell)],
    native.UpsampleConv2d: lambda cell: [_UPSAMPLE, _convolution("conv", cell)],
    native.UpsampleConv2dTranspose: lambda cell: [_UPSAMPLE, _convolution("conv_transpose", cell)],
    native.Unflatten: lambda cell: [_layer("reshape", shape=list(cell.shape[1:]))],
    native.FromLatents: lambda cell: [],
    native.ToImages: lambda cell: [],
    nn.ReLU: lambda cell: [_layer("relu")],
    native.ReLU: lambda cell: [_layer("relu")],
    native.LeakyReLU: lambda cell: [_layer("leaky_relu", slope=float(cell.alpha))],
    nn.Tanh: lambda cell: [_layer("tanh")],
}
