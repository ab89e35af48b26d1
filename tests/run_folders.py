"""Two run folders compared to the bit, and cheap copies of one."""

import json
import os
import shutil
from pathlib import Path

import numpy as np

from ms_gan.config import read_config, to_mapping

# Times, places and the console differ from run to run; of the states all but the newest depend on where it stopped.
_ASIDE = {"log.txt", ".lock", "environment.json", "report.html"}
# Event files are logs, one of each start, with times in them.
_ASIDE_FOLDER = "tensorboard/"
_ASIDE_KEYS = {"seconds", "crc32"}


def differences(one: Path, other: Path, free: tuple[str, ...] = ()) -> list[str]:
    """Return the files in which two runs differ; of the configuration the keys `free` do not count."""
    ours, theirs = _files(one), _files(other)
    found = [f"only one has {name}" for name in sorted(ours ^ theirs)]
    return found + [name for name in sorted(ours & theirs) if not _same(one / name, other / name, free)]


def copy_run(run: Path, to: Path) -> Path:
    """Copy a run; files that are only ever replaced as a whole are linked."""

    def copy(source: str, target: str) -> None:
        (os.link if Path(source).suffix in (".npz", ".ckpt", ".png", ".gif") else shutil.copy2)(source, target)

    return Path(shutil.copytree(run, to, copy_function=copy))


def replace(path: Path, content: bytes) -> None:
    """Give a file of a copied run another content; the original keeps its own."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def states(run: Path) -> list[Path]:
    """Return the state folders, oldest first."""
    return sorted((run / "checkpoints").glob("state-*"))


def _files(run: Path) -> set[str]:
    files = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()} - _ASIDE
    older = tuple(f"checkpoints/{state.name}/" for state in states(run)[:-1])
    return {name for name in files if not name.startswith((_ASIDE_FOLDER, *older))}


def _same(one: Path, other: Path, free: tuple[str, ...]) -> bool:
    if one.suffix == ".npz":
        with np.load(one) as a, np.load(other) as b:
            return a.files == b.files and all(a[name].tobytes() == b[name].tobytes() for name in a.files)
    return _content(one, free) == _content(other, free)


def _content(path: Path, free: tuple[str, ...]):
    if path.name == "history.jsonl":
        records = [json.loads(line) for line in path.read_text().splitlines()]
        return [{key: value for key, value in record.items() if key not in _ASIDE_KEYS} for record in records]
    if path.name == "position.json":
        return {
            key: value for key, value in json.loads(path.read_text()).items() if key in ("step", "rollbacks", "best")
        }
    if path.name == "index.json":
        return json.loads(path.read_text())
    if path.name == "config.yaml":
        return {key: value for key, value in to_mapping(read_config(path)).items() if key not in free}
    return path.read_bytes()
