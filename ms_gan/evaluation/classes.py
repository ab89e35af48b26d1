"""Which classes the generated images are of, by a classifier's word."""

import numpy as np

from ms_gan.errors import UserError

MISSING = 0.1  # a class is missing where the output holds less than this part of its share of the data


def class_shares(classes: np.ndarray, count: int) -> np.ndarray:
    """Return the share of every class.

    Parameters
    ----------
    classes : ndarray of int, shape (N,)
        The class of each image, from 0.
    count : int
        Number of classes.

    Returns
    -------
    ndarray of float, shape (count,)
        Adds up to 1.
    """
    if not len(classes):
        raise UserError("class histogram: there is no image to count")
    return np.bincount(classes, minlength=count) / len(classes)


def divergence(shares: np.ndarray, reference: np.ndarray) -> float:
    """Return the Jensen-Shannon divergence of two histograms in bits: 0 for equal ones, 1 for disjoint ones.

    Parameters
    ----------
    shares, reference : ndarray, shape (classes,)
        Each adds up to 1.

    References
    ----------
    Lin (1991), Divergence measures based on the Shannon entropy.
    """
    middle = 0.5 * (shares + reference)
    return max(0.0, float(0.5 * (_relative(shares, middle) + _relative(reference, middle))))


def missing_classes(shares: np.ndarray, reference: np.ndarray) -> list[int]:
    """Return the classes that hardly appear: less than a tenth of their share of the data."""
    return [int(number) for number in np.flatnonzero((reference > 0) & (shares < MISSING * reference))]


def _relative(shares: np.ndarray, middle: np.ndarray) -> float:
    there = shares > 0
    return float((shares[there] * np.log2(shares[there] / middle[there])).sum())
