"""The runs of `ms-gan compare`, each in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ms_gan.device import cpu_settings
from ms_gan.device.settings import SYNONYMS, user_environment, with_package
from ms_gan.errors import UserError
from ms_gan.runs.folder import RunFolder
from ms_gan.runs.history import read_history

LOG_EVERY = 5


@dataclass(frozen=True)
class Way:
    """A way to run a recipe: its key, its name in tables, and options of `ms-gan train` (None: the stock script)."""

    name: str
    title: str
    options: tuple[str, ...] | None


@dataclass(frozen=True)
class Trial:
    """What one run gave; the stock script has random numbers of its own, so its parameters are not kept."""

    timing: dict[str, Any]
    history: list[dict[str, float]]
    parameters: dict[str, np.ndarray]
    data: dict[str, Any] | None = None
    """What it was trained on, as environment.json has it."""


def run_train(recipe: Path, way: Way, steps: int, out: Path, target: str) -> Trial:
    """Run `ms-gan train` to its end and read its run folder."""
    words = ["train", "--config", str(recipe), "--steps", str(steps), "--log-every", str(LOG_EVERY), "--out", str(out)]
    _run(way.title, ["-m", "ms_gan", *words, "--device", target.lower(), *way.options], user_environment())
    run = RunFolder(out)
    with np.load(run.checkpoints / f"state-{steps:08d}" / "parameters.npz", allow_pickle=False) as arrays:
        parameters = {name: arrays[name] for name in arrays.files}
    history = [{key: record[key] for key in record if key != "seconds"} for record in read_history(run.history_file)]
    environment = run.environment()
    return Trial(environment["timing"] | {"steps": steps}, history, parameters, environment["data"])


def run_stock(recipe: Path, target: str, limits: tuple[int, int, float], out: Path) -> Trial:
    """Run the stock script; `limits` are the least and most timed steps and the seconds after which it stops."""
    least, most, seconds = limits
    numbers = out.with_suffix(".json")
    request = {"config": str(recipe), "target": target, "least": least, "most": most, "seconds": seconds}
    words = ["-m", "ms_gan.commands.stock", json.dumps(request | {"out": str(numbers)})]
    _run("stock MindSpore", words, stock_environment())
    return Trial(json.loads(numbers.read_text()), [], {})


def stock_environment() -> dict[str, str]:
    """Return the environment of somebody who never heard of the settings that ms_gan makes."""
    known = {synonym for name in cpu_settings() for synonym in SYNONYMS.get(name, (name,))}
    return {name: value for name, value in user_environment().items() if name not in known}


def _run(title: str, words: Sequence[str], environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, *words],
        env=with_package(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"the {title} run ended with status {done.returncode}: {last}")
