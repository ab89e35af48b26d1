"""`ms-gan compare`: graph mode, PyNative and, on request, MindSpore as people write it: speed, memory and bits."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from ms_gan.commands.compare_report import compare_table, draw, make_result
from ms_gan.commands.compare_trials import LOG_EVERY, Trial, Way, run_stock, run_train
from ms_gan.commands.results import result_folder
from ms_gan.config import Config, config_text
from ms_gan.device import choose_device
from ms_gan.errors import UserError
from ms_gan.files import write_atomically

_STOCK_SECONDS = 20


def ways_for(target: str, stock: bool) -> list[Way]:
    """Return the ways to run a recipe that are compared; the first is the one that the others are held against.

    Parameters
    ----------
    target : str
        'CPU' or 'Ascend'. There the levels O0 and O1 of the graph compiler are two ways; on the CPU they are one.
    stock : bool
        Whether the script as people write it is one of them.
    """
    pynative = Way("pynative", "PyNative", ("--mode", "pynative"))
    if target == "CPU":
        ways = [Way("graph", "graph", ("--mode", "graph")), pynative]
    else:
        levels = [
            Way(f"graph_{level}", f"graph {level}", ("--mode", "graph", "--set", f"jit_level={level}"))
            for level in ("O0", "O1")
        ]
        ways = [*levels, pynative]
    return [*ways, Way("stock", "stock", None)] if stock else ways


def compare(
    config: Config,
    *,
    steps: int = 100,
    repeats: int = 3,
    stock: bool = False,
    stock_steps: int | None = None,
    out: str | Path | None = None,
    device: str = "auto",
    require_ascend: bool = False,
    announce: Callable[[str], object] = print,
) -> Path:
    """Run all ways alternately, each run in a process of its own, and compare them.

    Parameters
    ----------
    config : Config
        What to run; its length, mode and compiler level do not count.
    steps : int
        Steps of each run.
    repeats : int
        Runs of each way.
    stock : bool
        Whether to run :mod:`ms_gan.commands.stock` too.
    stock_steps : int, optional
        Timed steps of each of its runs, after the first; None: as many as fit 20 s, from 3 to `steps`.
    out : path-like, optional
        Folder for compare.json and compare.png; None: runs/compare-<recipe>-<date-time>.
    device, require_ascend
        As for :func:`ms_gan.train`.
    announce : callable
        Where the lines go.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    UserError
        If a number is out of range, the folder cannot be written, or a run ends with an error.
    """
    _check(steps, repeats, stock, stock_steps)
    if stock:
        _check_stock(config)
        _tell_what_stock_leaves_out(config, announce)
    with (
        result_folder("compare", config.recipe, out) as target,
        tempfile.TemporaryDirectory(prefix="ms_gan-compare-") as folder,
    ):
        choice = choose_device(device, require_ascend, announce=announce)
        ways = ways_for(choice.target, stock)
        trials: dict[str, list[Trial]] = {way.name: [] for way in ways}
        recipe = Path(folder) / "config.yaml"
        write_atomically(recipe, config_text(config))
        for number in range(1, repeats + 1):
            for way in ways:
                out_of_run = Path(folder) / f"{way.name}-{number}"
                if way.options is None:
                    limits = (stock_steps, stock_steps, 0) if stock_steps else (3, steps, _STOCK_SECONDS)
                    trial = run_stock(recipe, choice.target, limits, out_of_run)
                else:
                    trial = run_train(recipe, way, steps, out_of_run, choice.target)
                trials[way.name].append(trial)
                announce(f"run {number} of {repeats}, {way.title:10}  {_timing_text(trial)}")
        result = make_result(config, choice, steps, ways, trials)
        write_atomically(target / "compare.json", json.dumps(result, indent=2) + "\n")
        draw(target / "compare.png", config, result)
    announce("")
    announce(compare_table(result))
    return target


def _check(steps: int, repeats: int, stock: bool, stock_steps: int | None) -> None:
    if steps < 2 * LOG_EVERY or not 1 <= repeats <= 100:
        raise UserError(f"compare: --steps must be at least {2 * LOG_EVERY}, and --repeats from 1 to 100")
    if stock_steps is not None and not stock:
        raise UserError("compare: --stock-steps goes with --stock")
    if stock_steps is not None and stock_steps < 1:
        raise UserError("compare: --stock-steps must be at least 1")


def _check_stock(config: Config) -> None:
    """Raise UserError for what the stock script does not have."""
    used = {
        "augmentation": bool(config.augmentation),
        "objective.penalty_every": config.objective.penalty_every > 1,
        "updates.accumulate": config.updates.accumulate > 1,
        "updates.fresh_batch: false": not config.updates.fresh_batch and config.updates.d_steps > 1,
        "precision: fp16": config.precision == "fp16",
        "lr_warmup": config.generator_optimizer.lr_warmup + config.discriminator_optimizer.lr_warmup > 0,
        "clip_norm": (config.generator_optimizer.clip_norm or config.discriminator_optimizer.clip_norm) is not None,
    }
    lacking = [name for name, there in used.items() if there]
    if lacking:
        raise UserError(f"compare --stock: the usual script has no {', '.join(lacking)}; leave out --stock")


def _tell_what_stock_leaves_out(config: Config, announce: Callable[[str], object]) -> None:
    """Say that the stock script has no schedules, where the recipe has one."""
    sections = (config.generator_optimizer, config.discriminator_optimizer)
    schedules = sorted({section.schedule for section in sections} - {"constant"})
    if schedules:
        announce(f"Stock keeps the learning rates of the start: it has no schedule (here {', '.join(schedules)}).")


def _timing_text(trial: Trial) -> str:
    timing = trial.timing
    return f"{timing['ms_per_step']:10.1f} ms/step  first step {timing['first_step_seconds']:5.1f} s"
