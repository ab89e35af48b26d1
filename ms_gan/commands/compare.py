"""`ms-gan compare`: graph mode against PyNative, for speed, memory and bits."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ms_gan.config import Config, config_text
from ms_gan.errors import UserError
from ms_gan.files import write_atomically
from ms_gan.pictures.bars import Measure, save_bars
from ms_gan.runs.folder import RunFolder
from ms_gan.runs.history import read_history

MODES = {"graph": "graph", "pynative": "PyNative"}
_LOG_EVERY = 5


@dataclass(frozen=True)
class Trial:
    """What one run of one mode gave."""

    timing: dict[str, Any]
    history: list[dict[str, float]]
    parameters: dict[str, np.ndarray]


def compare(
    config: Config,
    *,
    steps: int = 100,
    repeats: int = 3,
    out: str | Path | None = None,
    device: Sequence[str] = (),
    announce: Callable[[str], None] = print,
) -> Path:
    """Run both modes alternately, each in a process of its own, and compare them.

    Parameters
    ----------
    config : Config
        What to run; its length and mode do not count.
    steps : int
        Steps of each run.
    repeats : int
        Runs of each mode.
    out : path-like, optional
        Folder for compare.json and compare.png; None: runs/compare-<recipe>-<date-time>.
    device : sequence of str
        Options of ``ms-gan train`` that choose the device.
    announce : callable
        Where the lines go.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    UserError
        If a number is out of range or a run ends with an error.
    """
    if steps < 2 * _LOG_EVERY or not 1 <= repeats <= 100:
        raise UserError(f"compare: --steps must be at least {2 * _LOG_EVERY}, and --repeats from 1 to 100")
    target = Path(out or Path("runs") / f"compare-{config.recipe}-{datetime.now():%Y%m%d-%H%M%S}")
    trials: dict[str, list[Trial]] = {mode: [] for mode in MODES}
    with tempfile.TemporaryDirectory(prefix="ms_gan-compare-") as folder:
        recipe = Path(folder) / "config.yaml"
        write_atomically(recipe, config_text(config))
        for number in range(1, repeats + 1):
            for mode in MODES:
                trial = _run(recipe, mode, steps, Path(folder) / f"{mode}-{number}", device)
                trials[mode].append(trial)
                announce(f"run {number} of {repeats}, {MODES[mode]:10}  {_timing_text(trial.timing)}")
    result = _result(config, steps, trials)
    write_atomically(target / "compare.json", json.dumps(result, indent=2) + "\n")
    _draw(target / "compare.png", config, result)
    announce("")
    announce(compare_table(result))
    return target


def compare_table(result: dict[str, Any]) -> str:
    """Return a result, as compare.json holds it, as a table in Markdown."""
    modes = result["modes"]
    rows = [
        ("compile, first step", "s", "first_step_seconds"),
        ("step", "ms", "ms_per_step"),
        ("images", "1/s", "images_per_second"),
        ("peak memory", "GB", "peak_gb"),
    ]
    lines = [f"| | {' | '.join(MODES[mode] for mode in modes)} |", f"|---|{'---|' * len(modes)}"]
    for title, unit, key in rows:
        cells = [_cell(values[key]) for values in modes.values()]
        lines.append(f"| {title}, {unit} | {' | '.join(cells)} |")
    agreement = result["agreement"]
    same = "the same bits" if agreement["same_bits"] else "DIFFERENT bits"
    lines.append("")
    lines.append(
        f"After {result['steps']} steps: {same}; largest difference of losses {agreement['losses']:.3g}, "
        f"of parameters {agreement['parameters']:.3g}"
    )
    if agreement["same_bits_again"] is not None:
        again = "the same bits" if agreement["same_bits_again"] else "DIFFERENT bits"
        lines.append(f"Graph mode run again with the same seed: {again}")
    return "\n".join(lines)


def _run(recipe: Path, mode: str, steps: int, out: Path, device: Sequence[str]) -> Trial:
    words = ["train", "--config", str(recipe), "--mode", mode, "--steps", str(steps)]
    words += ["--log-every", str(_LOG_EVERY), "--out", str(out), *device]
    root = str(Path(__file__).parents[2])
    paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "-m", "ms_gan", *words],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"compare: the {MODES[mode]} run ended with status {done.returncode}: {last}")
    run = RunFolder(out)
    with np.load(run.checkpoints / f"state-{steps:08d}" / "parameters.npz", allow_pickle=False) as arrays:
        parameters = {name: arrays[name] for name in arrays.files}
    history = [{key: record[key] for key in record if key != "seconds"} for record in read_history(run.history_file)]
    return Trial(run.environment()["timing"], history, parameters)


def _result(config: Config, steps: int, trials: dict[str, list[Trial]]) -> dict[str, Any]:
    images = config.batch_size * config.updates.d_steps
    modes = {}
    for mode, runs in trials.items():
        rates = [run.timing["ms_per_step"] for run in runs]
        modes[mode] = {
            "ms_per_step": _spread(rates),
            "images_per_second": _spread([1000 * images / rate for rate in rates]),
            "first_step_seconds": _spread([run.timing["first_step_seconds"] for run in runs]),
            "peak_gb": _spread([run.timing["peak_gb"] for run in runs]),
        }
    graph = trials["graph"]
    return {
        "recipe": config.recipe,
        "steps": steps,
        "repeats": len(graph),
        "modes": modes,
        "agreement": {
            **_agreement(graph[0], trials["pynative"][0]),
            "same_bits_again": _agreement(graph[0], graph[1])["same_bits"] if len(graph) > 1 else None,
        },
    }


def _agreement(one: Trial, other: Trial) -> dict[str, Any]:
    losses = [
        abs(left[key] - right[key])
        for left, right in zip(one.history, other.history, strict=True)
        for key in ("d_loss", "g_loss")
    ]
    differences = [
        float(np.abs(one.parameters[name].astype(float) - other.parameters[name]).max()) for name in one.parameters
    ]
    same = one.history == other.history and all(
        one.parameters[name].tobytes() == other.parameters[name].tobytes() for name in one.parameters
    )
    return {"same_bits": same, "losses": max(losses), "parameters": max(differences)}


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": float(np.median(values)), "min": min(values), "max": max(values)}


def _cell(spread: dict[str, float]) -> str:
    if spread["min"] == spread["max"]:
        return f"{spread['median']:,.4g}"
    return f"{spread['median']:,.4g} ({spread['min']:,.4g} to {spread['max']:,.4g})"


def _timing_text(timing: dict[str, Any]) -> str:
    return f"{timing['ms_per_step']:8.1f} ms/step  compile {timing['first_step_seconds']:5.1f} s"


def _draw(path: Path, config: Config, result: dict[str, Any]) -> None:
    def measure(title: str, reading: str, key: str) -> Measure:
        values = {
            MODES[mode]: (numbers[key]["min"], numbers[key]["median"], numbers[key]["max"])
            for mode, numbers in result["modes"].items()
        }
        return Measure(title, reading, values)

    same = "the same bits" if result["agreement"]["same_bits"] else "different bits"
    save_bars(
        path,
        [
            measure(
                "Time of a step, ms", "Shorter is faster; whiskers from the fastest to the slowest run.", "ms_per_step"
            ),
            measure("First step, s", "Graph mode compiles here; it pays when the run is long.", "first_step_seconds"),
            measure("Peak memory, GB", "Resident memory of the whole process.", "peak_gb"),
        ],
        title=f"{config.title or config.recipe}: graph mode against PyNative",
        footer=f"Both modes end with {same} after {result['steps']} steps ({result['repeats']} runs of each).",
    )
