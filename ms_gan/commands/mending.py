"""Bringing a run folder back to a saved state, and mending what of a complete run is damaged."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ms_gan.commands.best import restore_best
from ms_gan.commands.job import Job
from ms_gan.commands.show import animate, plot
from ms_gan.errors import UserError
from ms_gan.report import write_report
from ms_gan.runs.checkpoints import save_network
from ms_gan.runs.folder import RunFolder
from ms_gan.runs.history import read_history, write_records
from ms_gan.runs.index import check_digest, read_index
from ms_gan.runs.state import State, load_state
from ms_gan.training.plan import Plan


def restore(
    run: RunFolder, state: State, before: Plan, plan: Plan, announce: Callable[[str], None]
) -> dict[str, Any] | None:
    """Take back what is beyond a state, and what was made at its step only because the run ended there.

    Parameters
    ----------
    run : RunFolder
        The run, locked.
    state : State
        The run goes on from here.
    before, plan : Plan
        The cadences until now and from now on.
    announce : callable
        Takes a line about what is lost.

    Returns
    -------
    dict or None
        What is noted of the best networks so far, whose files are there.
    """
    step = state.position.step

    def due(kind: str) -> bool:
        return any(getattr(cadences, f"{kind}_due")(step) for cadences in (before, plan))

    records = _records(run, state)
    best = restore_best(run, state, announce)
    stays = {"picture_stays": due("samples"), "networks_stay": due("networks")}
    run.take_back(step, plan.steps_per_epoch, **stays, best=best)
    write_records(run.history_file, [record for record in records if record["step"] < step + due("record")])
    return best


def mend_complete(job: Job, state: State) -> None:
    """Mend what can be mended of a complete run from its last state, and draw what was never drawn."""
    run, console = job.run, job.console
    if _damaged(run.history):
        write_records(run.history_file, _records(run, state))
        console.line(f"{run.history_file}: was damaged, written again from {state.folder}")
    if _damaged(lambda: read_index(run.checkpoints)):
        best = restore_best(run, state, console.line)
        run.take_back(state.position.step, job.plan.steps_per_epoch, picture_stays=True, networks_stay=True, best=best)
        console.line(f"{run.checkpoints}: its index was damaged, written again")
    best_is_damaged = any(_damaged(lambda path=path: check_digest(path)) for path in run.kept_best_files())
    if best_is_damaged and restore_best(run, state, console.line):
        console.line(f"{run.checkpoints}: the best networks were damaged, brought back from a state's copy")
    newest = [run.checkpoints / name for name in run.network_index().get(state.position.step, [])]
    if any(_damaged(lambda path=path: check_digest(path)) for path in newest):
        load_state(state, job.players)
        for path, network in zip(newest, job.players.networks().values(), strict=True):
            save_network(path, network)
            console.line(f"{path}: was damaged, written again from {state.folder}")
    _finish_pictures(run, state.folder)


def _finish_pictures(run: RunFolder, state: Path) -> None:
    """Draw curves and GIF of a complete run, and write its page, where they are older than its end or its settings."""
    pictures = (run.losses_picture, run.animation, run.report)
    since = max(path.stat().st_mtime for path in (state, run.config_file))
    if any(not path.exists() or path.stat().st_mtime < since for path in pictures):
        plot(run)
        animate(run)
        write_report(run)


def _records(run: RunFolder, state: State) -> list[dict[str, Any]]:
    """Return the history up to a state, from its copy; states of older versions hold none."""
    copy = state.file(run.history_file.name)
    if copy is not None:
        return read_history(copy)
    older = "files" not in state.about
    return read_history(run.history_file) if older and run.history_file.exists() else []


def _damaged(look) -> bool:
    try:
        look()
    except (UserError, OSError):
        return True
    return False
