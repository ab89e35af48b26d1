"""The picture of `benchmarks/quality.py`: metrics against minutes of training."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from benchmarks.growth_picture import COLOURS, plain_numbers
from ms_gan.evaluation.protocol import METRICS
from ms_gan.pictures import sheet

_BETTER = {"lower": "Lower is better", "higher": "Higher is better", "floor": "Best near that of real images"}


def save_quality(path: str | Path, result: dict[str, Any]) -> None:
    """Write the picture.

    Parameters
    ----------
    path : path-like
        Ends in ``.png``.
    result : dict
        What `benchmarks.quality.main` returns.
    """
    machine = result["machine"]
    footer = f"{machine['cpu']}, {machine['cores']} cores; {result['date']}"
    metrics = [metric for metric in METRICS if metric.kind in result["metrics"]]
    headings = [
        sheet.Heading(
            f"{metric.title[0].upper()}{metric.title[1:]} ({result['metrics'][metric.kind]})",
            f"{_BETTER[metric.better]}; dashed: real images. Bars: from the worst to the best of the seeds.",
        )
        for metric in metrics
    ]
    with sheet.styled():
        figure = sheet.sheet("Quality against minutes of training", footer, headings, [2.6] * len(metrics), 0.0)
        for axes, heading, metric in zip(figure.axes, headings, metrics, strict=True):
            _draw(axes, metric.kind, result)
            if metric.most is None:
                axes.set_yscale("log")
                plain_numbers(axes.yaxis)
            else:
                axes.set_ylim(0, metric.most)
            sheet.legend_beside_title(axes, heading, 0.0)
        figure.axes[-1].set_xlabel("minutes of training")
        sheet.save(path, figure)


def _draw(axes: Axes, kind: str, result: dict[str, Any]) -> None:
    for place, (title, curve) in enumerate(result["curves"].items()):
        values = [point["metrics"][kind] for point in curve]
        mean = [value["mean"] for value in values]
        reach = [
            [value["mean"] - value["min"] for value in values],
            [value["max"] - value["mean"] for value in values],
        ]
        minutes = [point["minutes"] for point in curve]
        axes.errorbar(minutes, mean, reach, label=title, color=COLOURS[place % len(COLOURS)], marker="o", ms=4)
    axes.axhline(result["floor"][kind], color="black", linestyle="--", linewidth=0.8, alpha=0.6)
    axes.set_xscale("log")
    plain_numbers(axes.xaxis)
