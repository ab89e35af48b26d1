"""One worker of a run on several devices: it does the job that its launcher wrote down, and notes how it ended."""

import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import Any

from ms_gan.config import build_config
from ms_gan.device.team import role, serve_as_scheduler
from ms_gan.errors import Interrupted, TrainingDiverged, UserError
from ms_gan.files import write_atomically
from ms_gan.streams import take_any_name

# Number of the server, for the scheduler that msrun starts.
NODE_VARIABLE = "MS_GAN_NODE_RANK"
ENDINGS = {error.__name__: error for error in (UserError, TrainingDiverged, Interrupted)}


@dataclasses.dataclass(frozen=True)
class JobForWorkers:
    """What all workers do; it goes from the launcher to them as JSON."""

    config: dict[str, Any] | None
    """The configuration of a new run; None: `resume`."""
    resume: str | None
    """The run that is gone on with."""
    settings: list[str]
    """Changes to a run that is resumed."""
    overrides: dict[str, Any]
    """The same by key."""
    options: dict[str, Any]
    """Options of :func:`ms_gan.commands.train.train` or `resume`."""
    command: list[str]
    """The words of the command line, for the record."""


def run_job(file: Path) -> int:
    """Do the job in `file`; return the exit status, which tells the launcher that there is a note of what was wrong."""
    take_any_name()
    if role() == "scheduler":
        # Where all servers are one machine, msrun takes each for the one that the workers meet at.
        if os.environ.get(NODE_VARIABLE, "0") == "0":
            serve_as_scheduler()
        return 0
    number = os.environ.get("RANK_ID", os.environ.get("DEVICE_ID", "0"))
    note, seen = file.with_name(f"worker_{number}.json"), {"process": os.getpid()}
    write_atomically(note, json.dumps(seen))
    try:
        _do(JobForWorkers(**json.loads(file.read_text())))
    except tuple(ENDINGS.values()) as error:
        ending = {"error": type(error).__name__, "message": str(error), "signal": getattr(error, "signal", None)}
        write_atomically(note, json.dumps(seen | ending))
        return 1
    return 0


def _do(job: JobForWorkers) -> None:
    from ms_gan.commands.train import resume, train

    sys.argv = job.command
    if job.resume is None:
        train(build_config(job.config), **job.options)
    else:
        resume(job.resume, settings=job.settings, overrides=job.overrides, **job.options)
