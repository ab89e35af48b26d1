"""Median, lowest and highest of repeated measurements."""

from collections.abc import Sequence

import numpy as np


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return the median, the lowest and the highest of at least one value."""
    return {"median": float(np.median(values)), "min": float(min(values)), "max": float(max(values))}


def spread_text(numbers: dict[str, float]) -> str:
    """Return what :func:`spread` gave as text: ``26.92 (25.46 to 27.15)``, or one number where all are equal."""
    if numbers["min"] == numbers["max"]:
        return _text(numbers["median"])
    return f"{_text(numbers['median'])} ({_text(numbers['min'])} to {_text(numbers['max'])})"


def _text(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
