"""Features for any images without labels or a download: two layers of random convolutions."""

import numpy as np

FEATURES = 128
VERSION = "random-conv-v1"
_FIRST, _SECOND = 32, 96
_SEED = 1_000_003
_BLOCK = 250  # images at a time


def random_features(images: np.ndarray) -> np.ndarray:
    """Return the mean responses of random filters.

    Two layers of random convolutions (5x5, then 3x3, both with stride 2 and ReLU), each averaged over the image: how
    much there is of 32 patterns of a few pixels, and of 96 of a dozen. A network with random weights sees texture,
    edges and colours, not things; distances of its features rank noise, blur and colour casts well and
    tell little of shapes.

    Parameters
    ----------
    images : ndarray of uint8, shape (N, C, S, S)
        At least 13 pixels.

    Returns
    -------
    ndarray of float32, shape (N, 128)
        The same for the same images on every machine, but for rounding.
    """
    rng = np.random.default_rng(_SEED)
    channels = images.shape[1]
    first = _filters(rng, channels * 25, _FIRST)
    second = _filters(rng, _FIRST * 9, _SECOND)
    return np.concatenate(
        [_of_block(images[start : start + _BLOCK], first, second) for start in range(0, len(images), _BLOCK)]
    )


def _of_block(images: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    # Channels last, so that a patch's product with the filters needs no further transposition.
    activations = images.transpose(0, 2, 3, 1).astype(np.float32) / 127.5 - 1
    low = _convolved(activations, 5, first)
    high = _convolved(low, 3, second)
    return np.concatenate([low.mean(axis=(1, 2)), high.mean(axis=(1, 2))], axis=1)


def _filters(rng: np.random.Generator, inputs: int, outputs: int) -> np.ndarray:
    """Return random filters (inputs, outputs) that keep the variance through ReLU (He et al. 2015)."""
    return (rng.standard_normal((inputs, outputs)) * np.sqrt(2 / inputs)).astype(np.float32)


def _convolved(activations: np.ndarray, kernel: int, filters: np.ndarray) -> np.ndarray:
    """Convolve (N, H, W, C) with stride 2, without a border, and apply ReLU."""
    windows = np.lib.stride_tricks.sliding_window_view(activations, (kernel, kernel), axis=(1, 2))[:, ::2, ::2]
    count, height, width = windows.shape[:3]
    result = windows.reshape(count * height * width, -1) @ filters
    return np.maximum(result, 0, out=result).reshape(count, height, width, -1)
