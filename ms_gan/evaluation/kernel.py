"""Kernel distance (KID): the squared maximum mean discrepancy of two sets of features under a cubic kernel."""

import numpy as np

from ms_gan.errors import UserError

_BLOCK = 2000  # rows of a kernel matrix at a time
_SEED = 4


def kernel_distance(
    a: np.ndarray, b: np.ndarray, subsets: int = 100, size: int = 1000, seed: int = _SEED
) -> tuple[float, float]:
    """Return mean and standard deviation of the unbiased kernel distance over random subsets.

    Parameters
    ----------
    a, b : ndarray, shapes (N, d) and (M, d)
        Features.
    subsets : int
        Number of subsets.
    size : int
        Features of each side in a subset, drawn without repetition; at most half of the smaller side, so that
        subsets differ.
    seed : int
        Of the draws.

    Returns
    -------
    mean, deviation : float
        The mean is around 0 (above and below) for two sets of one distribution.

    Raises
    ------
    UserError
        See :func:`unbiased_mmd2`.

    References
    ----------
    Binkowski et al. (2018), Demystifying MMD GANs.
    """
    a, b = _checked(a, b)
    size = max(2, min(size, len(a) // 2, len(b) // 2))
    rng = np.random.default_rng(seed)
    values = [
        unbiased_mmd2(a[rng.choice(len(a), size, replace=False)], b[rng.choice(len(b), size, replace=False)])
        for _ in range(subsets)
    ]
    return float(np.mean(values)), float(np.std(values, ddof=1))


def unbiased_mmd2(a: np.ndarray, b: np.ndarray) -> float:
    """Return the unbiased estimate of the squared MMD with the kernel ``(x . y / d + 1)^3``.

    Parameters
    ----------
    a, b : ndarray, shapes (N, d) and (M, d)
        Features, at least 2 on each side.

    Raises
    ------
    UserError
        If a side has fewer than 2, the numbers of features differ, or a value is not finite.
    """
    a, b = _checked(a, b)
    # On the diagonal stands each feature with itself, which an unbiased estimate leaves out.
    within = [(_kernel_sum(x, x) - _diagonal_sum(x)) / (len(x) * (len(x) - 1)) for x in (a, b)]
    return float(sum(within) - 2 * _kernel_sum(a, b) / (len(a) * len(b)))


def _kernel_sum(a: np.ndarray, b: np.ndarray) -> float:
    """Return the sum of all entries of the kernel matrix."""
    blocks = (a[start : start + _BLOCK] @ b.T for start in range(0, len(a), _BLOCK))
    return float(sum(_cubed(block, a.shape[1]).sum(dtype=np.float64) for block in blocks))


def _diagonal_sum(a: np.ndarray) -> float:
    return float(_cubed(np.square(a).sum(axis=1), a.shape[1]).sum(dtype=np.float64))


def _cubed(products: np.ndarray, size: int) -> np.ndarray:
    """Return the kernel of dot products, in their own memory."""
    products /= size
    products += 1
    # Not ** 3, which NumPy computes by logarithms, far more slowly.
    return products * products * products


def _checked(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # Products of float32 are rounded to either side, so sums over millions of them lose nothing.
    wide = np.float32 if a.dtype == b.dtype == np.float32 else np.float64
    a, b = np.asarray(a, wide), np.asarray(b, wide)
    if len(a) < 2 or len(b) < 2:
        raise UserError(f"kernel distance: needs at least 2 images on each side, not {len(a)} and {len(b)}")
    if a.shape[1] != b.shape[1]:
        raise UserError(f"kernel distance: {a.shape[1]} features on one side, {b.shape[1]} on the other")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise UserError("kernel distance: the features hold NaN or infinity; has the training diverged?")
    return a, b
