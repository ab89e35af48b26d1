#!/usr/bin/env python3
"""Whole runs of `ms-gan train`: start-up, what goes on beside the training, memory. See docs/benchmarks.md."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.process import ROOT
from benchmarks.report import circumstances, headline, leave, run, table
from ms_gan.config import recipe_names
from ms_gan.device.settings import user_environment
from ms_gan.errors import UserError
from ms_gan.files import check_writable
from ms_gan.names import unknown_name

# Long enough for a steady rate; None: as published.
_STEPS = {
    "mlp": None,
    "dense": 3000,
    "dcgan": 300,
    "wgan": 30,
    "wgan_gp": 30,
    "best_mnist": 300,
    "conditional_mnist": 300,
    "r3gan_horses": 100,
    "sngan_horses": 100,
}
# The wall time may be this many times steps x ms/step, plus the start-up.
_BAR = 1.15
_START = ("python and ms_gan", "device", "data", "mindspore", "networks", "folder and checks", "first step")


def main(words: Sequence[str]) -> dict[str, Any]:
    """Run the recipes that `words` ask for, print the tables and return the numbers."""
    options = _parser().parse_args(words)
    recipes = recipe_names() if "all" in options.recipe else options.recipe
    for name in recipes:
        if name not in recipe_names():
            raise UserError(unknown_name("--recipe", name, ("all", *recipe_names())))
    if options.steps is not None and options.steps < 2:
        raise UserError("--steps must be at least 2")
    check_writable(options.json)
    result = circumstances() | {"bar": _BAR, "recipes": {}}
    for name in recipes:
        result["recipes"][name] = numbers = measure(name, options)
        print(f"{name}: {numbers['steps']} steps in {numbers['wall_seconds']:.1f} s", file=sys.stderr)
    print(f"{headline(result)}\n\n{markdown(result)}")
    leave(options.json, result)
    return result


def measure(recipe: str, options: argparse.Namespace) -> dict[str, Any]:
    """Train once, in a process of its own, and return what it took."""
    with tempfile.TemporaryDirectory(prefix="ms_gan-end-to-end-") as folder:
        out, clock = Path(folder) / "run", Path(folder) / "clock.json"
        words = ["train", "--config", recipe, "--out", str(out), "--device", "cpu"]
        words += ["--data-dir", str(Path(options.data_dir).absolute())] if options.data_dir else ["--data", "builtin"]
        steps = options.steps or _STEPS[recipe]
        words += ["--steps", str(steps)] if steps else []
        words += ["--set", *options.set] if options.set else []
        wall, peak = _train([str(clock), *words])
        timing = json.loads((out / "environment.json").read_text())["timing"]
        return summarise(json.loads(clock.read_text()), timing, wall, peak)


def _train(words: Sequence[str]) -> tuple[float, float]:
    """Run the command to its end; return its wall time in seconds and its peak resident memory in GB."""
    with tempfile.TemporaryFile("w+") as output:
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.timed_train", repr(began), *words],
            cwd=ROOT,
            env=user_environment() | {"PYTHONPATH": str(ROOT)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            last = (output.read().strip().splitlines() or ["no message"])[-1]
            raise UserError(f"the training ended with status {process.returncode}: {last}")
    return wall, usage.ru_maxrss / (1 << 20)


def summarise(clock: dict[str, Any], timing: dict[str, Any], wall: float, peak: float) -> dict[str, Any]:
    """Return the numbers of a run.

    Parameters
    ----------
    clock : dict
        What `benchmarks.timed_train` wrote: ``moments``, ``input_seconds`` (without the first step's), ``steps``.
    timing : dict
        ``timing`` of the run's environment.json.
    wall : float
        Seconds from the start of the process to its end.
    peak : float
        Its peak resident memory in GB.
    """
    moments, steps, ms = clock["moments"], clock["steps"], timing["ms_per_step"]
    before, start = 0.0, {}
    for name in _START:
        start[name] = moments[name] - before
        before = moments[name]
    allowed = _BAR * steps * ms / 1000 + before
    beside = {name.replace("_", " "): seconds / wall for name, seconds in timing["seconds_beside_training"].items()}
    return {
        "steps": steps,
        "wall_seconds": wall,
        "ms_per_step": ms,
        "start_up_seconds": before,
        "start_up": start,
        # Until the process is gone.
        "ending_seconds": wall - moments["curves and GIF"],
        "allowed_seconds": allowed,
        "wall_over_allowed": wall / allowed,
        "input_share_of_a_step": clock["input_seconds"] / (steps - 1) / (ms / 1000),
        "shares_of_the_wall_time": beside,
        "peak_gb": peak,
    }


def markdown(result: dict[str, Any]) -> str:
    """Return the numbers as two tables in Markdown."""
    recipes = result["recipes"]
    shares = list(dict.fromkeys(name for numbers in recipes.values() for name in numbers["shares_of_the_wall_time"]))
    head = ["recipe", "steps", "ms/step", "wall, s", "of what is allowed", "input, of a step", *shares, "peak, GB"]
    rows = [
        [
            f"`{name}`",
            f"{numbers['steps']:,}",
            f"{numbers['ms_per_step']:.1f}",
            f"{numbers['wall_seconds']:.1f}",
            _percent(numbers["wall_over_allowed"]),
            _percent(numbers["input_share_of_a_step"]),
            *(_percent(numbers["shares_of_the_wall_time"].get(share, 0.0)) for share in shares),
            f"{numbers['peak_gb']:.2f}",
        ]
        for name, numbers in recipes.items()
    ]
    starts = [
        [
            f"`{name}`",
            *(f"{seconds:.2f}" for seconds in numbers["start_up"].values()),
            f"{numbers['start_up_seconds']:.2f}",
        ]
        for name, numbers in recipes.items()
    ]
    return (
        f"{table(head, rows)}\n\nAllowed: {result['bar']} x steps x ms/step + start-up. "
        f"Shares of the wall time.\n\n{table(['start-up, s', *_START, 'together'], starts)}"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", nargs="+", default=["all"], metavar="NAME", help="recipes, or all (all)")
    parser.add_argument(
        "--steps", type=int, metavar="N", help="length of each run (by recipe: 30 to 3,000, mlp in full)"
    )
    parser.add_argument("--json", metavar="FILE", help="write the numbers there")
    parser.add_argument("--data-dir", metavar="DIR", help="folder with data (the built-in digits, 60,000)")
    parser.add_argument("--set", metavar="KEY=VALUE", nargs="+", action="extend", default=[], help="any setting")
    return parser


if __name__ == "__main__":
    run(main)
