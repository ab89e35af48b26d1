"""The run folder: the one place that knows what the files of a run are called."""

import contextlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ms_gan.config import Config, config_text, read_config
from ms_gan.errors import UserError
from ms_gan.files import cannot_write, new_folder
from ms_gan.runs.history import read_history
from ms_gan.runs.index import AVERAGE, BEST_FILES, NETWORK, ROLES, Index, drawing_file, read_index, write_index
from ms_gan.runs.lock import holding
from ms_gan.runs.sealed import (
    Damaged,
    check_commented,
    file_digest,
    read_sealed,
    write_commented,
    write_sealed,
)
from ms_gan.runs.stored import state_folders, was_recorded

_GRID = re.compile(r"step-(\d{8,})\.png")
# What atomic_file, write_with and save_state leave when they are killed; other hidden files are somebody else's.
_HALF_FILE = re.compile(r"\..+\.(yaml|json|jsonl|html|png|gif|ckpt)\.[a-z0-9_]{8}\.tmp|\.\d+\.tmp\..+")
_HALF_STATE = re.compile(r"\.state-\d{8,}\.tmp")


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
        self.interpolation = self.path / "interpolation.png"
        self.evaluations = self.path / "evaluation"
        self.report = self.path / "report.html"
        self.tensorboard = self.path / "tensorboard"

    @classmethod
    def new(cls, recipe: str, out: str | None) -> "RunFolder":
        """Return the folder for a new run: `out`, or runs/<recipe>-<date-time> below the current folder.

        Raises
        ------
        UserError
            If `out` holds a run already or what is left of one, or is a file, or cannot be written.
        """
        run = cls(out if out is not None else new_folder(recipe))
        if os.path.exists(run.config_file):
            raise UserError(f"--out {run.path}: holds a run already; go on with --resume {run.path}, or name another")
        try:
            if left := next(run._remains(), None):
                go_on = f"go on with --resume {run.path}, or " if state_folders(run.checkpoints) else ""
                raise UserError(
                    f"--out {run.path}: holds {left.relative_to(run.path)} of a run without its config.yaml; {go_on}"
                    "name another folder"
                )
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
        check_commented(self.config_file)
        return read_config(self.config_file)

    def environment(self) -> dict[str, Any]:
        """Read what the run ran on."""
        return read_sealed(self.environment_file)

    def history(self) -> list[dict[str, Any]]:
        """Read the numbers of the run.

        Raises
        ------
        UserError
            If the file is missing or damaged, or lacks records that the newest state knows of.
        """
        records = read_history(self.history_file)
        found = {record["step"] for record in records}
        for state in reversed(state_folders(self.checkpoints)):
            try:
                known = {record["step"] for record in read_history(state / self.history_file.name)}
            except UserError:  # a damaged copy, or a state of an older version
                continue
            # That of its very step may have been there only because the run ended: a longer one takes it back.
            end = int(state.name[6:]) + was_recorded(state)
            missing = {step for step in known - found if step < end}
            if missing:
                raise Damaged(
                    f"{self.history_file}: is damaged: {len(missing)} records are missing, the first of step "
                    f"{min(missing)}; resume the run to have it mended from {state}"
                )
            break
        return records

    def data_digest(self) -> str:
        """Return the SHA-256 of the images that the run began with."""
        data = self.environment().get("data")
        digest = data.get("sha256") if isinstance(data, dict) else None
        if not isinstance(digest, str):
            raise Damaged(f"{self.environment_file}: is damaged (no data: sha256:)")
        return digest

    def steps_per_epoch(self) -> int:
        """Return in how many steps the run sees its data once."""
        steps = self.environment().get("steps_per_epoch")
        if type(steps) is not int or steps < 1:
            raise Damaged(f"{self.environment_file}: is damaged (steps_per_epoch: {steps!r})")
        return steps

    def write_environment(self, environment: dict[str, Any]) -> None:
        """Write what the run runs on."""
        write_sealed(self.environment_file, environment)

    def write_config(self, config: Config) -> None:
        """Write what was asked; from now on the folder counts as a run."""
        write_commented(self.config_file, config_text(config))

    def grid_picture(self, step: int) -> Path:
        """Return the path of the grid drawn after `step` steps."""
        return self.images / f"step-{step:08d}.png"

    def grid_pictures(self) -> dict[int, Path]:
        """Return the grids that are there, by step, in order."""
        return dict(sorted((int(match[1]), path) for match, path in _matches(self.images, _GRID)))

    def network_files(self, step: int, epoch: int | None, roles: Iterable[str] = ROLES) -> tuple[Path, ...]:
        """Return the checkpoint files of G, D and so on: numbered by epoch at the end of one, else by step."""
        number = f"_step{step}" if epoch is None else str(epoch)
        return tuple(self.checkpoints / f"{role}{number}.ckpt" for role in roles)

    def best_files(self, roles: Iterable[str] = ROLES) -> tuple[Path, ...]:
        """Return the checkpoint files of the best G, D and so on."""
        return tuple(self.checkpoints / f"{role}Best.ckpt" for role in roles)

    def note_networks(self, step: int, files: tuple[Path, ...], keep: int | None) -> None:
        """Note in the index at which step checkpoints were saved; remove what these are newer than.

        That is checkpoints beyond the newest `keep`, and the picture of a walk through the latents.
        """
        index = read_index(self.checkpoints)
        index.saved[step] = _digests(files)
        gone = sorted(index.saved)[:-keep] if keep else []
        names = [name for old in gone for name in index.saved.pop(old)]
        write_index(self.checkpoints, index)
        for name in names:
            _remove(self.checkpoints / name)
        _remove(self.interpolation)

    def note_best(self, measure: str, value: float, step: int, files: tuple[Path, ...]) -> dict[str, Any]:
        """Note in the index what the best networks, just saved as `files`, are the best by; return the note."""
        index = read_index(self.checkpoints)
        note = {"measure": measure, "value": float(value), "step": step, "files": _digests(files)}
        index.best = note
        write_index(self.checkpoints, index)
        return note

    def best(self) -> dict[str, Any] | None:
        """Return measure, value and step of the best networks, or None if none were kept."""
        return read_index(self.checkpoints).best

    def take_back(
        self,
        step: int,
        steps_per_epoch: int,
        *,
        picture_stays: bool,
        networks_stay: bool,
        best: dict[str, Any] | None = None,
    ) -> None:
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
        best : dict, optional
            Note of the best networks up to `step`, whose files are there.
        """
        # States first: killed in between, the run goes on from `step` and takes back the rest then.
        for state in state_folders(self.checkpoints):
            if int(state.name[6:]) > step:
                shutil.rmtree(state, ignore_errors=True)
        for drawn, path in self.grid_pictures().items():
            if drawn > step or (drawn == step and not picture_stays):
                _remove(path)
        index = Index(best=best)
        known = self._known_digests()
        saved: dict[int, dict[str, Path]] = {}
        for match, path in _matches(self.checkpoints, NETWORK):
            number = int(match[3]) if match[2] else (int(match[3]) + 1) * steps_per_epoch
            if number > step or (number == step and not networks_stay):
                _remove(path)
                _remove(self.interpolation)
            else:
                saved.setdefault(number, {})[match[1]] = path
        for number, files in saved.items():
            if files.keys() >= set(ROLES):
                found = [files[role] for role in (*ROLES, AVERAGE) if role in files]
                index.saved[number] = {file.name: known.get(file.name) or file_digest(file) for file in found}
        write_index(self.checkpoints, index)
        if best is None:
            for name in BEST_FILES:
                _remove(self.checkpoints / name)

    def network_index(self) -> dict[int, list[str]]:
        """Return the names of the checkpoint files (G, D, and the average of G where there is one) by step."""
        return {step: list(files) for step, files in read_index(self.checkpoints).saved.items()}

    def generator_file(self) -> Path:
        """Return the newest checkpoint of the generator that one draws with, or raise UserError if there is none."""
        index = self.network_index()
        if not index:
            raise UserError(f"{self.checkpoints}: holds no checkpoint yet; go on with --resume {self.path}")
        return self.checkpoints / drawing_file(index[max(index)])

    def kept_best_files(self) -> list[Path]:
        """Return the checkpoints of the best networks that were kept; none, or those of G, D and any average of G."""
        best = self.best()
        return [self.checkpoints / name for name in best["files"]] if best else []

    def best_generator_file(self) -> Path | None:
        """Return the checkpoint of the best generator that one draws with, or None if none was kept."""
        names = [path.name for path in self.kept_best_files()]
        return self.checkpoints / drawing_file(names) if names else None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for writing; a second writer gets a UserError that names the first.

        The lock is the operating system's, so it ends with its holder, however that ends. Files that a killed
        holder left half written are removed.
        """
        with holding(self.path):
            for folder in (self.path, self.images, self.checkpoints):
                for _, leftover in _matches(folder, _HALF_FILE):
                    if leftover.is_file():
                        _remove(leftover)
            for _, leftover in _matches(self.checkpoints, _HALF_STATE):
                _remove(leftover)
            yield

    def _remains(self) -> Iterator[Path]:
        """Yield what is left of a run that had begun; a killed start leaves no more than real.png and state 0."""
        yield from [self.history_file] if os.path.exists(self.history_file) else []
        yield from (path for path in state_folders(self.checkpoints) if int(path.name[6:]) > 0)
        yield from (path for _, path in _matches(self.checkpoints, NETWORK))
        yield from (self.checkpoints / name for name in read_index(self.checkpoints).digests())
        yield from (*self.grid_pictures().values(), *self.evaluations.glob("*.json"))
        yield from self.tensorboard.glob("events.*")

    def _known_digests(self) -> dict[str, str | None]:
        try:
            return read_index(self.checkpoints).digests()
        except UserError:
            return {}


def _digests(files: tuple[Path, ...]) -> dict[str, str | None]:
    return {file.name: file_digest(file) for file in files}


def _matches(folder: Path, pattern: re.Pattern[str]) -> list[tuple[re.Match[str], Path]]:
    """Return what in `folder` is called after `pattern`, with the match."""
    if not os.path.isdir(folder):
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
