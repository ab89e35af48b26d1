"""Whether a training still has numbers."""

import math

import numpy as np

from ms_gan.runs.state import player_parameters
from ms_gan.training.players import Players


class NotFinite(Exception):
    """A number of the training is NaN or infinite.

    Attributes
    ----------
    step : int
        After which step it was noticed.
    what : str
        The number: a loss, or a parameter by its name.
    """

    def __init__(self, step: int, what: str):
        super().__init__(f"step {step:,}: {what} is not finite")
        self.step, self.what = step, what


def first_not_finite(numbers: dict[str, float], players: Players | None) -> str | None:
    """Return the name of a number or parameter (of `players`, if given) that is NaN or infinite, or None.

    A gradient that is not finite shows at once in what the optimizer keeps, and in the weights.
    """
    for name, value in numbers.items():
        if not math.isfinite(value):
            return name
    for name, parameter in (player_parameters(players) if players else {}).items():
        if not _finite(parameter.asnumpy()):
            return f"parameter {name}"
    return None


def _finite(array: np.ndarray) -> bool:
    if not np.issubdtype(array.dtype, np.floating):
        return True
    with np.errstate(all="ignore"):
        # A sum is finite only if all its terms are; it may overflow all the same, so a second look.
        return bool(np.isfinite(np.add.reduce(array, axis=None))) or bool(np.isfinite(array).all())
