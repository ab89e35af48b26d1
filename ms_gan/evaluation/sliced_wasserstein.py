"""How far two sets of images are apart, without a network that was trained on something else."""

import numpy as np

from ms_gan.errors import UserError

_BLOCK = 1 << 22  # numbers of a set that are float64 at once, 32 MB


def sliced_wasserstein(a: np.ndarray, b: np.ndarray, projections: int = 256, seed: int = 0) -> float:
    """Return the sliced Wasserstein distance of order 2 between two sets of vectors.

    Both sets are projected on random directions; on a line the Wasserstein distance is that of the sorted
    values. Moving every vector of one set by the same d moves the distance to about ``|d| / sqrt(n)``, n the
    number of features: the distance is per feature (pixel), in units of the values.

    Parameters
    ----------
    a, b : ndarray, shapes (N, ...) and (M, ...)
        The sets; all axes but the first are features, equally many in both. Bytes (uint8) are taken as images, and
        count as -1 to 1.
    projections : int
        Number of directions, 1 or more.
    seed : int
        Of the directions: distances with the same seed and shape are comparable.

    Returns
    -------
    float
        0 for equal sets. Between two halves of one set of images it is small, not 0.

    Raises
    ------
    UserError
        If a set is empty or holds NaN or infinity, the features differ in number, or there is no projection.

    References
    ----------
    Bonneel, Rabin, Peyre, Pfister (2015), Sliced and Radon Wasserstein Barycenters of Measures.
    """
    first, second = (np.reshape(values, (len(values), -1 if len(values) else 0)) for values in (a, b))
    if not first.size or not second.size:
        raise UserError("sliced Wasserstein distance: a set is empty; give at least one image on each side")
    if first.shape[1] != second.shape[1]:
        raise UserError(
            f"sliced Wasserstein distance: {first.shape[1]} numbers an image on one side, {second.shape[1]} on the "
            "other; resize one of them"
        )
    if projections < 1:
        raise UserError(f"sliced Wasserstein distance: projections {projections} is too small, the least is 1")
    directions = np.random.default_rng(seed).standard_normal((first.shape[1], projections))
    directions /= np.linalg.norm(directions, axis=0)
    return float(np.sqrt(_squared_distances(_project(first, directions), _project(second, directions)).mean()))


def _project(values: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Return (N, n) on directions (n, p) as (N, p); block by block, all images at once as float64 take gigabytes."""
    rows = max(1, _BLOCK // values.shape[1])
    projected = np.empty((len(values), directions.shape[1]))
    for start in range(0, len(values), rows):
        block = values[start : start + rows]
        if block.dtype == np.uint8:
            block = block.astype(np.float32) / 127.5 - 1
        if not np.isfinite(block).all():
            raise UserError("sliced Wasserstein distance: the images hold NaN or infinity; has the training diverged?")
        projected[start : start + rows] = block.astype(np.float64) @ directions
    return projected


def _squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the squared Wasserstein distance of every column of (N, p) to that of (M, p): shape (p,)."""
    a, b = np.sort(a, axis=0), np.sort(b, axis=0)
    if len(a) == len(b):
        return np.square(a - b).mean(axis=0)
    # Sets of different size: both quantile functions are constant between the steps of either.
    edges = np.union1d(np.arange(1, len(a) + 1) / len(a), np.arange(1, len(b) + 1) / len(b))
    widths = np.diff(edges, prepend=0.0)
    middles = edges - widths / 2
    rows = [np.minimum((middles * len(values)).astype(int), len(values) - 1) for values in (a, b)]
    return (np.square(a[rows[0]] - b[rows[1]]) * widths[:, None]).sum(axis=0)
