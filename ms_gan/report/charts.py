"""Line charts as inline SVG: they take their colours from the page, so that they are right in the dark too."""

from collections.abc import Sequence
from html import escape

import numpy as np

from ms_gan.pictures.panels import PANELS, Panel, fill
from ms_gan.pictures.sheet import limits

WIDTH, HEIGHT = 460, 210
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 8, 24
POINTS = 160  # of a line; more records are averaged to so many, with a band from the lowest to the highest
COLOURS = 6  # .line-0 to .line-5 of the page's style
DASHES = 3  # .dash-0 to .dash-2


def panels_of(kind: str, measures: Sequence[str]) -> list[Panel]:
    """Return what is plotted of a run: the panels of losses.png, and one for each cheap measure that they lack."""
    drawn = {key for panel in PANELS[kind] for key, _, _ in panel.lines}
    extra = [
        Panel(
            key.replace("_", " ").capitalize(),
            "Measured on the pictures themselves while the training went on.",
            ((key, key.replace("_", " "), ""),),
            height=2.0,
        )
        for key in measures
        if key not in drawn
    ]
    return [*PANELS[kind], *extra]


def chart(panel: Panel, records: Sequence[dict]) -> dict[str, object] | None:
    """Return title, reading, legend and SVG of a panel; None where no record holds its numbers."""
    plot = fill(panel, records)
    if not plot.lines:
        return None
    low, high = plot.limits()
    last = max(1, max(int(line.steps[-1]) for line in plot.lines))
    lines = [
        _line(line.steps / last, (np.clip(line.values, low, high) - low) / (high - low), number)
        for number, line in enumerate(plot.lines)
    ]
    notes = [note for line in plot.lines for note in line.notes((low, high))]
    return {
        "title": panel.title,
        "reading": panel.reading,
        "notes": notes,
        "legend": [(_look(number), line.name) for number, line in enumerate(plot.lines)],
        "svg": _svg([*_axes(low, high, last, panel.share), *lines], f"{panel.title}, by step"),
    }


def overlay(title: str, key: str, runs: Sequence[tuple[int, str, Sequence[dict]]]) -> dict[str, object] | None:
    """Return a chart of one number of several runs, averaged; None where fewer than two have it.

    A run is its number, by which its line looks the same in every chart, its name and its records.
    """
    columns = []
    for number, name, records in runs:
        pairs = [(r["step"], r[key]) for r in records if r.get(key) is not None and np.isfinite(r[key])]
        if pairs:
            columns.append((number, name, np.array(pairs, float)))
    if len(columns) < 2:
        return None
    low, high = limits(np.concatenate([column[:, 1] for _, _, column in columns]))
    last = max(1, max(int(column[-1, 0]) for _, _, column in columns))
    shown = [(col[:, 0] / last, (np.clip(col[:, 1], low, high) - low) / (high - low), k) for k, _, col in columns]
    # Over all lines, so that none of them covers a number.
    drawn = [_line(*one, band=False) for one in shown] + [_mark(*one) for one in shown]
    legend = [(_look(number), f"{_told_apart_by(number)} {name}".lstrip()) for number, name, _ in columns]
    svg = _svg([*_axes(low, high, last, False), *drawn], f"{title}, by step")
    return {"title": title, "reading": "", "notes": [], "legend": legend, "svg": svg}


def _look(number: int) -> str:
    """Return the classes of a line: six colours, then the same ones dashed, then dotted."""
    return f"line-{number % COLOURS} dash-{number // COLOURS % DASHES}"


def _told_apart_by(number: int) -> str:
    """Return what stands at a line and before its name where an earlier line looks the same: its number, from 1."""
    return "" if number < COLOURS * DASHES else str(number + 1)


def _svg(parts: Sequence[str], label: str) -> str:
    inside = "".join(parts)
    return f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">{inside}</svg>'


def _line(across: np.ndarray, up: np.ndarray, number: int, band: bool = True) -> str:
    """Draw a line through points of the unit square; gaps where a value is not finite are closed."""
    there = np.isfinite(up)
    across, up = across[there], up[there]
    if not len(up):
        return ""
    x, y = _placed(across, up)
    look = _look(number)
    if len(x) == 1:
        return f'<circle class="dot {look}" cx="{x[0]:.1f}" cy="{y[0]:.1f}" r="3"/>'
    groups = np.array_split(np.arange(len(x)), min(POINTS, len(x)))
    middle = _points([(x[g].mean(), y[g].mean()) for g in groups])
    drawn = f'<polyline class="line {look}" points="{middle}"/>'
    if not band or len(groups) == len(x):
        return drawn
    above = [(x[g].mean(), y[g].min()) for g in groups]
    below = [(x[g].mean(), y[g].max()) for g in reversed(groups)]
    return f'<polygon class="band {look}" points="{_points(above + below)}"/>{drawn}'


def _placed(across: np.ndarray, up: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where points of the unit square are in the picture."""
    return LEFT + across * (WIDTH - LEFT - RIGHT), TOP + (1 - up) * (HEIGHT - TOP - BOTTOM)


def _mark(across: np.ndarray, up: np.ndarray, number: int) -> str:
    """Return the number that a line has at it, if any; not all at one end, where they would cover each other."""
    text, parts = _told_apart_by(number), min(9, len(up))
    part = np.array_split(np.arange(len(up)), parts)[number % parts]
    x, y = _placed(across[part].mean(), up[part].mean())
    return f'<text class="mark {_look(number)}" x="{x:.1f}" y="{y:.1f}">{text}</text>' if text else ""


def _points(pairs: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in pairs)


def _axes(low: float, high: float, last: int, share: bool) -> list[str]:
    """Draw the frame with a few round numbers."""
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for value in _ticks(low, high, 4):
        y = TOP + (1 - (value - low) / (high - low)) * (bottom - TOP)
        middle = " middle" if share and abs(value - 0.5) < 1e-9 else ""
        parts.append(f'<line class="rule{middle}" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    for step in _ticks(0, last, 4):
        x = LEFT + step / last * (right - LEFT)
        anchor = "start" if step == 0 else ("end" if x > right - 20 else "middle")
        parts.append(f'<text class="tick" x="{x:.1f}" y="{HEIGHT - 6}" text-anchor="{anchor}">{_short(step)}</text>')
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
    return parts


def _ticks(low: float, high: float, about: int) -> list[float]:
    """Return round numbers between `low` and `high`."""
    rough = (high - low) / about
    power = 10.0 ** np.floor(np.log10(rough))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough)
    first = int(np.ceil(low / step - 1e-9))
    ticks = [round(number * step, 12) for number in range(first, int(np.floor(high / step + 1e-9)) + 1)]
    return [value + 0.0 for value in ticks]


def _short(step: float) -> str:
    return f"{step / 1000:g}k" if step >= 10_000 else f"{step:,.0f}"
