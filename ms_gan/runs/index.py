"""The index of a run's checkpoints: which file belongs to which step, what it must hold, and which is the best."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ms_gan.errors import UserError
from ms_gan.runs.sealed import Damaged, file_digest, read_sealed, write_sealed

ROLES = ("Generator", "Discriminator")
AVERAGE = "GeneratorEMA"
"""The average of G, which only some runs have; pictures are drawn with it then."""
NETWORK = re.compile(r"(GeneratorEMA|Generator|Discriminator)(_step)?(\d+)\.ckpt")
BEST_FILES = tuple(f"{role}Best.ckpt" for role in (*ROLES, AVERAGE))
_SETS = (ROLES, (*ROLES, AVERAGE))
_INDEX, _BEST = "index.json", "best"


@dataclass
class Index:
    """What is known of the checkpoints of a folder."""

    saved: dict[int, dict[str, str | None]] = field(default_factory=dict)
    """By step: the files of G, D and any average with their SHA-256 (None where an older version noted none)."""
    best: dict[str, Any] | None = None
    """measure, value, step, and files with their SHA-256, of the best networks so far."""

    def digests(self) -> dict[str, str | None]:
        """Return the SHA-256 of every file that is known."""
        known = {name: digest for files in self.saved.values() for name, digest in files.items()}
        return known | (self.best["files"] if self.best else {})


def read_index(folder: Path) -> Index:
    """Read the index of a folder of checkpoints; a folder without one has an empty index.

    Raises
    ------
    UserError
        If it is damaged.
    """
    path = folder / _INDEX
    if not os.path.exists(path):
        return Index()
    try:
        content = read_sealed(path)
        best = content.pop(_BEST, None)
        return Index({int(step): _files(names) for step, names in content.items()}, _best(best))
    except (Damaged, ValueError):
        raise Damaged(f"{path}: is damaged; resume the run to have it written again") from None


def write_index(folder: Path, index: Index) -> None:
    """Write the index of a folder of checkpoints."""
    content: dict[str, Any] = {str(step): index.saved[step] for step in sorted(index.saved)}
    write_sealed(folder / _INDEX, content | ({_BEST: index.best} if index.best else {}))


def drawing_file(names: list[str]) -> str:
    """Return which of the checkpoints of a step, or of the best ones, pictures are drawn with."""
    return names[-1] if len(names) > len(ROLES) else names[0]


def check_digest(path: Path) -> None:
    """Raise UserError if a checkpoint is not as the index beside it says; one that no index knows passes."""
    if not NETWORK.fullmatch(path.name) and path.name not in BEST_FILES:
        return  # not of a run; an index.json beside it is somebody else's
    digest = read_index(path.parent).digests().get(path.name)
    try:
        intact = digest is None or digest == file_digest(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    if not intact:
        raise UserError(f"{path}: is damaged (its checksum in {_INDEX} does not hold); take another checkpoint")


def _files(names: Any) -> dict[str, str | None]:
    """Return the files of G, D and any average with their digests; anything else raises ValueError."""
    if isinstance(names, list):  # without digests, as older versions have it
        names = dict.fromkeys(names) if all(isinstance(name, str) for name in names) else None
    if not isinstance(names, dict) or not all(digest is None or isinstance(digest, str) for digest in names.values()):
        raise ValueError
    matches = [NETWORK.fullmatch(name) for name in names]
    if tuple(match and match[1] for match in matches) not in _SETS:
        raise ValueError
    return names


def _best(note: Any) -> dict[str, Any] | None:
    if note is None:
        return None
    kinds = {"measure": str, "value": float, "step": int, "files": dict}
    if not isinstance(note, dict) or not all(isinstance(note.get(key), kind) for key, kind in kinds.items()):
        raise ValueError
    if tuple(note["files"]) not in (BEST_FILES[:2], BEST_FILES):
        raise ValueError
    return note
