"""Which of several runs is the best, where that can be said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from ms_gan.config.difference import apart_from_seed
from ms_gan.evaluation.results import number
from ms_gan.report.evaluations import newest_generator, under_one_protocol
from ms_gan.report.gather import Gathered
from ms_gan.runs.index import BEST_FILES

SHOWN = ("fid", "kid", "precision", "recall", "density", "coverage", "classes", "copies", "swd")


@dataclass(frozen=True)
class Cell:
    """One number of one run."""

    text: str
    best: bool = False
    """Whether no other run's is better beyond its interval."""
    spread: str = ""
    """Of several seeds, whose mean it is: the lowest to the highest."""


@dataclass(frozen=True)
class Row:
    """A run, several seeds of one, or the real images."""

    kind: Literal["run", "seeds", "real"]
    place: int | None
    """None: not ranked."""
    name: str
    where: str
    """Its checkpoint or step; empty but for a run."""
    cells: list[Cell]
    """One for each column."""


@dataclass
class Ranking:
    """A table of runs, the best first."""

    columns: list[str]
    """Names of the numbers."""
    where: str = ""
    """What stands before them in the rows of runs."""
    rows: list[Row] = field(default_factory=list)
    explained: str = ""

    def lines(self) -> list[str]:
        """Return the rows of several seeds as text."""
        return [
            f"{row.name}: "
            + ", ".join(
                f"{name} {cell.text} ({cell.spread})" for name, cell in zip(self.columns, row.cells, strict=True)
            )
            for row in self.rows
            if row.kind == "seeds"
        ]


@dataclass(frozen=True)
class _Entry:
    """What one run is ranked by."""

    run: Gathered
    stage: int | str | None
    """How far it was trained, as far as seeds share that: its step, or the name of a best checkpoint."""
    where: str
    """Its checkpoint or step, in words."""
    badness: float
    values: list[float]
    best: list[bool]


def rank(runs: Sequence[Gathered]) -> Ranking:
    """Rank runs by their evaluations, or else by the cheap measures of their histories.

    Evaluations count only under a protocol that all runs share: the same numbers of images, the same extractor, the
    same real images, the same seed, and classes asked for in one way; those of the newest generators, where there are
    any. Histories count only where all were measured against the same data.
    """
    missing = [gathered.name for gathered in runs if not gathered.evaluations]
    if missing and len(missing) < len(runs):
        return _by_history(runs, f"No ranking by evaluation: not evaluated yet: {', '.join(missing)}.")
    if missing:
        return _by_history(runs, "No run has been evaluated yet (ms-gan evaluate RUN).")
    newest = [newest_generator(gathered.run) for gathered in runs]
    chosen = under_one_protocol([gathered.evaluations for gathered in runs], newest)
    if chosen is None:
        return _by_history(
            runs,
            "No ranking by evaluation: the runs were evaluated under different protocols (number of images, extractor, "
            "real images, seed, or classes asked for in turn, as older versions did) and share none, so their numbers "
            "cannot be compared.",
        )
    return _by_evaluation(runs, chosen, newest)


def _by_evaluation(
    runs: Sequence[Gathered], chosen: Sequence[Mapping[str, Any]], newest: Sequence[str | None]
) -> Ranking:
    tables = [{metric["kind"]: metric for metric in result["metrics"]} for result in chosen]
    kinds = [kind for kind in SHOWN if all(table.get(kind, {}).get("value") is not None for table in tables)]
    leading = next((kind for kind in kinds if kind in ("fid", "kid", "swd")), None)
    if leading is None:
        return _by_history(runs, "No ranking by evaluation: there is no distance that every run has.")
    best = {kind: _best_of([table[kind] for table in tables]) for kind in kinds}
    entries, aside = [], ""
    for place, (gathered, result, table) in enumerate(zip(runs, chosen, tables, strict=True)):
        source = result["source"]
        step = source.get("step")
        where = f"{source['file']} ({step:,})" if step else source["file"]
        values = [table[kind]["value"] for kind in kinds]
        bold = [place in best[kind] for kind in kinds]
        stage = source["file"] if source["file"] in BEST_FILES else _shared_step(gathered, step)
        entries.append(_Entry(gathered, stage, where, _badness(table[leading]), values, bold))
        if newest[place] not in (None, source["file"]):
            aside += (
                f" Run {gathered.name} counts by {source['file']}, because its newest generator, {newest[place]}, was "
                "not evaluated in this way."
            )
    ranking = _table(entries, "checkpoint (step)", [tables[0][kind]["name"] for kind in kinds])
    floor = [Cell(number(tables[0][kind]["floor"])) for kind in kinds]
    ranking.rows.append(Row("real", None, "real images", "", floor))
    ranking.explained = (
        f"Ordered by {tables[0][leading]['name']}. Bold: the best, and every run whose 95 % interval meets that of the "
        "best one; between those the order is chance. The intervals are about the images drawn, not about training "
        "again: another seed of one recipe can differ by more, so trust a difference only if several seeds of each "
        f"show it.{aside}"
    )
    return ranking


def _by_history(runs: Sequence[Gathered], reason: str) -> Ranking:
    ways = {(gathered.data_digest, gathered.config.evaluation.images) for gathered in runs}
    columns = {key: [gathered.story().column(key) for gathered in runs] for key in runs[0].measures}
    key = next((key for key, found in columns.items() if all(len(values) for _, values in found)), None)
    if key is None or len(ways) > 1:
        reason += " Nor do all histories hold the same cheap measure of the same data (--evaluate-every N)."
        return Ranking([], explained=reason)
    sign = 1 if runs[0].measures[key] else -1
    ends = [sign * float(values[-1]) for _, values in columns[key]]
    entries = [
        _Entry(
            gathered,
            _shared_step(gathered, int(steps[-1])),
            f"{steps[-1]:,}",
            end,
            [float(values[-1]), sign * float((sign * values).min())],
            [end == min(ends), False],
        )
        for gathered, (steps, values), end in zip(runs, columns[key], ends, strict=True)
    ]
    name = key.replace("_", " ")
    ranking = _table(entries, "last measured at step", [f"{name}, at that step", f"{name}, best"])
    ranking.explained = (
        f"{reason} Ordered by the last {name} of the history, which has no interval: a small difference may be chance. "
        "The best on the way does not count: a run that is measured more often finds a better one."
    )
    return ranking


def _table(entries: Sequence[_Entry], where: str, columns: list[str]) -> Ranking:
    """Return the runs in their order, then each group of runs that differ only in their seed."""
    ranking = Ranking(columns, where)
    for entry in sorted(entries, key=lambda entry: entry.badness):
        place = 1 + sum(other.badness < entry.badness for other in entries)
        numbers = [Cell(number(value), best) for value, best in zip(entry.values, entry.best, strict=True)]
        ranking.rows.append(Row("run", place, entry.run.name, entry.where, numbers))
    groups: dict[tuple, dict[int, _Entry]] = {}
    for entry in entries:
        alike = apart_from_seed(entry.run.config), entry.run.data_digest, entry.stage
        # A second run of one seed tells nothing of chance.
        groups.setdefault(alike, {}).setdefault(entry.run.config.seed, entry)
    for group in groups.values():
        if len(group) > 1:
            names = ", ".join(entry.run.name for entry in group.values())
            columns_of = zip(*(entry.values for entry in group.values()), strict=True)
            cells = [_several(values) for values in columns_of]
            ranking.rows.append(
                Row("seeds", None, f"Mean (lowest to highest) of {len(group)} seeds: {names}", "", cells)
            )
    return ranking


def _shared_step(gathered: Gathered, step: int | None) -> int | None:
    """Return the step, unless the length is in minutes: then every seed has steps of its own."""
    return None if gathered.config.minutes is not None else step


def _several(values: Sequence[float]) -> Cell:
    return Cell(number(float(np.mean(values))), spread=f"{number(min(values))} to {number(max(values))}")


def _best_of(metrics: Sequence[dict[str, Any]]) -> set[int]:
    """Return the places whose interval meets that of the best one."""
    order = sorted(range(len(metrics)), key=lambda place: _badness(metrics[place]))
    best = metrics[order[0]]
    return {place for place, metric in enumerate(metrics) if _badness(metric) == _badness(best) or _meet(metric, best)}


def _badness(metric: dict[str, Any]) -> float:
    if metric["better"] == "floor":
        return abs(metric["value"] - metric["floor"])
    return metric["value"] if metric["better"] == "lower" else -metric["value"]


def _meet(one: dict[str, Any], other: dict[str, Any]) -> bool:
    if one["low"] is None or other["low"] is None:
        return False
    return one["low"] <= other["high"] and other["low"] <= one["high"]
