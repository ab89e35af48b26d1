"""How much of the disk a run may take at most."""

import math
from collections.abc import Iterable
from typing import Any

from ms_gan.config import Config
from ms_gan.pictures.grid import ABOUT
from ms_gan.runs.state import player_parameters
from ms_gan.training.plan import Plan
from ms_gan.training.players import Players
from ms_gan.wording import plural

# The two newest, one that was due before a signal made those, and the one that is being written.
_STATES = 4
_FRAMES = 120  # of the GIF, at most
_CURVES = 1.5  # MB
_RECORD, _LINE, _EVENT = 400e-6, 250e-6, 800e-6  # MB of a record in the history, in the log, and as an event


def describe_disk(config: Config, players: Players, plan: Plan) -> str:
    """Return the line that says how many MB the run folder may take at most, and what for."""
    networks = sum(_megabytes(network.get_parameters()) for network in players.networks().values())
    state = _megabytes(player_parameters(players).values())
    best = networks if config.saving.best else 0.0
    picture, frame = _picture(config)
    if plan.total_steps is None:
        kept = config.saving.networks_keep
        fixed = _STATES * (state + best) + best + (kept + 1 if kept else 0) * networks + _FRAMES * frame + _CURVES
        picture += config.tensorboard * picture
        each = "" if kept else f" and {networks:.1f} MB for each checkpoint (--keep N bounds them)"
        return f"Disk: at most {fixed:,.0f} MB, and {picture:.2f} MB for each grid{each}"
    records = plan.total_steps // config.log_every + _count(plan, None) + _count(plan, config.evaluation.every or 0)
    checkpoints = _count(plan, config.saving.networks_every)
    if config.saving.networks_keep is not None:
        checkpoints = min(checkpoints, config.saving.networks_keep + 1)
    grids = _count(plan, config.samples.every)
    history = (records + grids) * _RECORD
    shares = {
        f"{plural(checkpoints, 'checkpoint')} of {networks:.1f} MB": checkpoints * networks,
        f"up to {_STATES} states of {state + best + history:.1f} MB": _STATES * (state + best + history),
        "the best networks": best,
        f"{plural(grids, 'grid')} and the GIF": grids * picture + min(grids, _FRAMES) * frame,
        "TensorBoard": config.tensorboard * (grids * picture + (records + grids) * _EVENT),
        "history, log and curves": history + (records + grids) * _LINE + _CURVES,
    }
    listed = ", ".join(f"{name}" for name, size in shares.items() if size)
    return f"Disk: at most {sum(shares.values()):,.0f} MB: {listed}"


def _count(plan: Plan, every: int | None) -> int:
    """Return how often something is done that is due every so many steps (None: epochs; 0: never), and at the end."""
    return 0 if every == 0 else plan.total_steps // (every or plan.steps_per_epoch) + 1


def _megabytes(parameters: Iterable[Any]) -> float:
    # Each has a name and a header beside its numbers.
    return sum(4 * parameter.size + 400 for parameter in parameters) / 1e6


def _picture(config: Config) -> tuple[float, float]:
    """Return MB of a grid as a PNG file and as a frame of the GIF; noise, the worst case, hardly packs."""
    count, size, channels = config.samples.rows * config.samples.columns, config.data.size, config.data.channels
    pixels = count * size * size
    enlarged = max(1.0, ABOUT / math.sqrt(pixels))
    return (2 * pixels * channels + 20_000) / 1e6, (1.4 * pixels * enlarged + 30_000) / 1e6
