"""What can be known of a saved state without MindSpore: whether it is intact, and what was noted in it."""

import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ms_gan.errors import UserError
from ms_gan.runs.index import BEST_FILES
from ms_gan.runs.sealed import file_digest, read_bytes

PARAMETERS, POSITION = "parameters.npz", "position.json"
_FOLDER = re.compile(r"state-(\d{8,})")


def state_folders(checkpoints: Path) -> list[Path]:
    """Return the folders of the states, oldest first."""
    if not os.path.isdir(checkpoints):
        return []
    matches = ((_FOLDER.fullmatch(path.name), path) for path in checkpoints.iterdir())
    return [path for _, path in sorted((int(match[1]), path) for match, path in matches if match) if path.is_dir()]


def find_stored(
    checkpoints: Path, announce: Callable[[str], None], accept: Callable[[dict[str, Any]], bool] = lambda about: True
) -> tuple[Path, dict[str, Any]] | None:
    """Return the newest undamaged state that `accept` takes, and its note; damaged ones are announced."""
    for folder in reversed(state_folders(checkpoints)):
        try:
            about = read_note(folder)
        except (UserError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            announce(f"{folder}: damaged ({error}); trying the state before it")
            continue
        if accept(about):
            return folder, about
    return None


def read_note(folder: Path) -> dict[str, Any]:
    """Return what was noted in a state, after checking all that resuming needs; anything amiss raises.

    Copies of the best networks are checked where they are brought back: without them the run can go on.
    """
    about = json.loads(read_bytes(folder / POSITION))
    check = about.pop("sha256")
    if check != seal_of(about, file_digest(folder / PARAMETERS)):
        raise ValueError("its checksum does not hold")
    for name, digest in about.get("files", {}).items():
        if name not in BEST_FILES and digest != file_digest(folder / name):
            raise ValueError(f"the checksum of {name} does not hold")
    return about | {"step": int(about["step"]), "seconds": float(about["seconds"])}


def seal_of(about: dict[str, Any], parameters: str) -> str:
    """Return one checksum over the note and the digest of the parameters."""
    return hashlib.sha256(json.dumps([about, parameters]).encode()).hexdigest()


def is_due(folder: Path) -> bool:
    """Return whether a state was due, rather than made by a signal or the end of the run; False if unreadable."""
    return _noted(folder, "due", True)


def was_recorded(folder: Path) -> bool:
    """Return whether the history holds a record of a state's step in any case; False if unreadable."""
    return _noted(folder, "recorded", False)


def _noted(folder: Path, key: str, default: bool) -> bool:
    try:
        return json.loads(read_bytes(folder / POSITION)).get(key, default) is True
    except (UserError, ValueError, AttributeError, RecursionError):
        return False
