"""What the rules of a report look at, and what they say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from ms_gan.config.schema import LossKind

Level = Literal["good", "info", "look", "bad"]


@dataclass(frozen=True)
class Finding:
    """A sentence about a run, and the numbers it comes from."""

    rule: str
    """Name of the rule, as in docs/report.md."""
    level: Level
    text: str
    numbers: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Story:
    """What is known of a run."""

    records: Sequence[Mapping[str, float]]
    """The history, in the order of the steps."""
    kind: LossKind
    """What D's numbers mean: only those of `gan` are probabilities."""
    total_steps: int | None
    """Planned length; None where it is given in minutes."""
    finished: bool
    """Whether the run reached it."""
    measures: Mapping[str, bool] = field(default_factory=dict)
    """Cheap measures in the history, and whether lower is better."""
    warnings: Sequence[Mapping[str, Any]] = ()
    """Signs of collapse that were seen in training: step, kind, text."""
    evaluation: Mapping[str, Any] | None = None
    """The newest evaluation."""
    best_file: str | None = None
    """Name of the best checkpoint's file, where one was kept."""
    may_roll_back: bool = True
    """Whether a run that diverged has not yet gone back to try other batches (`on_nan`)."""

    @property
    def diverged(self) -> bool:
        """Whether the last record holds a number that is not finite: there the training stopped."""
        return bool(self.records) and not all(np.isfinite(value) for value in self.records[-1].values())

    def column(self, key: str) -> tuple[np.ndarray, np.ndarray]:
        """Return steps and values of a number, where it is there and finite."""
        pairs = [(record["step"], record[key]) for record in self.records if record.get(key) is not None]
        steps, values = (np.array([pair[k] for pair in pairs], float) for k in (0, 1))
        there = np.isfinite(values)
        return steps[there].astype(int), values[there]

    def metric(self, kind: str) -> Mapping[str, Any] | None:
        """Return a metric of the evaluation that has a value, or None."""
        metrics = self.evaluation["metrics"] if self.evaluation else ()
        return next((m for m in metrics if m["kind"] == kind and m["value"] is not None), None)

    def extractor_kind(self) -> str | None:
        """Return what kind of extractor the evaluation's features are of, or None where it does not say."""
        protocol = self.evaluation.get("protocol", {}) if self.evaluation else {}
        return protocol.get("extractor_facts", {}).get("kind")


def smoothed(values: np.ndarray, window: int) -> np.ndarray:
    """Return the mean of the `window` values that end at each place (fewer at the start)."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - window, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)


def longest_stretch(mask: np.ndarray) -> tuple[int, int] | None:
    """Return first and last place of the longest run of True, or None."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    if not len(edges):
        return None
    starts, ends = edges[::2], edges[1::2]
    longest = int(np.argmax(ends - starts))
    return int(starts[longest]), int(ends[longest]) - 1
