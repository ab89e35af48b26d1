"""A run without a run folder, ready for its first step: for what measures steps rather than trains."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ms_gan.commands.preparing import TrainOptions, build, prepare
from ms_gan.config import Config
from ms_gan.data.stream import BatchStream

if TYPE_CHECKING:
    from ms_gan.training.players import Players
    from ms_gan.training.steps import Steps


@dataclass(frozen=True)
class Ready:
    """Everything that the loop takes, built as `ms-gan train` builds it."""

    config: Config
    stream: BatchStream
    players: "Players"
    steps: "Steps"


def make_ready(
    config: Config,
    *,
    device: str = "auto",
    require_ascend: bool = False,
    announce: Callable[[str], object] = print,
) -> Ready:
    """Choose the device, load the data and build networks, optimizers and steps.

    Parameters
    ----------
    config : Config
        The run.
    device, require_ascend
        As for :func:`ms_gan.train`.
    announce : callable
        Where the lines go.

    Returns
    -------
    Ready
        Nothing is compiled yet.

    Raises
    ------
    UserError
        If something that was given is wrong.
    """
    prepared = prepare(config, TrainOptions(device=device, require_ascend=require_ascend), announce)
    config, players, _ = build(prepared.config, prepared.stream.batches_per_epoch)
    # mindspore, only now that its settings are made.
    from ms_gan.networks import ImageShape
    from ms_gan.training.setup import prepare_steps

    image = ImageShape(config.data.channels, config.data.size)
    return Ready(config, prepared.stream, players, prepare_steps(players, config, image, announce))
