#!/usr/bin/env python3
"""How the time of a step grows with the batch, the widths of the networks and the data. See docs/benchmarks.md."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from benchmarks.growth_picture import save_growth
from benchmarks.process import Side, alternate, compared, medians
from benchmarks.report import circumstances, headline, leave, run, table
from ms_gan.commands.spread import spread, spread_text
from ms_gan.config import load_config, recipe_names
from ms_gan.errors import UserError
from ms_gan.files import check_writable
from ms_gan.names import unknown_name

_BATCHES = {"mlp": (16, 32, 64, 128, 256, 512, 1024), "dense": (16, 32, 64, 128, 256, 512, 1024)}
_FEW_BATCHES = (16, 64, 256)
_WIDTHS = (0.25, 0.5, 1.0, 2.0)
_MANY, _FEW = 60_000, 6_000


def main(words: Sequence[str]) -> dict[str, Any]:
    """Measure what `words` ask for, print the tables and return the numbers."""
    options = _parser().parse_args(words)
    for name in options.recipe:
        if name not in recipe_names():
            raise UserError(unknown_name("--recipe", name, recipe_names()))
    if min(options.batches or [1]) < 1 or min(options.widths) <= 0 or options.rounds < 1:
        raise UserError("--batches and --rounds are whole numbers from 1, --widths numbers above 0")
    check_writable(options.json)
    check_writable(options.picture)
    if options.picture is not None and Path(options.picture).suffix.lower() != ".png":
        raise UserError(f"--picture {options.picture}: give it a name ending in .png")
    result = circumstances() | {"batch": {}, "width": {}}
    for name in options.recipe:
        batches = options.batches or _BATCHES.get(name, _FEW_BATCHES)
        cases = {batch: [f"batch_size={batch}"] for batch in batches}
        result["batch"][name] = _curve(name, "batch", cases, options)
        cases = {factor: _widened(name, factor) for factor in options.widths}
        result["width"][name] = _curve(name, "width", cases, options)
    result["data"] = _data(options)
    print(f"{headline(result)}\n\n{markdown(result)}")
    if options.picture is not None:
        save_growth(options.picture, result, headline(result))
        print(f"wrote {options.picture}")
    leave(options.json, result)
    return result


def _curve(recipe: str, over: str, cases: dict[float, list[str]], options: argparse.Namespace) -> dict[str, Any]:
    """Measure the cases one after the other; return the points and the slope on logarithmic scales."""
    points = []
    for value, settings in sorted(cases.items()):
        with Side("ms_gan", recipe, settings) as side:
            (answers,) = alternate((side,), options.rounds, options.seconds, 3)
        ms = spread(medians(answers))
        points.append({over: value, "ms": ms, "peak_gb": max(answer["peak_gb"] for answer in answers)})
        print(f"{recipe}, {over} {value:g}: {spread_text(ms)} ms/step", file=sys.stderr)
    return {"points": points, **slopes([(point[over], point["ms"]["median"]) for point in points])}


def slopes(points: Sequence[tuple[float, float]]) -> dict[str, float | None]:
    """Return the slope of log time against log size: of the line through all points, and of the last two."""
    if len(points) < 2:
        return {"slope": None, "slope_at_the_end": None}
    sizes, times = np.log(np.array(points, float)).T
    end = (times[-1] - times[-2]) / (sizes[-1] - sizes[-2])
    return {"slope": float(np.polyfit(sizes, times, 1)[0]), "slope_at_the_end": float(end)}


def _widened(recipe: str, factor: float) -> list[str]:
    """Return the settings that multiply all hidden widths of both networks."""
    import inspect

    from ms_gan.networks import DISCRIMINATORS, GENERATORS

    config = load_config(recipe, [], {})
    settings = []
    for role, known in (("generator", GENERATORS), ("discriminator", DISCRIMINATORS)):
        network = getattr(config, role)
        default = inspect.signature(known[network.name]).parameters["widths"].default
        widths = [max(1, round(factor * width)) for width in network.options.get("widths", default)]
        settings.append(f"{role}.options.widths={widths}")
    return settings


def _data(options: argparse.Namespace) -> dict[str, Any]:
    """Measure recipe mlp on many and on few images, in turn."""
    from ms_gan.data.sources import load_images

    digits = load_images("builtin", announce=lambda line: print(line, file=sys.stderr))
    with tempfile.TemporaryDirectory(prefix="ms_gan-growth-") as folder:
        for count in (_MANY, _FEW):
            part = Path(folder) / str(count)
            part.mkdir()
            (part / "imagesTrain.bin").write_bytes(digits.images[:count].tobytes())
            (part / "labelsTrain.bin").write_bytes(digits.labels[:count].tobytes())
        # All of them in every pass.
        every = ["data.images_per_epoch=null"]
        with (
            Side("ms_gan", "mlp", every, Path(folder) / str(_MANY)) as many,
            Side("ms_gan", "mlp", every, Path(folder) / str(_FEW)) as few,
        ):
            found = compared(*alternate((many, few), max(3, options.rounds), options.seconds, 3))
    return {"images": [_MANY, _FEW], "ms": found["ms"], "ratio": found["ratio"], "peak_gb": found["peak_gb"]}


def markdown(result: dict[str, Any]) -> str:
    """Return the numbers as tables in Markdown."""
    parts = []
    for over, title in (("batch", "batch"), ("width", "widths, times the recipe's")):
        values = sorted({point[over] for curve in result[over].values() for point in curve["points"]})
        rows = []
        for name, curve in result[over].items():
            cells = {point[over]: f"{point['ms']['median']:.4g}" for point in curve["points"]}
            ends = [f"{curve[key]:.2f}" if curve[key] is not None else "" for key in ("slope", "slope_at_the_end")]
            rows.append([f"`{name}`, ms/step", *(cells.get(value, "") for value in values), *ends])
        parts.append(table([title, *(f"{value:g}" for value in values), "slope", "slope at the end"], rows))
    data = result["data"]
    head = ["`mlp`, data", *(f"{count:,} images" for count in data["images"]), "ratio"]
    parts.append(table(head, [["ms/step", *(spread_text(ms) for ms in data["ms"]), spread_text(data["ratio"])]]))
    return "\n\n".join(parts)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", nargs="+", default=["mlp", "dcgan"], metavar="NAME", help="recipes (mlp dcgan)")
    parser.add_argument(
        "--batches", type=int, nargs="+", metavar="N", help="batch sizes (16 to 1024; convolutional: 16 64 256)"
    )
    parser.add_argument("--widths", type=float, nargs="+", default=_WIDTHS, metavar="F", help="factors (1/4 to 2)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="measurements of each case (3)")
    parser.add_argument("--seconds", type=float, default=1.0, metavar="S", help="least seconds of a measurement (1)")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there")
    parser.add_argument("--picture", metavar="FILE.png", help="draw the curves there")
    return parser


if __name__ == "__main__":
    run(main)
