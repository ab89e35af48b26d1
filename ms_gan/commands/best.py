"""The best networks so far."""

import functools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ms_gan.commands.measures import better
from ms_gan.files import write_with
from ms_gan.runs.checkpoints import save_network
from ms_gan.runs.folder import RunFolder
from ms_gan.runs.sealed import file_digest
from ms_gan.runs.state import State
from ms_gan.runs.stored import state_folders
from ms_gan.training.players import Players


class BestKeeper:
    """Saves the networks whenever the chosen measure is better than ever before.

    Parameters
    ----------
    run : RunFolder
        Where they go.
    players : Players
        The networks.
    measure : str or None
        The measure; None: nothing is kept.
    note : dict or None
        What was noted of the best networks up to now.
    """

    def __init__(self, run: RunFolder, players: Players, measure: str | None, note: dict[str, Any] | None):
        self._run, self._players, self._measure = run, players, measure
        self.note = note
        """measure, value, step and files of the best networks so far."""

    def see(self, record: dict[str, float]) -> str | None:
        """Save the networks if the record is the best so far; return a line that says so."""
        value = record.get(self._measure)
        if value is None:
            return None
        known = self.note if self.note and self.note["measure"] == self._measure else None
        if known and not better(self._measure, value, known["value"]):
            return None
        networks = self._players.networks()
        files = self._run.best_files(networks)
        for path, network in zip(files, networks.values(), strict=True):
            save_network(path, network)
        self.note = self._run.note_best(self._measure, value, record["step"], files)
        kept = self._run.best_generator_file()
        before = f" (before: {known['value']:.4f} at step {known['step']:,})" if known else ""
        return f"Best so far: {self._measure} {value:.4f} at step {record['step']:,}{before}, kept as {kept.name}"


def restore_best(run: RunFolder, state: State, announce: Callable[[str], None]) -> dict[str, Any] | None:
    """Bring back the best networks as they were when a state was saved.

    Parameters
    ----------
    run : RunFolder
        The run, locked.
    state : State
        Its note says which networks were the best. Copies of them are in this state and in others of the run.
    announce : callable
        Takes the line that says that no intact copy is left.

    Returns
    -------
    dict or None
        The note, whose files are there; None where there were no best networks, or none is left.
    """
    note = state.about.get("best")
    if note is None:
        return None
    folders = (run.checkpoints, state.folder, *reversed(state_folders(run.checkpoints)))
    copies = {}
    for name, digest in note["files"].items():
        copies[name] = next((folder / name for folder in folders if _holds(folder / name, digest)), None)
    if None in copies.values():
        announce(f"{run.checkpoints}: no intact copy of the best networks of step {note['step']:,} is left")
        return None
    for name, copy in copies.items():
        if copy != run.checkpoints / name:
            write_with(run.checkpoints / name, functools.partial(shutil.copyfile, copy))
    return note


def _holds(path: Path, digest: str) -> bool:
    """Tell whether a file is there and has that SHA-256."""
    try:
        return file_digest(path) == digest
    except OSError:
        return False
