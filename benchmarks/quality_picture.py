"""The picture of `benchmarks/quality.py`: metrics against minutes of training."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from benchmarks.growth_picture import COLOURS, plain_numbers
from ms_gan.evaluation.protocol import METRICS, Metric
from ms_gan.evaluation.results import number
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
    footer = (
        f"Minutes are those of each run's own clock, on the machine that it was trained on. Measured {result['date']}."
    )
    metrics = [metric for metric in METRICS if metric.kind in result["metrics"]]
    headings = [
        sheet.Heading(f"{metric.title[0].upper()}{metric.title[1:]} ({name})", _reading(metric, result))
        for metric in metrics
        for name in [result["metrics"][metric.kind]]
    ]
    with sheet.styled():
        figure = sheet.sheet("Quality against minutes of training", footer, headings, [2.6] * len(metrics), 0.0)
        for axes, heading, metric in zip(figure.axes, headings, metrics, strict=True):
            _draw(axes, metric.kind, result)
            if metric.most is not None:
                axes.set_ylim(0, metric.most)
            elif _logarithmic(metric, result):
                axes.set_yscale("log")
                plain_numbers(axes.yaxis)
            if _has_floor(metric, result):
                axes.axhline(result["floor"][metric.kind], color="black", linestyle="--", linewidth=0.8, alpha=0.6)
            sheet.legend_beside_title(axes, heading, 0.0)
        figure.axes[-1].set_xlabel("minutes of training")
        sheet.save(path, figure)


def _logarithmic(metric: Metric, result: dict[str, Any]) -> bool:
    """Whether a metric is drawn so: the unbiased kernel distance may be below 0."""
    points = [point for curve in result["curves"].values() for point in curve]
    return metric.most is None and min(point["metrics"][metric.kind]["min"] for point in points) > 0


def _has_floor(metric: Metric, result: dict[str, Any]) -> bool:
    return result["floor"][metric.kind] > 0 or not _logarithmic(metric, result)


def _reading(metric: Metric, result: dict[str, Any]) -> str:
    real = f"{'dashed, ' if _has_floor(metric, result) else ''}real images: {number(result['floor'][metric.kind])}"
    several = any(point["runs"] > 1 for curve in result["curves"].values() for point in curve)
    return f"{_BETTER[metric.better]}; {real}.{' Bars: from the worst to the best seed.' if several else ''}"


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
    axes.set_xscale("log")
    plain_numbers(axes.xaxis)
