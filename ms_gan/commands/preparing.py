"""Everything that is settled before a run's first parameter exists, and the checks of what was asked for."""

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ms_gan.commands.tensorboard import check_tensorboard
from ms_gan.config import Config
from ms_gan.config.checks import check_penalty_is_reached
from ms_gan.data.configured import configured_images, fitted
from ms_gan.data.images import ImageSet
from ms_gan.data.stream import BatchStream
from ms_gan.device import DeviceChoice, activate, choose_device
from ms_gan.errors import UserError
from ms_gan.evaluation.cheap import CHEAP_MEASURES
from ms_gan.names import unknown_name
from ms_gan.pictures.grid import check_grid
from ms_gan.training.plan import make_plan


@dataclass(frozen=True)
class TrainOptions:
    """What a training run takes besides its configuration."""

    out: str | os.PathLike | None = None
    """Folder of the run; None: runs/<recipe>-<date-time>."""
    device: str = "auto"
    """auto, ascend or cpu."""
    require_ascend: bool = False
    """End with an error rather than use the CPU."""
    init_generator: str | os.PathLike | None = None
    """A checkpoint to start G from."""
    init_discriminator: str | os.PathLike | None = None
    """A checkpoint to start D from."""

    def __post_init__(self) -> None:
        # They are noted in the run's description, which holds text.
        for name in ("out", "init_generator", "init_discriminator"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, os.fspath(getattr(self, name)))


@dataclass(frozen=True)
class Prepared:
    """Everything that is known before the first parameter exists."""

    config: Config
    images: ImageSet
    stream: BatchStream
    device: DeviceChoice


def prepare(config: Config, options: TrainOptions, announce: Callable[[str], object]) -> Prepared:
    """Choose the device, load the images, and complete the configuration by their shape."""
    check_measures(config)
    check_tensorboard(config)
    choice = choose_device(options.device, require_ascend=options.require_ascend, announce=announce)
    images = configured_images(config.data, announce)
    # Before they are refused: another data set than the one that was meant is seen by this.
    announce(f"Data: {images.described()}")
    for notice in images.notices:
        announce(f"Note: {notice}")
    config, stream = fitted_for_run(config, images)
    activate(choice)
    return Prepared(config, images, stream, choice)


def fitted_for_run(config: Config, images: ImageSet) -> tuple[Config, BatchStream]:
    """Return what :func:`ms_gan.data.configured.fitted` returns; raise UserError also if no film could be drawn."""
    config, stream = fitted(config, images)
    # Before anything is made: film and page are drawn at the very end of a run.
    check_grid(config.samples.rows, config.samples.columns, config.data.size)
    return config, stream


def check_measures(config: Config) -> None:
    """Raise UserError where a measure is unknown, or the one that tells the best networks is never taken."""
    for name in config.evaluation.measures:
        if name not in CHEAP_MEASURES:
            raise UserError(unknown_name("config evaluation.measures", name, CHEAP_MEASURES))
    best, where = config.saving.best, "config saving.best (--keep-best)"
    if best is not None and best not in CHEAP_MEASURES:
        raise UserError(
            f"{unknown_name(where, best, CHEAP_MEASURES)}; losses and D's answers do not tell good pictures"
        )
    if best is not None and (config.evaluation.every is None or best not in config.evaluation.measures):
        raise UserError(
            f"{where}: {best} is never measured; set evaluation.every (--evaluate-every STEPS), and "
            "evaluation.measures where it is not among them"
        )


def check_lazy_penalty(config: Config, batches_per_epoch: int) -> None:
    """Raise UserError where a new run on data of so many batches an epoch is over before its first penalty.

    Apart from :func:`build`, so that a run of before this check can still be resumed.
    """
    check_penalty_is_reached(config, make_plan(config, batches_per_epoch).total_steps)


def check_split(config: Config, size: int) -> None:
    """Raise UserError where a batch cannot be split among `size` workers without changing what is computed."""
    if config.batch_size % size:
        near = max(1, round(config.batch_size / size)) * size
        raise UserError(
            f"--workers {size}: batch_size {config.batch_size} cannot be split into {size} equal shares; "
            f"set a multiple of {size}, for example --set batch_size={near}"
        )
    if config.batch_size // size % config.updates.accumulate:
        raise UserError(
            f"--workers {size}: a share of {config.batch_size // size} images has no {config.updates.accumulate} equal "
            "parts (updates.accumulate)"
        )
    if config.objective.penalty == "dragan" and size > 1:
        raise UserError(
            f"--workers {size}: the penalty dragan takes its noise from the deviation of the whole batch, of which a "
            "worker has a share; choose another penalty, or one worker"
        )


def scheduled_over(config: Config, steps: int | None) -> Config:
    """Return the configuration with `lr_steps` for the schedules that have none."""
    for role in ("generator_optimizer", "discriminator_optimizer"):
        section = getattr(config, role)
        if section.schedule != "constant" and section.lr_steps is None:
            config = dataclasses.replace(config, **{role: dataclasses.replace(section, lr_steps=steps)})
    return config


def build(config: Config, batches_per_epoch: int) -> tuple[Config, Any, Any]:
    """Return the completed configuration, the players and the plan for data of so many batches an epoch."""
    from ms_gan.networks import ImageShape
    from ms_gan.training.setup import build_players

    # Written down, so that a longer run that is resumed keeps the schedule that it began with.
    config = scheduled_over(config, make_plan(config, batches_per_epoch).total_steps)
    try:
        players = build_players(config, ImageShape(config.data.channels, config.data.size))
    except MemoryError:
        raise UserError(
            "the networks do not fit into memory; make them smaller, by latent.size, generator.options and "
            "discriminator.options"
        ) from None
    return config, players, make_plan(config, batches_per_epoch)
