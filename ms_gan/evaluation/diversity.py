"""Whether a generator draws different pictures, or the same one again and again."""

import numpy as np

_MOST = 64
_GROUPS = 8


class Diversity:
    """The distance from an image to the one most like it in its grid, compared with that among real images.

    1 is as different as real images, 0 is one image again and again. The distance is that of the pixels; the mean
    over the grid is taken. Nearest neighbours, not all pairs, because a generator that has collapsed to a few
    images still has pairs that differ.

    Parameters
    ----------
    real : ndarray of uint8, shape (N, C, S, S)
        The data.
    count : int
        Images in a grid; of more than 64 the first 64 count.
    """

    def __init__(self, real: np.ndarray, count: int):
        self._count = min(count, _MOST)
        # With repetition: where the data are a handful of pictures, a grid of them is no more diverse than that.
        random = np.random.Generator(np.random.PCG64(np.random.SeedSequence((len(real), self._count))))
        groups = random.integers(len(real), size=(_GROUPS, self._count)) if self._count > 1 else []
        self._usual = float(np.mean([_to_nearest(real[group] / 127.5) for group in groups])) if len(groups) else 0.0

    def of(self, images: np.ndarray) -> float | None:
        """Return the diversity of a grid.

        Parameters
        ----------
        images : ndarray of float, shape (count, C, S, S)
            Generated images, in [-1, 1].

        Returns
        -------
        float or None
            0 or more; None where there is nothing to compare: a grid of one image, or data that are all alike.
        """
        return _to_nearest(images[: self._count]) / self._usual if self._usual > 1e-3 else None


def _to_nearest(images: np.ndarray) -> float:
    """Return the mean distance (root of the mean square per pixel) to the nearest other image."""
    flat = np.asarray(images, np.float64).reshape(len(images), -1)
    squares = np.square(flat).sum(axis=1)
    between = squares[:, None] + squares[None] - 2 * flat @ flat.T
    np.fill_diagonal(between, np.inf)
    return float(np.sqrt(np.maximum(between.min(axis=1), 0) / flat.shape[1]).mean())
