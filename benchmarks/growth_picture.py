"""The picture of `benchmarks/growth.py`: ms/step against batch and widths on logarithmic scales."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, LogLocator, NullLocator, StrMethodFormatter

from ms_gan.pictures import sheet

COLOURS = (sheet.BLUE, sheet.VERMILION, sheet.GREEN, sheet.PURPLE, sheet.BROWN)
_PLOTS = {
    "batch": ("ms/step against the batch", "Parallel to the dashed line: twice the batch takes twice the time."),
    "width": (
        "ms/step against the widths, times the recipe's",
        "All hidden layers; a weight matrix grows with the square.",
    ),
}


def save_growth(path: str | Path, result: dict[str, Any], footer: str) -> None:
    """Write the picture.

    Parameters
    ----------
    path : path-like
        Ends in ``.png``.
    result : dict
        What `benchmarks.growth.main` returns.
    footer : str
        Under everything: the machine.
    """
    headings = [sheet.Heading(title, reading) for title, reading in _PLOTS.values()]
    with sheet.styled():
        figure = sheet.sheet("How the time of a step grows", footer, headings, [3.2] * len(_PLOTS), 0.0)
        for axes, heading, over in zip(figure.axes, headings, _PLOTS, strict=True):
            _draw(axes, over, result[over])
            sheet.legend_beside_title(axes, heading, 0.0)
        sheet.save(path, figure)


def _draw(axes: Axes, over: str, curves: dict[str, Any]) -> None:
    sizes = sorted({point[over] for curve in curves.values() for point in curve["points"]})
    for number, (name, curve) in enumerate(curves.items()):
        points = curve["points"]
        middle = [point["ms"]["median"] for point in points]
        spread = [
            [point["ms"]["median"] - point["ms"]["min"] for point in points],
            [point["ms"]["max"] - point["ms"]["median"] for point in points],
        ]
        label = name if curve["slope"] is None else f"{name}, slope {curve['slope']:.2f}"
        colour = COLOURS[number % len(COLOURS)]
        axes.errorbar([point[over] for point in points], middle, spread, label=label, color=colour, marker="o", ms=4)
        if over == "batch":
            # Through the last point.
            line = [middle[-1] * size / points[-1][over] for size in (sizes[0], sizes[-1])]
            axes.plot([sizes[0], sizes[-1]], line, color=colour, linestyle="--", linewidth=0.8, alpha=0.6)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    plain_numbers(axes.yaxis)


def plain_numbers(axis: Axis) -> None:
    """Label a logarithmic axis with 1, 2, 5, 10 and so on, not with powers."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(StrMethodFormatter("{x:,g}"))
