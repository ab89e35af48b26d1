"""A run and everything that works on it."""

from dataclasses import dataclass

from ms_gan.commands.console import Console
from ms_gan.config import Config
from ms_gan.data.images import ImageSet
from ms_gan.runs.folder import RunFolder
from ms_gan.training.parallel import Alone
from ms_gan.training.plan import Plan
from ms_gan.training.players import Players


@dataclass(frozen=True)
class Job:
    """A run that is about to be trained, with its folder locked."""

    config: Config
    plan: Plan
    images: ImageSet
    players: Players
    run: RunFolder
    console: Console
    worker: Alone
