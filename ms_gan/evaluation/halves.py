"""Confidence intervals from random halves, the same way for every metric."""

import math
from collections.abc import Sequence

import numpy as np

HALVES = 5
_STUDENT = 2.776  # 97.5 % quantile of Student's t with HALVES - 1 degrees of freedom


def random_halves(count: int, seed: int) -> list[np.ndarray]:
    """Return the rows of `HALVES` random halves of `count` images, sorted; drawn without repetition."""
    rng = np.random.default_rng([seed, count])
    return [np.sort(rng.permutation(count)[: count // 2]) for _ in range(HALVES)]


def margin(values: Sequence[float]) -> float:
    """Return half the width of the 95 % interval of a metric, from its values on the random halves.

    A half that is drawn without repetition differs from the whole by as much as the whole differs from the truth
    (the variance ``s^2 / (n/2) - s^2 / n`` is ``s^2 / n``), so the deviation over the halves is the standard error
    of the whole, also for metrics whose level depends on the number of images. Repetition, as a bootstrap has it,
    would break every metric that looks at nearest neighbours.

    References
    ----------
    Politis, Romano, Wolf (1999), Subsampling.
    """
    values = [value for value in values if math.isfinite(value)]
    return _STUDENT * float(np.std(values, ddof=1)) if len(values) == HALVES else math.nan
