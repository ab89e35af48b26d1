"""Signs of a training that goes wrong without an error: read off the records, so that nothing needs to be saved."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass

# Healthy runs of the five recipes: above 0.3 from the first grid on; D is always right for 60 steps at most.
_ALIKE, _DIFFERENT_AGAIN, _GRIDS, _GRACE = 0.15, 0.25, 3, 100
_RIGHT, _DOUBTS_AGAIN, _RECORDS, _STEPS = 0.995, 0.95, 20, 500


@dataclass(frozen=True)
class Notice:
    """Something to look at."""

    step: int
    """At which step it was seen."""
    kind: str
    """collapse, or accuracy."""
    text: str
    """What is wrong, and what to try."""


class CollapseWatch:
    """Looks at one record after the other; warns once of a condition, and again only after it has passed."""

    def __init__(self, accuracy: bool):
        """Watch a run; of a Wasserstein critic's scores, which have no zero, accuracy says nothing."""
        self._accuracy = accuracy
        self._alike: list[int] = []
        self._right: list[int] = []
        self._warned: set[str] = set()

    def see(self, record: Mapping[str, float]) -> list[Notice]:
        """Look at a record of the history; return what there is to warn of."""
        found = [self._see_diversity(record)]
        if self._accuracy:
            found.append(self._see_accuracy(record))
        return [warning for warning in found if warning]

    def _see_diversity(self, record: Mapping[str, float]) -> Notice | None:
        value, step = record.get("diversity"), record["step"]
        if value is None or step <= _GRACE:
            return None
        if value >= _ALIKE:
            self._alike = []
            if value >= _DIFFERENT_AGAIN:
                self._warned.discard("collapse")
            return None
        self._alike.append(step)
        return self._once("collapse", len(self._alike) >= _GRIDS, lambda: _collapse(step, value, self._alike[0]))

    def _see_accuracy(self, record: Mapping[str, float]) -> Notice | None:
        value, step = record.get("d_accuracy"), record["step"]
        if value is None:
            return None
        if value < _RIGHT:
            self._right = []
            if value < _DOUBTS_AGAIN:
                self._warned.discard("accuracy")
            return None
        self._right.append(step)
        stuck = len(self._right) >= _RECORDS and step - self._right[0] >= _STEPS
        return self._once("accuracy", stuck, lambda: _accuracy(step, self._right[0]))

    def _once(self, kind: str, there: bool, warning: Callable[[], Notice]) -> Notice | None:
        if not there or kind in self._warned:
            return None
        self._warned.add(kind)
        return warning()


def find_warnings(records: Iterable[Mapping[str, float]], accuracy: bool) -> list[dict[str, str | int]]:
    """Return all warnings of a history as plain mappings: step, kind, text."""
    watch = CollapseWatch(accuracy)
    return [asdict(warning) for record in records for warning in watch.see(record)]


def _collapse(step: int, value: float, since: int) -> Notice:
    return Notice(
        step,
        "collapse",
        f"step {step:,}: G draws nearly the same picture again and again (diversity {value:.2f} of real pictures' 1, "
        f"since step {since:,}). Look at the grids; if they stay alike, go back to an earlier checkpoint and try a "
        "smaller learning rate of G, more D steps (updates.d_steps), or recipe wgan_gp",
    )


def _accuracy(step: int, since: int) -> Notice:
    return Notice(
        step,
        "accuracy",
        f"step {step:,}: D has told every real from every generated picture since step {since:,} (accuracy 100 %), so "
        "G learns little. If the grids get no better, try a smaller learning rate of D, "
        "a smaller D, or recipe wgan_gp",
    )
