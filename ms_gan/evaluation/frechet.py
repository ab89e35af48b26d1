"""Frechet distance: how far two Gaussians are apart that have the means and covariances of two sets of features."""

from dataclasses import dataclass

import numpy as np

from ms_gan.errors import UserError

# A covariance that was rounded to float32 somewhere has eigenvalues a little below zero; more is no covariance.
_BELOW_ZERO = 1e-4


@dataclass(frozen=True)
class Gaussian:
    """Mean (d,) and covariance (d, d) of a set of features, float64."""

    mean: np.ndarray
    covariance: np.ndarray


def gaussian_of(features: np.ndarray) -> Gaussian:
    """Return mean and unbiased covariance of features.

    Parameters
    ----------
    features : ndarray, shape (N, d)
        N must be more than d: the covariance of fewer is singular, and the distance then says more about N
        than about the images.

    Raises
    ------
    UserError
        If there are too few, or a value is not finite.
    """
    features = np.asarray(features, np.float64)
    count, size = features.shape
    if count <= size:
        raise UserError(
            f"Frechet distance: {count} images are too few for {size} features, at least {size + 1} are needed; "
            "give more images (--num), or go by the kernel distance, which needs no covariance"
        )
    if not np.isfinite(features).all():
        raise UserError("Frechet distance: the features hold NaN or infinity; has the training diverged?")
    mean = features.mean(axis=0)
    centred = features - mean
    return Gaussian(mean, centred.T @ centred / (count - 1))


def frechet_distance(a: Gaussian, b: Gaussian) -> float:
    """Return the squared 2-Wasserstein (Frechet) distance of two Gaussians.

    ``|mean_a - mean_b|^2 + trace(A) + trace(B) - 2 trace((A B)^(1/2))``. The last trace is the sum of the singular
    values of ``A^(1/2) B^(1/2)``, which exists for singular covariances too and never becomes complex.

    Parameters
    ----------
    a, b : Gaussian
        Of equal size.

    Returns
    -------
    float
        0 for equal Gaussians; in squared units of the features.

    Raises
    ------
    UserError
        If the sizes differ, or a covariance is none: not finite, not symmetric, or with eigenvalues below 0.

    References
    ----------
    Dowson and Landau (1982), The Frechet distance between multivariate normal distributions; Heusel et al.
    (2017), GANs trained by a two time-scale update rule converge to a local Nash equilibrium.
    """
    if a.mean.shape != b.mean.shape:
        raise UserError(
            f"Frechet distance: {a.mean.size} features on one side, {b.mean.size} on the other; "
            "take both from the same network"
        )
    shared = np.linalg.norm(_root(a).T @ _root(b), "nuc")
    distance = np.square(a.mean - b.mean).sum() + np.trace(a.covariance) + np.trace(b.covariance) - 2 * shared
    return float(max(distance, 0.0))


def _root(gaussian: Gaussian) -> np.ndarray:
    """Return a matrix R with R R^T equal to the covariance."""
    covariance = gaussian.covariance
    size = gaussian.mean.size
    if covariance.shape != (size, size) or not (np.isfinite(covariance).all() and np.isfinite(gaussian.mean).all()):
        raise UserError(
            f"Frechet distance: expected finite numbers, a mean of {size} and a covariance of {size} x {size}"
        )
    scale = np.abs(covariance).max(initial=0.0)
    if not np.allclose(covariance, covariance.T, rtol=0, atol=1e-5 * scale):
        raise UserError("Frechet distance: the covariance is not symmetric; is the file of another kind?")
    values, vectors = np.linalg.eigh(0.5 * (covariance + covariance.T))
    if values[0] < -_BELOW_ZERO * max(values[-1], 0.0) - 1e-12:
        raise UserError(
            f"Frechet distance: the covariance has an eigenvalue of {values[0]:.3g}, so it is none; "
            "is the file of another kind?"
        )
    return vectors * np.sqrt(np.maximum(values, 0.0))
