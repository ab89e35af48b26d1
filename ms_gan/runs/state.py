"""Everything that resuming needs, in one folder per save: complete with a checksum, or not there at all."""

import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mindspore import Parameter, Tensor, ops

from ms_gan.errors import UserError
from ms_gan.files import cannot_write, sync_folder, write_atomically
from ms_gan.runs.checkpoints import first_difference
from ms_gan.runs.sealed import file_digest
from ms_gan.runs.stored import PARAMETERS, POSITION, find_stored, is_due, seal_of, state_folders
from ms_gan.training.loop import Position
from ms_gan.training.players import Players

_KEPT = 2


@dataclass(frozen=True)
class State:
    """A saved state that passed its checks."""

    folder: Path
    position: Position
    about: dict[str, Any] = field(default_factory=dict)
    """What else was saved: configuration, digest of the data, best networks."""

    def file(self, name: str) -> Path | None:
        """Return the state's copy of a file of the run, or None if it holds none."""
        return self.folder / name if name in self.about.get("files", {}) else None


def save_state(
    folder: Path,
    players: Players,
    position: Position,
    about: dict[str, Any] | None = None,
    files: Iterable[Path] = (),
) -> None:
    """Save networks, optimizers and position as `folder`/state-<step>.

    The newest two states are kept, and the newest one that was due rather than made by a signal.

    Parameters
    ----------
    folder : Path
        The run's checkpoints.
    players : Players
        Networks and optimizers.
    position : Position
        Where the run is.
    about : dict, optional
        What JSON can hold; comes back as `State.about`. ``due: False`` marks a state that only a signal made.
    files : iterable of Path
        Files of the run to keep a copy of.
    """
    final = folder / f"state-{position.step:08d}"
    temporary = folder / f".{final.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    arrays = {name: parameter.asnumpy() for name, parameter in player_parameters(players).items()}
    # By way of memory: on a full disk NumPy's archive would leave a traceback of its own on the console.
    archive = io.BytesIO()
    np.savez(archive, **arrays)
    write_atomically(temporary / PARAMETERS, archive.getbuffer())
    try:
        digests = {path.name: _keep(path, temporary / path.name) for path in files}
        content = {
            "step": position.step,
            "seconds": position.seconds,
            "rollbacks": position.rollbacks,
            **(about or {}),
            "files": digests,
        }
        check = seal_of(content, file_digest(temporary / PARAMETERS))
        write_atomically(temporary / POSITION, json.dumps(content | {"sha256": check}))
        shutil.rmtree(final, ignore_errors=True)
        temporary.rename(final)
    except OSError as error:
        raise UserError(cannot_write(final, error)) from error
    sync_folder(folder)
    _prune(folder)


def find_state(
    folder: Path, announce: Callable[[str], None], accept: Callable[[dict[str, Any]], bool] = lambda about: True
) -> State | None:
    """Return the newest undamaged state below `folder` that `accept` takes; damaged ones are announced."""
    found = find_stored(folder, announce, accept)
    if found is None:
        return None
    state, about = found
    return State(state, Position(about["step"], about["seconds"], about.get("rollbacks", 0)), about)


def load_state(state: State, players: Players) -> None:
    """Put a state's parameters into the players.

    Raises
    ------
    UserError
        If the state is of other networks or optimizers, or no archive of plain arrays.
    """
    parameters = player_parameters(players)
    try:
        with np.load(state.folder / PARAMETERS, allow_pickle=False) as archive:
            arrays = dict(archive)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{state.folder}: cannot be read: {error}; remove that folder") from None
    wanted = {name: tuple(parameter.shape) for name, parameter in parameters.items()}
    found = {name: array.shape for name, array in arrays.items()}
    if wanted != found:
        raise UserError(f"{state.folder}: is of other networks ({first_difference(wanted, found)})")
    for name, parameter in parameters.items():
        # Not set_data: steps that are compiled already may go on with the old values.
        ops.assign(parameter, Tensor(arrays[name]))


def player_parameters(players: Players) -> dict[str, Parameter]:
    """Return every parameter of networks, optimizers and average by its name."""
    return {parameter.name: parameter for cell in players.cells() for parameter in cell.get_parameters()}


def _keep(source: Path, target: Path) -> str:
    """Put a copy of a file of the run beside the parameters; return its SHA-256."""
    # No link: a byte that changes in the original would change in every state.
    shutil.copyfile(source, target)
    with open(target, "rb") as stream:
        os.fsync(stream.fileno())
    return file_digest(target)


def _prune(folder: Path) -> None:
    folders = state_folders(folder)
    kept = set(folders[-_KEPT:]) | set([state for state in folders if is_due(state)][-1:])
    for old in folders:
        if old not in kept:
            shutil.rmtree(old, ignore_errors=True)
