#!/usr/bin/env python3
"""How good the images of runs are against the minutes they were trained for: every checkpoint that they kept.

Runs that differ in nothing but their seed, sweeps' for instance, make one curve: the mean, and the range of its runs.
See docs/best.md.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from benchmarks.quality_picture import save_quality
from benchmarks.report import circumstances, headline, leave, run, table
from ms_gan.commands.evaluation_source import FEWEST, draw_to_judge, find_source
from ms_gan.commands.references import RealImages, draw_sample, load_real_images
from ms_gan.config.difference import apart_from_seed
from ms_gan.device import activate, choose_device
from ms_gan.errors import UserError
from ms_gan.evaluation.extractors import AUTO, Extractor, choose_extractor
from ms_gan.evaluation.judging import Sample, compare
from ms_gan.evaluation.neighbours import PRECISION_NEIGHBOURS, neighbourhood
from ms_gan.evaluation.protocol import METRICS, Metric, metric_name
from ms_gan.evaluation.results import number
from ms_gan.files import check_writable
from ms_gan.names import unknown_name
from ms_gan.runs.folder import RunFolder
from ms_gan.runs.index import drawing_file

# What is measured of the nearest training image is left to `ms-gan evaluate`: it takes longest and says little here.
_KINDS = [metric.kind for metric in METRICS if metric.kind not in ("confidence", "nearest", "copies")]
_SEED = 1


@dataclass(frozen=True)
class _Judge:
    """Real images to compare with."""

    real: RealImages
    reference: Sample
    extractor: Extractor
    count: int
    asked: tuple[str, ...]
    """What has to be measured; the rest of what evaluate knows is measured where it can be."""
    neighbours: int
    """Of precision and recall."""

    def __call__(self, images: np.ndarray) -> dict[str, float]:
        """Return the metrics of uint8 images (N, C, S, S)."""
        sample = Sample.of(images, self.extractor.measure)
        found = compare(self.reference, sample, len(self.extractor.class_names))
        for kind in self.asked:
            if kind not in found.values:
                problem = found.problems.get(kind, f"extractor {self.extractor.name} knows no classes")
                raise UserError(f"--metrics {kind}: cannot be measured here: {problem}")
        values = {kind: found.values[kind] for kind in _KINDS if kind in found.values}
        if self.neighbours != PRECISION_NEIGHBOURS:
            near = neighbourhood(self.reference.features, sample.features, self.neighbours)
            values |= {"precision": near.precision, "recall": near.recall}
        return values

    def name_of(self, metric: Metric) -> str:
        """Return what a metric is called, with the number of neighbours where it is not the usual one."""
        name = metric_name(metric, self.count, self.extractor.name)
        unusual = metric.kind in ("precision", "recall") and self.neighbours != PRECISION_NEIGHBOURS
        return f"{name}, {self.neighbours} neighbours" if unusual else name


def main(words: Sequence[str]) -> dict[str, Any]:
    """Measure what `words` ask for, print the table and return the numbers."""
    options = _parser().parse_args(words)
    for kind in options.metrics:
        if kind not in _KINDS:
            raise UserError(unknown_name("--metrics", kind, _KINDS))
    if options.num < FEWEST:
        raise UserError(f"--num {options.num}: must be at least {FEWEST}")
    for flag, value in (("--checkpoints", options.checkpoints), ("--neighbours", options.neighbours)):
        if value < 1:
            raise UserError(f"{flag} {value}: must be at least 1")
    check_writable(options.json)
    check_writable(options.picture)
    if options.picture is not None and Path(options.picture).suffix.lower() != ".png":
        raise UserError(f"--picture {options.picture}: give it a name ending in .png")
    runs = [RunFolder.open(path) for path in options.runs]
    if len({folder.path.resolve() for folder in runs}) < len(runs):
        raise UserError("a run is named twice; it would count as another seed")
    activate(choose_device("cpu", announce=_say))
    judge = _judge(runs, options)
    floor = judge(draw_sample(judge.real.other.images, judge.count, _SEED, other=True))
    curves = {
        title: _curve([point for folder in members for point in _points(folder, judge, options.checkpoints)])
        for title, members in _curves(runs).items()
    }
    result = circumstances() | {
        "metrics": {
            kind: judge.name_of(metric) for kind in options.metrics for metric in METRICS if metric.kind == kind
        },
        "floor": floor,
        "curves": curves,
    }
    print(f"{headline(result)}\n\n{markdown(result)}")
    if options.picture is not None:
        save_quality(options.picture, result)
        print(f"wrote {options.picture}")
    leave(options.json, result)
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders, all trained on the same data")
    parser.add_argument("--data-dir", metavar="DIR", help="folder with the data, if it is not where the runs had it")
    parser.add_argument("--num", type=int, default=10_000, help="generated and real images (default 10,000)")
    parser.add_argument("--extractor", default=AUTO, help="as of `ms-gan evaluate` (default: by the data)")
    parser.add_argument("--checkpoints", type=int, default=5, help="at most so many of each run (default 5)")
    parser.add_argument(
        "--neighbours",
        type=int,
        default=PRECISION_NEIGHBOURS,
        metavar="K",
        help=f"of precision and recall (default {PRECISION_NEIGHBOURS}, as `ms-gan evaluate` counts)",
    )
    parser.add_argument("--metrics", nargs="+", default=["fid", "precision", "recall"], help=", ".join(_KINDS))
    parser.add_argument("--json", metavar="FILE", help="write the numbers there")
    parser.add_argument("--picture", metavar="FILE.png", help="draw the curves there")
    return parser


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _curves(runs: Sequence[RunFolder]) -> dict[str, list[RunFolder]]:
    """Return the runs of each curve, called after their recipe, or the first run's folder if that is not enough."""
    curves: dict[str, list[RunFolder]] = {}
    for folder in runs:
        curves.setdefault(apart_from_seed(folder.config()), []).append(folder)
    recipes = [members[0].config().recipe for members in curves.values()]
    names = [
        recipe if recipes.count(recipe) == 1 else members[0].path.name
        for recipe, members in zip(recipes, curves.values(), strict=True)
    ]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{name}: two runs that differ in more than their seed have this name; rename a folder")
    return dict(zip(names, curves.values(), strict=True))


def _judge(runs: Sequence[RunFolder], options: argparse.Namespace) -> _Judge:
    digests = {folder.data_digest() for folder in runs}
    if len(digests) > 1:
        raise UserError(f"the {len(runs)} runs were trained on different data; name runs of the same")
    source = find_source(runs[0].path, {"folder": options.data_dir}, None)
    real = load_real_images(source.data, digests.pop(), _say, _SEED)
    for notice in real.notices:
        _say(f"Note: {notice}")
    count = min(options.num, len(real.reference.images), len(real.other.images))
    if count < options.num:
        _say(f"{count:,} images of either kind, not {options.num:,}: there are no more")
    extractor = choose_extractor(options.extractor, real.train, real.test, _say)
    reference = draw_sample(real.reference.images, count, _SEED)
    sample = Sample.of(reference, extractor.measure)
    return _Judge(real, sample, extractor, count, tuple(options.metrics), options.neighbours)


def _points(folder: RunFolder, judge: _Judge, most: int) -> list[dict[str, Any]]:
    """Measure checkpoints of a run, spread evenly over those that it kept, the last among them."""
    clock = {record["step"]: record["seconds"] for record in folder.history() if "seconds" in record}
    index = folder.network_index()
    steps = sorted(step for step in index if step in clock)
    if not steps:
        raise UserError(f"{folder.path}: holds no checkpoint whose step is in its history")
    places = np.linspace(len(steps) - 1, 0, min(most, len(steps)))
    chosen = sorted(steps[round(place)] for place in places)
    points = []
    for step in chosen:
        images, _ = draw_to_judge(
            folder.checkpoints / drawing_file(index[step]), None, judge.real.seen, judge.count, _SEED
        )
        found = judge(images)
        points.append({"step": step, "minutes": clock[step] / 60, "run": folder.path.name, "metrics": found})
        _say(f"{folder.path.name}, step {step:,}: " + ", ".join(f"{kind} {number(found[kind])}" for kind in found))
    return points


def _curve(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return for every step the mean and the range over the runs."""
    curve = []
    for step in sorted({point["step"] for point in found}):
        here = [point for point in found if point["step"] == step]
        values = {kind: [point["metrics"][kind] for point in here] for kind in here[0]["metrics"]}
        curve.append(
            {
                "step": step,
                "runs": len(here),
                "minutes": float(np.mean([point["minutes"] for point in here])),
                "metrics": {
                    kind: {"mean": float(np.mean(of)), "min": min(of), "max": max(of)} for kind, of in values.items()
                },
            }
        )
    return curve


def markdown(result: dict[str, Any]) -> str:
    """Return the table of :func:`main`'s numbers."""
    rows = [
        [title, f"{point['step']:,}", str(point["runs"]), f"{point['minutes']:.1f}"]
        + [_text(point["metrics"][kind]) for kind in result["metrics"]]
        for title, curve in result["curves"].items()
        for point in curve
    ]
    rows.append(["*real images*", "", "", "", *(number(result["floor"][kind]) for kind in result["metrics"])])
    return table(["run", "steps", "runs", "minutes", *result["metrics"].values()], rows)


def _text(values: dict[str, float]) -> str:
    if values["min"] == values["max"]:
        return number(values["mean"])
    return f"{number(values['mean'])} ({number(values['min'])} to {number(values['max'])})"


if __name__ == "__main__":
    run(main)
