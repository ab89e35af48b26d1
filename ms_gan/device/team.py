"""Which worker of how many this process is; a run on several devices is one process for each of them."""

import os
from typing import Literal

from ms_gan.errors import UserError, first_line

Role = Literal["alone", "scheduler", "worker"]

# The wait for the others, in seconds, before a worker gives up; MindSpore's own is ten minutes.
JOIN_SECONDS = 240


def role() -> Role:
    """Return what the environment makes of this process: the only one, the launcher's scheduler, or a worker.

    Returns
    -------
    str
        By ``MS_ROLE``, which `msrun` sets (with ``MA_RUN_METHOD=msrun`` ModelArts starts it itself); otherwise
        by ``RANK_SIZE``, which ModelArts sets, one process per card, with ``RANK_TABLE_FILE`` and ``RANK_ID``.

    Raises
    ------
    UserError
        If the variables say that there are others and not how to find them.
    """
    given = os.environ.get("MS_ROLE", "")
    if given in ("MS_SCHED", "MS_WORKER"):
        return "scheduler" if given == "MS_SCHED" else "worker"
    size, rank, table = (os.environ.get(name, "").strip() for name in ("RANK_SIZE", "RANK_ID", "RANK_TABLE_FILE"))
    if not size or size == "1":
        return "alone"
    if not (size.isascii() and size.isdecimal() and int(size)):
        raise UserError(f"RANK_SIZE={size}: the number of workers is a whole number from 1; unset it to train alone")
    if not os.path.isfile(table):
        raise UserError(
            f"RANK_SIZE={size}: says that there are {size} workers, but RANK_TABLE_FILE={table or '(not set)'} is no "
            "file that tells where; unset RANK_SIZE, to train alone or to start with --workers"
        )
    if not (rank.isascii() and rank.isdecimal() and int(rank) < int(size)):
        raise UserError(
            f"RANK_ID={rank or '(not set)'}: with RANK_SIZE={size} it is a number from 0 to {int(size) - 1}"
        )
    return "worker"


def check_size(asked: int) -> None:
    """Raise UserError where the environment makes this process a worker of another number than was asked for.

    Parameters
    ----------
    asked : int
        What ``--workers`` gave.
    """
    name = "MS_WORKER_NUM" if os.environ.get("MS_ROLE") == "MS_WORKER" else "RANK_SIZE"
    started = os.environ.get(name, "").strip()
    if started != str(asked):
        raise UserError(
            f"--workers {asked}: this process is one of {name}={started or '(not set)'}, started already; leave "
            "--workers out, or unset the variable"
        )


def join() -> tuple[int, int]:
    """Meet the other workers; to be called after the device is activated and before the first Tensor.

    Returns
    -------
    tuple[int, int]
        Number of this worker, from 0, and how many there are.

    Raises
    ------
    UserError
        If they do not all come.
    """
    from mindspore.communication import get_group_size, get_rank, init

    os.environ.setdefault("MS_TOPO_TIMEOUT", str(JOIN_SECONDS))
    try:
        init()
    except RuntimeError as error:
        reason = first_line(error)
        raise UserError(f"the workers did not find each other ({reason}); look at the logs of all of them") from error
    return get_rank(), get_group_size()


def team_size() -> int:
    """Return how many workers have met; 1 where this process is alone."""
    from mindspore.communication import GlobalComm, get_group_size

    return get_group_size() if GlobalComm.INITED else 1


def serve_as_scheduler() -> None:
    """Be the process that brings the workers together, until they are done; it trains nothing."""
    import mindspore
    from mindspore.communication import init

    mindspore.set_device("CPU")
    init()
