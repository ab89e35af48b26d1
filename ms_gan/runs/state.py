"""Everything that resuming needs, in one folder per save: complete with a checksum, or not there at all."""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mindspore import Parameter, Tensor

from ms_gan.errors import UserError
from ms_gan.files import atomic_file, cannot_write, sync_folder, write_atomically
from ms_gan.runs.checkpoints import file_digest, first_difference
from ms_gan.training.loop import Position
from ms_gan.training.steps import Players

_KEPT = 2
_PARAMETERS, _POSITION = "parameters.npz", "position.json"


@dataclass(frozen=True)
class State:
    """A saved state that passed its checks."""

    folder: Path
    position: Position


def save_state(folder: Path, players: Players, position: Position) -> None:
    """Save networks, optimizers and position as `folder`/state-<step>; the newest two states are kept."""
    final = folder / f"state-{position.step:08d}"
    temporary = folder / f".{final.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    arrays = {name: parameter.asnumpy() for name, parameter in _parameters(players).items()}
    with atomic_file(temporary / _PARAMETERS) as stream:
        np.savez(stream, **arrays)
    content = {"step": position.step, "seconds": position.seconds}
    check = _digest(content, file_digest(temporary / _PARAMETERS))
    write_atomically(temporary / _POSITION, json.dumps(content | {"sha256": check}))
    shutil.rmtree(final, ignore_errors=True)
    try:
        temporary.rename(final)
    except OSError as error:
        raise UserError(cannot_write(final, error)) from error
    sync_folder(folder)
    for old in _state_folders(folder)[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def find_state(folder: Path, announce: Callable[[str], None]) -> State | None:
    """Return the newest undamaged state below `folder`; damaged ones are announced and passed over."""
    for candidate in reversed(_state_folders(folder)):
        try:
            return State(candidate, _check(candidate))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            announce(f"{candidate}: damaged ({error}); trying the state before it")
    return None


def load_state(state: State, players: Players) -> None:
    """Put a state's parameters into the players.

    Raises
    ------
    UserError
        If the state is of other networks or optimizers, or no archive of plain arrays.
    """
    parameters = _parameters(players)
    try:
        with np.load(state.folder / _PARAMETERS, allow_pickle=False) as archive:
            arrays = dict(archive)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{state.folder}: cannot be read: {error}; remove that folder") from None
    wanted = {name: tuple(parameter.shape) for name, parameter in parameters.items()}
    found = {name: array.shape for name, array in arrays.items()}
    if wanted != found:
        raise UserError(f"{state.folder}: is of other networks ({first_difference(wanted, found)})")
    for name, parameter in parameters.items():
        parameter.set_data(Tensor(arrays[name]))


def _check(folder: Path) -> Position:
    content = json.loads((folder / _POSITION).read_bytes())
    check = content.pop("sha256")
    if check != _digest(content, file_digest(folder / _PARAMETERS)):
        raise ValueError("its checksum does not hold")
    return Position(int(content["step"]), float(content["seconds"]))


def _digest(content: dict, parameters: str) -> str:
    """Return one checksum over the position and the parameters."""
    return hashlib.sha256(json.dumps([content, parameters]).encode()).hexdigest()


def _state_folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("state-*") if path.is_dir() and path.name[6:].isdecimal())


def _parameters(players: Players) -> dict[str, Parameter]:
    cells = (
        players.generator,
        players.discriminator,
        players.generator_optimizer,
        players.discriminator_optimizer,
    )
    return {parameter.name: parameter for cell in cells for parameter in cell.get_parameters()}
