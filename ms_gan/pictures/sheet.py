"""A sheet of plots below each other, each with a title, a sentence on how to read it, and notes.

Nothing here uses pyplot's global state. Draw and save inside `styled`, so that a user's own settings
of matplotlib change nothing.
"""

import functools
import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from ms_gan.files import write_atomically
from ms_gan.pictures.canvas import check_suffix, lettering, wrap
from ms_gan.wording import plural

# Okabe and Ito's colours (one darkened): colour-blind readers tell them apart too.
BLUE, VERMILION, GREEN, PURPLE, BROWN = "#0072B2", "#D55E00", "#009E73", "#B8609A", "#8C6D00"
GREY, LIGHT, DARK = "#555555", "#D6D6D6", "#222222"
DPI = 150
WIDTH, LEFT, RIGHT = 9.0, 0.8, 0.4  # inches, as all lengths here
ROW, TITLE_ROW, EPOCH_ROW, BELOW = 0.19, 0.3, 0.38, 0.42
LETTERS = 120  # that fit a line of small print

styled = functools.partial(
    matplotlib.style.context,
    [
        "default",
        {
            "font.size": 10,
            "text.parse_math": False,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": GREY,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "#EEEEEE",
        },
    ],
)


@dataclass(frozen=True)
class Heading:
    """What stands over a plot: its title, how to read it, and notes on what the plot cannot show."""

    title: str
    reading: str
    notes: tuple[str, ...] = ()

    def height(self) -> float:
        """Return the inches it takes."""
        return TITLE_ROW + ROW * (1 + len(self.notes)) + 0.1


def sheet(title: str, footer: str, headings: Sequence[Heading], plots: Sequence[float], top_row: float) -> Figure:
    """Make a figure with an empty plot under each heading.

    Parameters
    ----------
    title, footer : str
        Over and under everything; wrapped.
    headings : sequence of Heading
        One for each plot.
    plots : sequence of float
        Heights of the plots in inches.
    top_row : float
        Inches left free between the first heading and its plot (for a second axis).

    Returns
    -------
    matplotlib.figure.Figure
        Its ``axes`` are the plots from top to bottom.
    """
    # A title may be the name of a file or of a class: of any letters, and no mathematics where it has a $.
    printable, face = lettering(title, 15)
    title_lines = wrap(printable, int((WIDTH - LEFT - RIGHT) * 72), face)
    footer_lines = textwrap.wrap(footer, LETTERS)
    above = [heading.height() + (0 if number else top_row) for number, heading in enumerate(headings)]
    head, foot = 0.2 + 0.28 * len(title_lines), 0.2 + ROW * len(footer_lines) + 0.12
    height = head + sum(above) + sum(plots) + BELOW * len(plots) + foot
    figure = Figure(figsize=(WIDTH, height), dpi=DPI)
    FigureCanvasAgg(figure)
    small = {"fontsize": 9, "color": GREY, "linespacing": ROW * 72 / 9 / 1.2}
    look = {"font": Path(face.path), "fontsize": 15, "color": DARK, "parse_math": False}
    figure.text(LEFT / WIDTH, 1 - 0.15 / height, "\n".join(title_lines), va="top", **look)
    figure.text(LEFT / WIDTH, 0.15 / height, "\n".join(footer_lines), va="bottom", **small)
    top = height - head
    for number, heading in enumerate(headings):
        top -= above[number] + plots[number]
        box = (LEFT / WIDTH, top / height, (WIDTH - LEFT - RIGHT) / WIDTH, plots[number] / height)
        _write_heading(figure.add_axes(box), heading, 0 if number else top_row)
        top -= BELOW
    return figure


def _write_heading(axes: Axes, heading: Heading, free: float) -> None:
    up = 72 * (free + 0.08)
    rows = [(note, VERMILION) for note in reversed(heading.notes)] + [(heading.reading, GREY)]
    for text, colour in rows:
        _write_over(axes, text, up, fontsize=9, color=colour)
        up += 72 * ROW
    _write_over(axes, heading.title, up + 3, fontsize=11.5, fontweight="bold", color=DARK)


def _write_over(axes: Axes, text: str, up: float, **look: object) -> None:
    """Write a line `up` points over the left end of a plot's top edge."""
    axes.annotate(text, (0, 1), (0, up), xycoords="axes fraction", textcoords="offset points", va="bottom", **look)


def legend_beside_title(axes: Axes, heading: Heading, free: float) -> None:
    """Put the legend over the plot, right of its title, where it covers no data."""
    _, plot = axes.figure.get_size_inches() * axes.get_position().size
    up = free + heading.height() - TITLE_ROW - 0.06
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1, 1 + up / plot),
        borderaxespad=0,
        frameon=False,
        ncols=4,
        columnspacing=1.4,
        handlelength=1.6,
    )


def count_steps(axis: matplotlib.axis.Axis) -> None:
    """Label an axis with whole numbers like 12,480."""
    axis.set_major_locator(MaxNLocator(integer=True))
    axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def mark_epochs(figure: Figure, marks: Sequence[tuple[int, str]]) -> None:
    """Draw a light vertical line at each mark, with its label on the first plot's top edge.

    Of crowded marks only every 2nd, 5th, 10th, 20th ... is drawn, round numbers where labels are numbers.
    """
    marks = thin_out(marks)
    for axes in figure.axes:
        for step, _ in marks:
            axes.axvline(step, color=LIGHT, linewidth=0.8, zorder=0.5)
    if marks:
        top = figure.axes[0].secondary_xaxis("top")
        top.set_xticks([step for step, _ in marks], [label for _, label in marks])
        top.tick_params(length=0, labelsize=9, labelcolor=GREY, pad=2)
        top.spines["top"].set_visible(False)
        top.set_xlabel("end of epoch", fontsize=9, color=GREY, labelpad=3)


def thin_out(marks: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """Choose marks whose labels fit beside each other."""
    room = 80 // (2 + max((len(label) for _, label in marks), default=1))
    every = next(n * 10**k for k in range(12) for n in (1, 2, 5) if len(marks) <= room * n * 10**k)
    if all(label.isdecimal() for _, label in marks):
        return [mark for mark in marks if int(mark[1]) % every == 0]
    return list(marks[::every])


def limits(values: np.ndarray, low: float = np.inf, high: float = -np.inf) -> tuple[float, float]:
    """Return the range of a plot that shows `values` and the interval from `low` to `high`.

    Far outliers of many values are left outside, or they would squeeze everything else into a line.
    """
    values = values[np.isfinite(values)]
    if len(values) >= 20:
        first, last = np.percentile(values, [1, 99])
        span = last - first
        values = values[(values >= first - 2 * span) & (values <= last + 2 * span)]
    low, high = min([low, *values]), max([high, *values])
    if low > high:
        return 0.0, 1.0
    margin = 0.05 * (high - low) or 0.5
    return float(low - margin), float(high + margin)


def outlier_notes(name: str, values: np.ndarray, steps: np.ndarray, shown: tuple[float, float]) -> list[str]:
    """Say what a plot of `values` over the range `shown` cannot show: not finite, or outside."""
    notes = []
    broken = ~np.isfinite(values)
    if broken.any():
        notes.append(
            f"{name}: {_records(broken)} not a finite number, the first at step "
            f"{steps[np.argmax(broken)]:,}: training diverged there."
        )
    far = ~broken & ((values < shown[0]) | (values > shown[1]))
    if far.any():
        worst = np.flatnonzero(far)[np.argmax(np.abs(values[far]))]
        notes.append(
            f"{name}: {_records(far)} outside this plot, the farthest {values[worst]:.4g} at step {steps[worst]:,}."
        )
    return notes


def _records(mask: np.ndarray) -> str:
    count = int(mask.sum())
    return f"{plural(count, 'record')} {'is' if count == 1 else 'are'}"


def save(path: str | Path, figure: Figure) -> None:
    """Write the figure as a PNG file that holds no time and no program name."""
    check_suffix(path, ".png")
    buffer = io.BytesIO()
    figure.canvas.print_png(buffer, metadata={"Software": None})
    write_atomically(path, buffer.getvalue())
