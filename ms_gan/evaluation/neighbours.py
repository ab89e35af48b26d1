"""Fidelity and variety by nearest neighbours: improved precision and recall, density and coverage."""

from dataclasses import dataclass

import numpy as np

from ms_gan.errors import UserError
from ms_gan.evaluation.distances import blocks

PRECISION_NEIGHBOURS = 3
DENSITY_NEIGHBOURS = 5


@dataclass(frozen=True)
class Neighbourhood:
    """What the neighbours of real and generated features say, each from 0 to 1 (density may exceed 1)."""

    precision: float
    """Share of generated features that lie among the real ones (in the ball around one of them): fidelity."""
    recall: float
    """Share of real features that lie among the generated ones: variety."""
    density: float
    """In how many real balls a generated feature lies, over the number of neighbours; 1 is as dense as real."""
    coverage: float
    """Share of real balls that hold a generated feature."""


def neighbourhood(
    real: np.ndarray,
    fake: np.ndarray,
    precision_neighbours: int = PRECISION_NEIGHBOURS,
    density_neighbours: int = DENSITY_NEIGHBOURS,
) -> Neighbourhood:
    """Compare two sets of features by balls that reach to the k-th nearest neighbour within the own set.

    Parameters
    ----------
    real, fake : ndarray, shapes (N, d) and (M, d)
        Features.
    precision_neighbours, density_neighbours : int
        k of precision and recall, and of density and coverage.

    Returns
    -------
    Neighbourhood

    Raises
    ------
    UserError
        If a set is too small for its k, the numbers of features differ, or a value is not finite.

    References
    ----------
    Kynkaanniemi et al. (2019), Improved precision and recall metric for assessing generative models; Naeem et al.
    (2020), Reliable fidelity and diversity metrics for generative models.
    """
    real, fake = np.asarray(real, np.float32), np.asarray(fake, np.float32)
    _check(real, fake, max(precision_neighbours, density_neighbours))
    real, fake = _centred(real, fake)
    real_radii = _radii(real, (precision_neighbours, density_neighbours))
    fake_radii = _radii(fake, (precision_neighbours,))
    in_real = np.zeros(len(fake), bool)
    in_fake, covered = np.zeros(len(real), bool), np.zeros(len(real), bool)
    hits = 0
    for rows, table in blocks(real, fake):
        in_real |= (table <= real_radii[rows, :1]).any(axis=0)
        in_fake[rows] = (table <= fake_radii[:, 0]).any(axis=1)
        inside = table <= real_radii[rows, 1:]
        hits += int(np.count_nonzero(inside))
        covered[rows] = inside.any(axis=1)
    return Neighbourhood(
        precision=float(in_real.mean()),
        recall=float(in_fake.mean()),
        density=hits / (density_neighbours * len(fake)),
        coverage=float(covered.mean()),
    )


def _radii(points: np.ndarray, neighbours: tuple[int, ...]) -> np.ndarray:
    """Return the squared distance of every point to its k-th neighbour, for each k: (N, len(neighbours))."""
    radii = np.empty((len(points), len(neighbours)), np.float32)
    for rows, table in blocks(points, points):
        # Rounding must not put a point away from itself, which is the 0-th neighbour.
        np.einsum("ii->i", table[:, rows])[:] = 0
        radii[rows] = np.partition(table, neighbours, axis=1)[:, list(neighbours)]
    return radii


def _centred(real: np.ndarray, fake: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Move both so that the real mean is 0: squared distances from dot products are then rounded least."""
    middle = real.mean(axis=0)
    return real - middle, fake - middle


def _check(real: np.ndarray, fake: np.ndarray, neighbours: int) -> None:
    if min(len(real), len(fake)) <= neighbours:
        raise UserError(
            f"precision and coverage: {min(len(real), len(fake))} images are too few for {neighbours} neighbours; "
            f"give at least {neighbours + 1} on each side"
        )
    if real.shape[1] != fake.shape[1]:
        raise UserError(f"precision and coverage: {real.shape[1]} features on one side, {fake.shape[1]} on the other")
    if not (np.isfinite(real).all() and np.isfinite(fake).all()):
        raise UserError("precision and coverage: the features hold NaN or infinity; has the training diverged?")
