"""The random numbers of differentiable augmentation as pure functions of (seed, index), with what costs time done here.

Translation comes as 0/1 matrices and cutout as a mask, so that on the device all of it is products and sums.
"""

from collections.abc import Iterable

import numpy as np

from ms_gan.data.stream import AUGMENTATION, generator_for

_SHIFT, _CUT = 1 / 8, 1 / 2  # of the edge: how far a picture is shifted at most, and the edge of what is cut out


def draw_augmentation(
    kinds: Iterable[str], share: float, seed: int, index: int, count: int, size: int
) -> tuple[np.ndarray, ...]:
    """Return what the images of D step `index` (counted over the run) are changed by, real and fake alike.

    Parameters
    ----------
    kinds : iterable of str
        Any of ``colour``, ``translation``, ``cutout``; their order means nothing.
    share : float
        Share of the images that are changed, in (0, 1]. The others keep apart what all shifts together would smear
        into one: below 0.8 G cannot hide a fixed pattern behind them (Karras et al. 2020, ADA).
    seed, index : int
        The numbers follow from them.
    count, size : int
        Number of images, and their edge length in pixels.

    Returns
    -------
    tuple of array, float32, each with `count` rows, in the order in which `ms_gan.training.augmentation` takes them
        Of ``colour`` brightness from U[-0.5, 0.5), saturation from U[0, 2) and contrast from U[0.5, 1.5), each
        (N, 1, 1, 1); of ``translation`` the matrices (N, 1, S, S) that shift rows and columns by up to an eighth of
        the edge; of ``cutout`` a mask (N, 1, S, S), 0 in a square of half the edge whose centre is in the image.
    """
    kinds, generator = set(kinds), generator_for(seed, AUGMENTATION, index)
    drawn: list[np.ndarray] = []
    if "colour" in kinds:
        numbers = generator.random((3, count, 1, 1, 1)) * np.array([1, 2, 1])[:, None, None, None, None]
        drawn += list(numbers + np.array([-0.5, 0, 0.5])[:, None, None, None, None])
    place = np.arange(size)
    if "translation" in kinds:
        most = int(size * _SHIFT + 0.5)
        shifts = generator.integers(-most, most + 1, (2, count, 1, 1, 1))
        drawn += list(place[None, None, None, None, :] == place[None, None, None, :, None] - shifts)
        drawn[-1] = drawn[-1].swapaxes(2, 3)
    if "cutout" in kinds:
        edge = int(size * _CUT + 0.5)
        first = generator.integers(0, size + 1 - edge % 2, (2, count, 1)) - edge // 2
        rows, columns = (place >= first) & (place < first + edge)
        drawn.append(~(rows[:, None, :, None] & columns[:, None, None, :]))
    if share < 1:
        spared = generator.random((count, 1, 1, 1)) >= share
        drawn = [np.where(spared, same, array) for same, array in zip(_nothing(kinds, size), drawn, strict=True)]
    return tuple(np.ascontiguousarray(array, np.float32) for array in drawn)


def _nothing(kinds: set[str], size: int) -> list[np.ndarray]:
    """Return the numbers that leave an image as it is."""
    same: list[np.ndarray] = []
    if "colour" in kinds:
        same += [np.array(number) for number in (0.0, 1.0, 1.0)]
    if "translation" in kinds:
        same += [np.eye(size)] * 2
    if "cutout" in kinds:
        same.append(np.array(1.0))
    return same
