"""The run folder: the one place that knows what the files of a run are called."""

import contextlib
import fcntl
import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from ms_gan.config import Config, config_text, read_config
from ms_gan.errors import UserError
from ms_gan.files import cannot_write, write_atomically

_GRID = re.compile(r"step-(\d{8,})\.png")
_NETWORK = re.compile(r"(Generator|Discriminator)(_step)?(\d+)\.ckpt")
_STATE = re.compile(r"state-(\d{8,})")
_LEFTOVER = re.compile(r"\..+\.tmp|\.\d+\.tmp\..+")
_INDEX = "index.json"
_ROLES = ("Generator", "Discriminator")


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
        if os.path.exists(run.config_file):
            raise UserError(f"--out {run.path}: holds a run already; go on with --resume {run.path}, or name another")
        if os.path.exists(run.history_file):
            raise UserError(f"--out {run.path}: holds a history without its config.yaml; name another folder")
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
        if not os.path.isfile(run.config_file):
            raise UserError(f"{path}: is no run folder (it has no config.yaml); name a folder that train has made")
        return run

    def config(self) -> Config:
        """Read what was asked of the run."""
        return read_config(self.config_file)

    def environment(self) -> dict[str, Any]:
        """Read what the run ran on."""
        return _read_json(self.environment_file)

    def data_digest(self) -> str:
        """Return the SHA-256 of the images that the run began with."""
        data = self.environment().get("data")
        digest = data.get("sha256") if isinstance(data, dict) else None
        if not isinstance(digest, str):
            raise UserError(f"{self.environment_file}: is damaged (no data: sha256:)")
        return digest

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
        return dict(sorted((int(match[1]), path) for match, path in _matches(self.images, _GRID)))

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
        self._write_index(index)
        for name in names:
            _remove(self.checkpoints / name)

    def take_back(self, step: int, steps_per_epoch: int, *, picture_stays: bool, networks_stay: bool) -> None:
        """Remove what was drawn and saved after `step`.

        The index is written anew from the files, so that a damaged one does no harm.

        Parameters
        ----------
        step : int
            The run goes on after this step.
        steps_per_epoch : int
            To tell the step from a checkpoint that is numbered by its epoch.
        picture_stays, networks_stay : bool
            Whether those made at `step` itself stay.
        """
        for drawn, path in self.grid_pictures().items():
            if drawn > step or (drawn == step and not picture_stays):
                _remove(path)
        saved: dict[int, dict[str, str]] = {}
        for match, path in _matches(self.checkpoints, _NETWORK):
            number = int(match[3]) if match[2] else (int(match[3]) + 1) * steps_per_epoch
            if number > step or (number == step and not networks_stay):
                _remove(path)
            else:
                saved.setdefault(number, {})[match[1]] = path.name
        self._write_index({key: [names[r] for r in _ROLES] for key, names in saved.items() if len(names) == 2})
        for match, path in _matches(self.checkpoints, _STATE):
            if int(match[1]) > step:
                shutil.rmtree(path, ignore_errors=True)

    def network_index(self) -> dict[int, list[str]]:
        """Return the names of the checkpoint files (G, D) by step."""
        path = self.checkpoints / _INDEX
        if not path.exists():
            return {}
        try:
            index = {int(step): _network_names(names) for step, names in _read_json(path).items()}
        except (UserError, ValueError):
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

        The lock is the operating system's, so it ends with its holder, however that ends. Files that a killed
        holder left half written are removed.
        """
        path = self.path / ".lock"
        try:
            stream = open(path, "a+")  # noqa: SIM115
        except OSError as error:
            raise UserError(cannot_write(path, error)) from None
        with stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                stream.seek(0)
                holder = stream.read(200).strip() or "another process"
                raise UserError(f"{self.path}: is being written by {holder}; wait for it, or name another") from None
            except OSError as error:
                raise UserError(f"{path}: cannot be locked: {error.strerror}; name a folder on a local disk") from None
            stream.truncate(0)
            stream.write(f"process {os.getpid()} on {socket.gethostname()}")
            stream.flush()
            for folder in (self.path, self.images, self.checkpoints):
                for _, leftover in _matches(folder, _LEFTOVER):
                    _remove(leftover)
            yield

    def _write_index(self, index: dict[int, list[str]]) -> None:
        content = {str(step): index[step] for step in sorted(index)}
        write_atomically(self.checkpoints / _INDEX, json.dumps(content, indent=1) + "\n")


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


def _network_names(names: Any) -> list[str]:
    """Return the names of a checkpoint of G and one of D; anything else raises ValueError."""
    if not isinstance(names, list) or len(names) != 2 or not all(isinstance(name, str) for name in names):
        raise ValueError
    matches = [_NETWORK.fullmatch(name) for name in names]
    if [match and match[1] for match in matches] != list(_ROLES):
        raise ValueError
    return names


def _matches(folder: Path, pattern: re.Pattern[str]) -> list[tuple[re.Match[str], Path]]:
    """Return what in `folder` is called after `pattern`, with the match."""
    if not folder.is_dir():
        return []
    found = ((pattern.fullmatch(path.name), path) for path in folder.iterdir())
    return [(match, path) for match, path in found if match]


def _remove(path: Path) -> None:
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"cannot remove {path}: {error.strerror}; make its folder writable") from None
