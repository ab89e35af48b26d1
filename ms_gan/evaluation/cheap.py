"""Measures that cost so little that they can be taken while the training goes on, by name."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ms_gan.evaluation.sliced_wasserstein import sliced_wasserstein


@dataclass(frozen=True)
class CheapMeasure:
    """A number for how good generated images are."""

    compute: Callable[[np.ndarray, np.ndarray], float]
    """(real, generated) -> number; both float32 (N, C, S, S) in [-1, 1]; the same for the same arguments."""
    lower_is_better: bool
    """Its direction."""


CHEAP_MEASURES = {
    "sliced_wasserstein": CheapMeasure(sliced_wasserstein, lower_is_better=True),
}
