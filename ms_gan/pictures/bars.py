"""Bars side by side: the same measures for several ways to do a thing."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.ticker import StrMethodFormatter

from ms_gan.errors import UserError
from ms_gan.pictures import sheet

_COLOURS = (sheet.BLUE, sheet.VERMILION, sheet.GREEN, sheet.PURPLE)
_BAR = 0.32  # inches
# Bars of more than this ratio are drawn on a logarithmic scale, or the short ones would vanish.
_WIDE = 30


@dataclass(frozen=True)
class Measure:
    """One plot: a title with the unit, a sentence on how to read it, and (lowest, typical, highest) by name."""

    title: str
    reading: str
    values: dict[str, tuple[float, float, float]]

    @property
    def wide(self) -> bool:
        """Whether the values differ so much that the scale is logarithmic."""
        typical = [value for _, value, _ in self.values.values()]
        return min(typical) > 0 and max(typical) > _WIDE * min(typical)

    def heading(self) -> sheet.Heading:
        """Return what stands over the plot."""
        return sheet.Heading(self.title, self.reading + (" Logarithmic scale." if self.wide else ""))


def save_bars(path: str | Path, measures: Sequence[Measure], *, title: str, footer: str) -> None:
    """Write horizontal bars as a PNG file, one plot for each measure; whiskers from the lowest to the highest value.

    Parameters
    ----------
    path : path-like
        Ends in ``.png``.
    measures : sequence of Measure
        What to draw; at least one.
    title, footer : str
        Over and under everything.

    Raises
    ------
    UserError
        If there is nothing to draw, or the file cannot be written.
    """
    if not measures or not all(measure.values for measure in measures):
        raise UserError("there is nothing to draw bars of")
    headings = [measure.heading() for measure in measures]
    with sheet.styled():
        figure = sheet.sheet(title, footer, headings, [_BAR * len(measure.values) + 0.1 for measure in measures], 0.0)
        for axes, measure in zip(figure.axes, measures, strict=True):
            _draw(axes, measure)
        sheet.save(path, figure)


def _draw(axes: sheet.Axes, measure: Measure) -> None:
    names = list(measure.values)
    typical = [measure.values[name][1] for name in names]
    spread = [
        [value - low for low, value, _ in measure.values.values()],
        [high - value for _, value, high in measure.values.values()],
    ]
    colours = [_COLOURS[number % len(_COLOURS)] for number in range(len(names))]
    axes.barh(names, typical, xerr=spread, color=colours, height=0.62, ecolor=sheet.DARK, capsize=3)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    if measure.wide:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
        # A bar of a logarithmic scale begins anywhere; here at a tenth of the shortest.
        axes.set_xlim(min(typical) / 10, 5 * max(high for _, _, high in measure.values.values()))
    else:
        axes.margins(x=0.15)
    for row, (_, value, high) in enumerate(measure.values.values()):
        text = f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
        axes.annotate(text, (high, row), (6, 0), textcoords="offset points", va="center", color=sheet.DARK)
