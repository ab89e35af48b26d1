"""The run folder: the one place that knows what the files of a run are called."""

import contextlib
import fcntl
import json
import os
import re
import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from ms_gan.config import Config, config_text, read_config
from ms_gan.errors import UserError
from ms_gan.files import cannot_write, write_atomically

_GRID = re.compile(r"step-(\d{8})\.png")
_INDEX = "index.json"


class RunFolder:
    """A folder with one run in it."""

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self.config_file = self.path / "config.yaml"
        self.environment_file = self.path / "environment.json"
        self.history_file = self.path / "history.jsonl"
        self.log_file = self.path / "log.txt"
        self.checkpoints = self.path / "checkpoints"
        self.images = self.path / "images"
        self.real_picture = self.images / "real.png"
        self.losses_picture = self.path / "losses.png"
        self.animation = self.path / "training.gif"

    @classmethod
    def new(cls, recipe: str, out: str | None) -> "RunFolder":
        """Return the folder for a new run: `out`, or runs/<recipe>-<date-time> below the current folder.

        Raises
        ------
        UserError
            If `out` holds a run already, or is a file, or cannot be written.
        """
        run = cls(out if out is not None else _unused(Path("runs") / f"{recipe}-{datetime.now():%Y%m%d-%H%M%S}"))
        if run.config_file.exists():
            raise UserError(f"--out {run.path}: holds a run already; go on with --resume {run.path}, or name another")
        try:
            run.images.mkdir(parents=True, exist_ok=True)
            run.checkpoints.mkdir(exist_ok=True)
        except OSError as error:
            raise UserError(cannot_write(run.path, error)) from None
        return run

    @classmethod
    def open(cls, path: str | os.PathLike) -> "RunFolder":
        """Return the run folder at `path`, or raise UserError if there is none."""
        run = cls(path)
        if not run.config_file.is_file():
            raise UserError(f"{path}: is no run folder (it has no config.yaml); name a folder that train has made")
        return run

    def config(self) -> Config:
        """Read what was asked of the run."""
        return read_config(self.config_file)

    def environment(self) -> dict[str, Any]:
        """Read what the run ran on."""
        return _read_json(self.environment_file)

    def write_environment(self, environment: dict[str, Any]) -> None:
        """Write what the run runs on."""
        write_atomically(self.environment_file, json.dumps(environment, indent=2, ensure_ascii=False) + "\n")

    def write_config(self, config: Config) -> None:
        """Write what was asked; from now on the folder counts as a run."""
        write_atomically(self.config_file, config_text(config))

    def grid_picture(self, step: int) -> Path:
        """Return the path of the grid drawn after `step` steps."""
        return self.images / f"step-{step:08d}.png"

    def grid_pictures(self) -> dict[int, Path]:
        """Return the grids that are there, by step, in order."""
        found = ((_GRID.fullmatch(path.name), path) for path in self.images.glob("step-*.png"))
        return dict(sorted((int(match[1]), path) for match, path in found if match))

    def network_files(self, step: int, epoch: int | None) -> tuple[Path, Path]:
        """Return the checkpoint files of G and D: numbered by epoch at the end of one, else by step."""
        number = f"_step{step}" if epoch is None else str(epoch)
        return self.checkpoints / f"Generator{number}.ckpt", self.checkpoints / f"Discriminator{number}.ckpt"

    def note_networks(self, step: int, files: tuple[Path, Path], keep: int | None) -> None:
        """Note in the index at which step checkpoints were saved; remove those beyond the newest `keep`."""
        index = self.network_index()
        index[step] = [file.name for file in files]
        gone = sorted(index)[:-keep] if keep else []
        names = [name for old in gone for name in index.pop(old)]
        content = {str(key): index[key] for key in sorted(index)}
        write_atomically(self.checkpoints / _INDEX, json.dumps(content, indent=1) + "\n")
        for name in names:
            (self.checkpoints / name).unlink(missing_ok=True)

    def network_index(self) -> dict[int, list[str]]:
        """Return the names of the checkpoint files (G, D) by step."""
        path = self.checkpoints / _INDEX
        if not path.exists():
            return {}
        try:
            index = {int(step): [_plain_name(name) for name in names] for step, names in _read_json(path).items()}
            if any(len(names) != 2 for names in index.values()):
                raise ValueError
        except (ValueError, TypeError, AttributeError):
            raise UserError(f"{path}: is damaged; resume the run to have it written again") from None
        return index

    def generator_file(self) -> Path:
        """Return the newest checkpoint of the generator, or raise UserError if there is none yet."""
        index = self.network_index()
        if not index:
            raise UserError(f"{self.checkpoints}: holds no checkpoint yet; go on with --resume {self.path}")
        return self.checkpoints / index[max(index)][0]

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for writing; a second writer gets a UserError that names the first.

        The lock is the operating system's, so it ends with its holder, however that ends.
        """
        path = self.path / ".lock"
        try:
            stream = open(path, "a+")  # noqa: SIM115
        except OSError as error:
            raise UserError(cannot_write(path, error)) from None
        with stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                stream.seek(0)
                holder = stream.read(200).strip() or "another process"
                raise UserError(f"{self.path}: is being written by {holder}; wait for it, or name another") from None
            stream.truncate(0)
            stream.write(f"process {os.getpid()} on {socket.gethostname()}")
            stream.flush()
            yield


def _unused(path: Path) -> Path:
    """Return `path`, or `path`-2, -3 ... if it is taken."""
    number, candidate = 1, path
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return candidate


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise UserError(f"{path}: is damaged (no JSON)") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: is damaged (no JSON object)")
    return content


def _plain_name(name: str) -> str:
    if not isinstance(name, str) or Path(name).name != name:
        raise ValueError
    return name
