"""Draw from a generator that `ms-gan export --format npz` wrote, with NumPy alone.

This file stands alone: copy it beside the .npz and ``import by_numpy``; it needs neither ms_gan nor MindSpore.
"""

import json

import numpy as np


def read(path) -> tuple[dict, dict[str, np.ndarray]]:
    """Read a file that was exported.

    Parameters
    ----------
    path : path-like
        The ``.npz``.

    Returns
    -------
    metadata : dict
        What the generator is, and its ``layers``; docs/export.md explains the keys.
    weights : dict of str to ndarray
        The parameters, float32, by name.
    """
    with np.load(path, allow_pickle=False) as file:
        weights = {name: file[name] for name in file.files}
    return json.loads(str(weights.pop("ms_gan"))), weights


def draw(metadata: dict, weights: dict[str, np.ndarray], latents: np.ndarray) -> np.ndarray:
    """Draw images.

    Parameters
    ----------
    metadata, weights
        What :func:`read` returned.
    latents : array, float32 (N, n)
        From N(0, 1); n is ``metadata["latents"]["size"]``. Where ``metadata["latents"]`` has ``classes``, the last
        numbers stand for these: the root of the others' count for the class asked for, 0 for the others.

    Returns
    -------
    array, float32 (N, C, S, S), in [-1, 1]
    """
    values = np.asarray(latents, np.float32)
    for layer in metadata["layers"]:
        arrays = {key: weights[name] for key, name in layer["weights"].items()}
        values = _LAYERS[layer["kind"]](values, **arrays, **layer["options"])
    return values


def _dense(x, weight, bias=None):
    y = x.reshape(len(x), -1) @ weight.T
    return y if bias is None else y + bias


def _normalise(x, scale, shift, mean, variance, epsilon):
    factor = scale / np.sqrt(variance + np.float32(epsilon))
    channels = (-1,) + (1,) * (x.ndim - 2)
    return x * factor.reshape(channels) + (shift - mean * factor).reshape(channels)


def _conv(x, weight, bias=None, stride=1, padding=0):
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    kernel = weight.shape[2]
    size = (x.shape[2] - kernel) // stride + 1
    reach = stride * (size - 1) + 1
    y = np.zeros((len(x), len(weight), size * size), np.float32)
    for i, j in np.ndindex(kernel, kernel):
        seen = x[:, :, i : i + reach : stride, j : j + reach : stride]
        y += weight[:, :, i, j] @ seen.reshape(*seen.shape[:2], -1)
    return _biased(y.reshape(*y.shape[:2], size, size), bias)


def _conv_transpose(x, weight, bias=None, stride=1, padding=0):
    count, channels, size, _ = x.shape
    kernel, reach = weight.shape[2], stride * (size - 1) + 1
    y = np.zeros((count, weight.shape[1], reach + kernel - 1, reach + kernel - 1), np.float32)
    for i, j in np.ndindex(kernel, kernel):
        sent = weight[:, :, i, j].T @ x.reshape(count, channels, -1)
        y[:, :, i : i + reach : stride, j : j + reach : stride] += sent.reshape(count, -1, size, size)
    end = y.shape[2] - padding
    return _biased(y[:, :, padding:end, padding:end], bias)


def _biased(x, bias):
    return x if bias is None else x + bias[:, None, None]


_LAYERS = {
    "dense": _dense,
    "normalise": _normalise,
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "reshape": lambda x, shape: x.reshape(-1, *shape),
    "upsample": lambda x, factor: x.repeat(factor, axis=2).repeat(factor, axis=3),
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x, slope: np.where(x > 0, x, np.float32(slope) * x),
    "tanh": np.tanh,
}
