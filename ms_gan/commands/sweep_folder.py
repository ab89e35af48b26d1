"""The folder of a sweep: it keeps every run as it was asked for, and goes on with nothing else."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ms_gan.commands.resume import data_digest
from ms_gan.commands.sweep_check import check_runs
from ms_gan.commands.sweep_file import Sweep, read_kept, write_kept
from ms_gan.config import Config, build_config, to_mapping
from ms_gan.config.difference import differences
from ms_gan.config.load import overlay
from ms_gan.data.configured import configured_images
from ms_gan.errors import UserError
from ms_gan.files import new_folder
from ms_gan.runs.folder import RunFolder

_KEPT = "sweep.json"
_WHERE = ("data.source", "data.folder")


def begin(folder: Path | None, name: str, sweep: Sweep, announce: Callable[[str], None]) -> Path:
    """Keep a sweep in its folder, or refuse a folder that holds other runs and data that do not suit the sweep.

    Parameters
    ----------
    folder : Path, optional
        The folder of the sweep; None: a new one, runs/<name>-<date-time>.
    name : str
        What a new one is called after.
    sweep : Sweep
        What was asked for.
    announce : callable
        Takes lines about the data.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    UserError
        If the folder holds another sweep, or runs of which nobody knows how they were asked for; or what
        :func:`ms_gan.commands.sweep_check.check_runs` raises.
    """
    if folder is not None and os.path.exists(kept := folder / _KEPT):
        if difference := _difference(read_kept(kept), sweep):
            raise UserError(
                f"--out {folder}: holds another sweep ({difference}); go on with that by --resume {folder}, or name "
                "another folder"
            )
        return folder
    if folder is not None:
        begun = [run for run in sweep.runs if os.path.exists(RunFolder(folder / run).config_file)]
        if begun:
            raise UserError(
                f"--out {folder}: holds runs already ({', '.join(begun)}), but no {_KEPT}; name another folder"
            )
    check_runs(sweep, announce)
    folder = folder or new_folder(name)
    write_kept(folder / _KEPT, sweep)
    return folder


def go_on(folder: Path, overrides: dict[str, Any], announce: Callable[[str], None]) -> Sweep:
    """Return the sweep that a folder was begun with.

    Parameters
    ----------
    folder : Path
        The folder of the sweep.
    overrides : dict
        Dotted settings; only where the data are now may differ, and is kept from then on.
    announce : callable
        Takes lines about the data.

    Raises
    ------
    UserError
        If the folder holds no sweep, a setting would change its runs, or the data are not those of the runs begun.
    """
    if not os.path.isfile(folder / _KEPT):
        raise UserError(
            f"--resume {folder}: holds no {_KEPT}: it is no sweep, or one of an older version, whose runs go on one by "
            "one with ms-gan train --resume RUN"
        )
    kept = read_kept(folder / _KEPT)
    if all(value is None for value in overrides.values()):
        return kept
    runs = {name: _overlaid(config, overrides) for name, config in kept.runs.items()}
    for name, config in runs.items():
        if difference := differences(kept.runs[name], config, _WHERE):
            raise UserError(
                f"--resume {folder}: these settings of {name} cannot change in a sweep that has begun: {difference}; "
                "leave them, or begin another sweep"
            )
    if runs != kept.runs:
        kept = _moved(folder, kept, dataclasses.replace(kept, runs=runs), announce)
    return kept


def _moved(folder: Path, kept: Sweep, moved: Sweep, announce: Callable[[str], None]) -> Sweep:
    """Keep where the data are now, if they are those that the runs so far have seen."""
    places = {(config.data.source, config.data.folder) for config in kept.runs.values()}
    if len(places) > 1:
        told = ", ".join(sorted(f"{source} from {place or 'the cache'}" for source, place in places))
        raise UserError(f"--resume {folder}: its runs take different data ({told}); leave out --data and --data-dir")
    seen = set()
    for name, config in moved.runs.items():
        run = RunFolder(folder / name)
        if run.config_file.exists() and config.data not in seen:
            seen.add(config.data)
            images = configured_images(config.data, announce)
            if images.sha256 != data_digest(run, announce):
                raise UserError(
                    f"--resume {folder}: the data at {images.location} are not those that {name} began with; give "
                    "their folder with --data-dir"
                )
    write_kept(folder / _KEPT, moved)
    return moved


def _overlaid(config: Config, overrides: dict[str, Any]) -> Config:
    return build_config(overlay(to_mapping(config), (), overrides))


def _difference(kept: Sweep, asked: Sweep) -> str:
    """Return in what `asked` differs first, in a few words; empty if in nothing."""
    if list(kept.runs) != list(asked.runs):
        return f"runs: {', '.join(kept.runs)} -> {', '.join(asked.runs)}"
    for name, config in kept.runs.items():
        # An older version kept a relative data folder as it was given.
        if difference := differences(_overlaid(config, {}), asked.runs[name]):
            return f"{name}: {difference}"
    for key in ("evaluate", "extractor"):
        if getattr(kept, key) != getattr(asked, key):
            return f"{key}: {getattr(kept, key)} -> {getattr(asked, key)}"
    return ""
