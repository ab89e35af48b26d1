"""All metrics of one set of generated images, each with its interval and beside its floor."""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ms_gan.errors import UserError
from ms_gan.evaluation import classes, copies, frechet, kernel, neighbours
from ms_gan.evaluation.copies import Nearness
from ms_gan.evaluation.halves import margin, random_halves
from ms_gan.evaluation.protocol import METRICS, metric_name
from ms_gan.evaluation.sliced_wasserstein import sliced_wasserstein

_SUBSETS = 100


@dataclass(frozen=True)
class Sample:
    """A set of images and all that is known of each; `None` where the extractor knows no classes."""

    images: np.ndarray
    """uint8 (N, C, S, S)."""
    features: np.ndarray
    """(N, d)."""
    classes: np.ndarray | None
    """int (N,), the most probable class of each."""
    confidence: np.ndarray | None
    """(N,), the probability of that class."""
    nearness: Nearness
    """To the images that the generator was trained on."""

    @classmethod
    def of(
        cls,
        images: np.ndarray,
        measure: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]],
        near: Nearness | None = None,
    ) -> "Sample":
        """Measure uint8 images (N, C, S, S) with an extractor's `measure`; without `near`, zeros stand for it."""
        features, probabilities = measure(images)
        if near is None:
            blank = np.zeros(len(images))
            near = Nearness(blank, blank, blank)
        if probabilities is None:
            return cls(images, features, None, None, near)
        return cls(images, features, probabilities.argmax(axis=1), probabilities.max(axis=1), near)

    def __getitem__(self, rows: np.ndarray) -> "Sample":
        """Return some of the images."""
        parts = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return Sample(**{name: None if part is None else part[rows] for name, part in parts.items()})


@dataclass(frozen=True)
class Found:
    """The metrics of one set of images."""

    values: dict[str, float]
    """By kind; a kind that could not be computed is left out."""
    problems: dict[str, str]
    """Why not."""
    extra: dict[str, float]
    """`kid_deviation`: over the subsets."""


def judge(real: Sample, fake: Sample, other: Sample, class_count: int) -> tuple[Found, list[dict[str, Any]]]:
    """Compute every metric of the generated images, its interval, and its floor.

    Parameters
    ----------
    real : Sample
        The reference: real images, unseen by the generator where the data have such.
    fake : Sample
        Generated images, as many.
    other : Sample
        As many other real images, for the floor. Where the floor is about single images (nearest training image,
        copies, confidence) it is that of `real`, since these others are training images themselves.
    class_count : int
        Number of classes that the extractor knows; 0: none.

    Returns
    -------
    found : Found
        The metrics of `fake`.
    rows : list of dict
        One for each metric: kind, value, low, high, floor, floor_low, floor_high; None where there is none.
    """
    floor = dataclasses.replace(other, nearness=real.nearness, confidence=real.confidence)
    found, margins = _with_margins(real, fake, class_count)
    best, best_margins = _with_margins(real, floor, class_count)
    rows = []
    for metric in METRICS:
        if metric.basis == "classes" and not class_count:
            continue
        row = {"kind": metric.kind} | _interval(metric.kind, metric.most, found, margins, "value", "")
        rows.append(row | _interval(metric.kind, metric.most, best, best_margins, "floor", "floor_"))
    return found, rows


def compare(real: Sample, fake: Sample, class_count: int, subsets: int = _SUBSETS) -> Found:
    """Compute every metric of `fake` against `real`; for the parameters see :func:`judge`.

    `subsets` 0 takes the kernel distance over all images at once, which is unbiased too.
    """
    values: dict[str, float] = {}
    problems: dict[str, str] = {}
    extra: dict[str, float] = {}

    def note(kinds: tuple[str, ...], compute: Callable[[], tuple[float, ...]]) -> None:
        try:
            values.update(zip(kinds, compute(), strict=True))
        except UserError as error:
            problems.update(dict.fromkeys(kinds, str(error)))

    def kernel_distance() -> tuple[float]:
        if not subsets:
            return (kernel.unbiased_mmd2(real.features, fake.features),)
        mean, extra["kid_deviation"] = kernel.kernel_distance(real.features, fake.features, subsets)
        return (mean,)

    note(("fid",), lambda: (_frechet(real, fake),))
    note(("kid",), kernel_distance)
    around = ("precision", "recall", "density", "coverage")
    note(around, lambda: dataclasses.astuple(neighbours.neighbourhood(real.features, fake.features)))
    if class_count:
        shares = [classes.class_shares(sample.classes, class_count) for sample in (fake, real)]
        note(("classes", "confidence"), lambda: (classes.divergence(*shares), float(fake.confidence.mean())))
    note(("swd",), lambda: (sliced_wasserstein(fake.images, real.images),))
    threshold = copies.copy_threshold(real.nearness)
    rate = copies.copy_rate(fake.nearness, threshold)
    note(("nearest", "copies"), lambda: (float(np.median(fake.nearness.distances)), rate))
    return Found(values, problems, extra)


def describe(rows: list[dict[str, Any]], found: Found, count: int, extractor: str) -> list[dict[str, Any]]:
    """Add to the rows of :func:`judge` the names that carry the protocol, titles and readings."""
    described = []
    for row in rows:
        metric = next(metric for metric in METRICS if metric.kind == row["kind"])
        words = {"name": metric_name(metric, count, extractor), "title": metric.title}
        described.append(words | row | {"better": metric.better, "reading": metric.reading})
        if metric.kind in found.problems:
            described[-1]["problem"] = found.problems[metric.kind]
        if metric.kind == "kid" and "kid_deviation" in found.extra:
            described[-1]["deviation"] = found.extra["kid_deviation"]
    return described


def _with_margins(real: Sample, fake: Sample, class_count: int) -> tuple[Found, dict[str, float]]:
    found = compare(real, fake, class_count)
    # Different halves of either side, or those of equal sets would be equal.
    ways = zip(random_halves(len(real.images), 1), random_halves(len(fake.images), 2), strict=True)
    halves = [compare(real[ours], fake[theirs], class_count, 0).values for ours, theirs in ways]
    return found, {kind: margin([half.get(kind, math.nan) for half in halves]) for kind in found.values}


def _interval(
    kind: str, most: float | None, found: Found, margins: dict[str, float], name: str, prefix: str
) -> dict[str, float | None]:
    value = found.values.get(kind)
    wide = margins.get(kind, math.nan)
    if value is None or not math.isfinite(wide):
        return {name: value, f"{prefix}low": None, f"{prefix}high": None}
    least = -math.inf if kind == "kid" else 0.0
    low, high = max(least, value - wide), min(math.inf if most is None else most, value + wide)
    return {name: value, f"{prefix}low": low, f"{prefix}high": high}


def _frechet(real: Sample, fake: Sample) -> float:
    return frechet.frechet_distance(frechet.gaussian_of(real.features), frechet.gaussian_of(fake.features))
