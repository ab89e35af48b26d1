"""The best networks so far."""

from pathlib import Path
from typing import Any

from ms_gan.commands.measures import better
from ms_gan.files import write_with
from ms_gan.runs.checkpoints import save_network
from ms_gan.runs.folder import RunFolder
from ms_gan.runs.state import State, link_or_copy
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


def restore_best(run: RunFolder, state: State) -> dict[str, Any] | None:
    """Bring back the best networks as they were when a state was saved; return their note, or None."""
    note = state.about.get("best")
    if note is None:
        return None
    copies = [(run.checkpoints / name, state.file(name)) for name in note["files"]]
    if any(copy is None for _, copy in copies):
        return None
    for path, copy in copies:
        write_with(path, lambda temporary, copy=copy: link_or_copy(copy, Path(temporary)))
    return note
