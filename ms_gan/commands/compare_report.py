"""What `ms-gan compare` found: numbers, table and picture."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ms_gan.commands.compare_trials import Trial, Way
from ms_gan.commands.spread import spread, spread_text
from ms_gan.config import Config
from ms_gan.device import DeviceChoice, describe_machine
from ms_gan.pictures.bars import Measure, save_bars
from ms_gan.runs.heading import heading
from ms_gan.wording import plural

_ROWS = (
    ("compile, first step, s", "first_step_seconds"),
    ("step, ms", "ms_per_step"),
    ("images, 1/s", "images_per_second"),
    ("peak memory, GB", "peak_gb"),
)
_STOCK = "Stock: a script with MindSpore's own layers, a pipeline of Python functions and none of ms_gan's settings."


def make_result(
    config: Config, device: DeviceChoice, steps: int, ways: Sequence[Way], trials: dict[str, list[Trial]]
) -> dict[str, Any]:
    """Return what compare.json holds.

    Parameters
    ----------
    config : Config
        What was run.
    device : DeviceChoice
        Where.
    steps : int
        Steps of each run of `ms-gan train`.
    ways : sequence of Way
        The ways; the first is what the others are held against.
    trials : dict
        The runs of each way, by its name.
    """
    first = ways[0].name
    modes = {way.name: {"title": way.title, **_numbers(config, trials[way.name], trials[first])} for way in ways}
    others = {
        way.name: _worst(agreement(trials[first][0], trial) for trial in trials[way.name])
        for way in ways[1:]
        if way.options is not None
    }
    again = [agreement(trials[first][0], trial)["same_bits"] for trial in trials[first][1:]]
    return {
        "recipe": config.recipe,
        "data": trials[first][0].data,
        "device": device.target,
        "machine": describe_machine(),
        "steps": steps,
        "repeats": len(trials[first]),
        "modes": modes,
        "agreement": _worst(others.values()) | {"same_bits_again": all(again) if again else None, "with": others},
    }


def agreement(one: Trial, other: Trial) -> dict[str, Any]:
    """Return whether two runs ended with the same bits, and their largest differences of losses and parameters."""
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


def _worst(agreements: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the same bits where all agreements have them, and the largest of their differences."""
    found = list(agreements)
    return {"same_bits": all(one["same_bits"] for one in found)} | {
        key: max(one[key] for one in found) for key in ("losses", "parameters")
    }


def compare_table(result: dict[str, Any]) -> str:
    """Return a result, as compare.json holds it, as a table in Markdown and lines on agreement."""
    modes, titles = result["modes"], [mode["title"] for mode in result["modes"].values()]
    lines = [f"| | {' | '.join(titles)} |", f"|---|{'---:|' * len(titles)}"]
    for title, key in _ROWS:
        lines.append(f"| {title} | {' | '.join(spread_text(mode[key]) for mode in modes.values())} |")
    ratios = [spread_text(mode["times_the_first"]) for mode in modes.values()]
    lines.append(f"| step, times {titles[0]}'s | {' | '.join(ratios)} |")
    lines.append(f"| steps timed | {' | '.join(str(mode['steps']) for mode in modes.values())} |")
    return "\n".join([*lines, "", *_agreement_lines(result)])


def _agreement_lines(result: dict[str, Any]) -> list[str]:
    modes, found = result["modes"], result["agreement"]
    first = next(iter(modes.values()))["title"]
    lines = []
    for name, numbers in found["with"].items():
        pair = f"{first} and {modes[name]['title']}: " if len(found["with"]) > 1 else ""
        lines.append(
            f"After {result['steps']} steps: {pair}{_bits(numbers['same_bits'])}; "
            f"largest difference of losses {numbers['losses']:.3g}, of parameters {numbers['parameters']:.3g}"
        )
    if found["same_bits_again"] is not None:
        lines.append(f"Graph mode run again with the same seed: {_bits(found['same_bits_again'])}")
    if "stock" in modes:
        lines.append(f"{_STOCK} It draws its own random numbers, so its bits are not compared.")
    return lines


def _bits(same: bool) -> str:
    return "the same bits" if same else "DIFFERENT bits"


def _numbers(config: Config, runs: Sequence[Trial], first: Sequence[Trial]) -> dict[str, Any]:
    images = config.batch_size * config.updates.d_steps
    rates = [run.timing["ms_per_step"] for run in runs]
    numbers = {
        "ms_per_step": rates,
        "images_per_second": [1000 * images / rate for rate in rates],
        "first_step_seconds": [run.timing["first_step_seconds"] for run in runs],
        "peak_gb": [run.timing["peak_gb"] for run in runs],
        # Run by run, so that what slows both down does not count.
        "times_the_first": [rate / run.timing["ms_per_step"] for rate, run in zip(rates, first, strict=True)],
    }
    steps = min(run.timing["steps"] for run in runs)
    return {"steps": steps} | {key: spread(values) for key, values in numbers.items()}


def draw(path: Path, config: Config, result: dict[str, Any]) -> None:
    """Draw the bars."""
    modes = result["modes"]

    def measure(title: str, reading: str, key: str) -> Measure:
        values = {mode["title"]: (mode[key]["min"], mode[key]["median"], mode[key]["max"]) for mode in modes.values()}
        return Measure(title, reading, values)

    titles = [mode["title"] for mode in modes.values()]
    compared = [modes[name]["title"] for name in result["agreement"]["with"]]
    same = "the same bits" if result["agreement"]["same_bits"] else "different bits"
    note = f" {_STOCK}" if "stock" in modes else ""
    save_bars(
        path,
        [
            measure(
                "Time of a step, ms", "Shorter is faster; whiskers from the fastest to the slowest run.", "ms_per_step"
            ),
            measure("First step, s", "Graph mode compiles here; it pays when the run is long.", "first_step_seconds"),
            measure("Peak memory, GB", "Resident memory of the whole process.", "peak_gb"),
        ],
        title=f"{heading(config, result)}: {titles[0]} against {' and '.join(titles[1:])}",
        footer=f"{', '.join([titles[0], *compared])}: {same} after {result['steps']} steps "
        f"({plural(result['repeats'], 'run')} of each).{note}",
    )
