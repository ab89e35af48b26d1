"""Which of several runs is the best, where that can be said."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ms_gan.evaluation.results import number, protocol_key
from ms_gan.report.gather import Gathered

SHOWN = ("fid", "kid", "precision", "recall", "density", "coverage", "classes", "copies", "swd")


@dataclass(frozen=True)
class Cell:
    """One number of one run."""

    text: str
    best: bool = False
    """Whether no other run's is better beyond its interval."""


@dataclass
class Ranking:
    """A table of runs, the best first."""

    columns: list[str]
    rows: list[tuple[int | None, str, list[Cell]]] = field(default_factory=list)
    """Place (None: not ranked), name, and a cell for each column."""
    explained: str = ""


def rank(runs: Sequence[Gathered]) -> Ranking:
    """Rank runs by their evaluations, or else by the cheap measures of their histories.

    Evaluations count only where all of them share one protocol: the same numbers of images, the same extractor, the
    same real images, the same seed. Histories count only where all were measured against the same data.
    """
    newest = [gathered.evaluations[-1] if gathered.evaluations else None for gathered in runs]
    missing = [gathered.name for gathered, result in zip(runs, newest, strict=True) if result is None]
    if missing and len(missing) < len(runs):
        return _by_history(runs, f"No ranking by evaluation: not evaluated yet: {', '.join(missing)}.")
    if missing:
        return _by_history(runs, "No run has been evaluated yet (ms-gan evaluate RUN).")
    if len({protocol_key(result) for result in newest}) > 1:
        return _by_history(
            runs,
            "No ranking by evaluation: the runs were evaluated under different protocols, so their numbers differ.",
        )
    return _by_evaluation(runs, newest)


def _by_evaluation(runs: Sequence[Gathered], newest: Sequence[dict[str, Any]]) -> Ranking:
    tables = [{metric["kind"]: metric for metric in result["metrics"]} for result in newest]
    kinds = [kind for kind in SHOWN if all(table.get(kind, {}).get("value") is not None for table in tables)]
    leading = next((kind for kind in kinds if kind in ("fid", "kid", "swd")), None)
    if leading is None:
        return _by_history(runs, "No ranking by evaluation: there is no distance that every run has.")
    best = {kind: _best_of([table[kind] for table in tables]) for kind in kinds}
    order = sorted(range(len(runs)), key=lambda place: _badness(tables[place][leading]))
    ranking = Ranking([tables[0][kind]["name"] for kind in kinds])
    for place in order:
        cells = [Cell(number(tables[place][kind]["value"]), place in best[kind]) for kind in kinds]
        ranking.rows.append((len(ranking.rows) + 1, runs[place].name, cells))
    floor = [Cell(number(tables[0][kind]["floor"])) for kind in kinds]
    ranking.rows.append((None, "real images", floor))
    ranking.explained = (
        f"Ordered by {tables[0][leading]['name']}. Bold: the best, and every run whose 95 % interval meets that of the "
        "best one; between those the order is chance."
    )
    return ranking


def _by_history(runs: Sequence[Gathered], reason: str) -> Ranking:
    measured = [key for key in runs[0].measures if all(key in gathered.measures for gathered in runs)]
    ways = {(g.environment["data"]["sha256"], g.config.evaluation.images, g.config.samples.seed) for g in runs}
    if not measured or len(ways) > 1:
        reason += " Nor do all histories hold the same cheap measure of the same data (--evaluate-every N)."
        return Ranking([], [(None, gathered.name, []) for gathered in runs], reason)
    key = measured[0]
    sign = 1 if runs[0].measures[key] else -1
    found = []
    for gathered in runs:
        _, values = gathered.story().column(key)
        best = min(values, key=lambda value: sign * value)
        found.append((sign * best, gathered.name, best, values[-1]))
    name = key.replace("_", " ")
    ranking = Ranking([f"{name}, best", f"{name}, at the end"])
    for place, (_, run, best, end) in enumerate(sorted(found), 1):
        ranking.rows.append((place, run, [Cell(number(best), place == 1), Cell(number(end))]))
    ranking.explained = f"{reason} Ordered by the best {name} of the history, which has no interval."
    return ranking


def _best_of(metrics: Sequence[dict[str, Any]]) -> set[int]:
    """Return the places whose interval meets that of the best one."""
    order = sorted(range(len(metrics)), key=lambda place: _badness(metrics[place]))
    best = metrics[order[0]]
    return {place for place in range(len(metrics)) if place == order[0] or _meet(metrics[place], best)}


def _badness(metric: dict[str, Any]) -> float:
    if metric["better"] == "floor":
        return abs(metric["value"] - metric["floor"])
    return metric["value"] if metric["better"] == "lower" else -metric["value"]


def _meet(one: dict[str, Any], other: dict[str, Any]) -> bool:
    if one["low"] is None or other["low"] is None:
        return False
    return one["low"] <= other["high"] and other["low"] <= one["high"]
