"""The file of a sweep, which says what each run changes, and the kept one, which holds every configuration whole."""

import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ms_gan.commands.evaluation_source import FEWEST, MOST
from ms_gan.config import Config, build_config, load_config, to_mapping
from ms_gan.config.build import flatten
from ms_gan.config.checks import check_effect, idle_settings
from ms_gan.config.difference import differences
from ms_gan.config.load import find_base, read_yaml
from ms_gan.errors import UserError
from ms_gan.evaluation.extractors import AUTO, CHOICES
from ms_gan.names import unknown_name
from ms_gan.runs.sealed import read_sealed, write_sealed

_KEYS = ("base", "set", "runs", "evaluate", "extractor")
_RUN_KEYS = ("name", "config", "set")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=+-]{0,80}")
_MOST_RUNS = 100


@dataclass(frozen=True)
class Sweep:
    """A sweep, checked."""

    runs: dict[str, Config]
    """By name, in order."""
    evaluate: int | None
    """Images to evaluate each run with; None: no evaluation."""
    extractor: str = AUTO
    """By which they are compared; see :func:`ms_gan.evaluation.extractors.choose_extractor`."""


def read_sweep(path: Path, overrides: Mapping[str, Any]) -> Sweep:
    """Read a sweep and build the configuration of every run.

    Parameters
    ----------
    path : Path
        A YAML file: `base` (as :func:`ms_gan.config.load.find_base` takes it), `set` (settings of all runs), `runs` (a
        list, each with a `name`, and a `config` of its own or settings to `set`, or both), `evaluate` (a number of
        images), `extractor` (to evaluate by: auto, cnn, turns or random-conv-v1).
    overrides : mapping
        Dotted settings that win over those of the file; None values are ignored.

    Raises
    ------
    UserError
        If the file cannot be read, holds an unknown key, a run cannot be built, or two runs are the same.
    """
    values = read_yaml(path)
    sweep = _sweep(path, values, lambda where, entry: _config(path, where, values, entry, overrides))
    for one, other in itertools.combinations(sweep.runs, 2):
        if not _differ(sweep.runs[one], sweep.runs[other]):
            raise UserError(
                f"{path}: {one} and {other} would be the same run: settings of the command line are for all runs, over "
                "those of the file; change one, or leave it out"
            )
    return sweep


def _differ(one: Config, other: Config) -> bool:
    """Tell whether two runs differ in a setting that has an effect in one of them."""
    return bool(differences(one, other, idle_settings(one).keys() & idle_settings(other).keys()))


def write_kept(path: Path, sweep: Sweep) -> None:
    """Write a sweep with the whole configuration of every run, so that it depends on no other file and no option."""
    runs = [{"name": name, "config": to_mapping(config)} for name, config in sweep.runs.items()]
    write_sealed(path, {"runs": runs, "evaluate": sweep.evaluate, "extractor": sweep.extractor})


def read_kept(path: Path) -> Sweep:
    """Read what :func:`write_kept` wrote; what is damaged raises UserError."""
    return _sweep(path, read_sealed(path), _whole)


def _sweep(path: Path, values: dict[str, Any], config_of: Callable[[str, dict], Config]) -> Sweep:
    """Check what a file of a sweep holds; `config_of` takes the place of a run, for messages, and its entry."""
    _known(values, _KEYS, f"{path}")
    entries = values.get("runs")
    if not isinstance(entries, list) or not 2 <= len(entries) <= _MOST_RUNS:
        raise UserError(f"{path}: runs: must be a list of 2 to {_MOST_RUNS} runs, each with a name")
    runs: dict[str, Config] = {}
    for number, entry in enumerate(entries, 1):
        where = f"{path}: run {number}"
        if not isinstance(entry, dict):
            raise UserError(f"{where}: expected keys and values, such as 'name: first'")
        _known(entry, _RUN_KEYS, where)
        name = entry.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name.endswith("."):
            raise UserError(f"{where}: name: {name!r} cannot name a folder; take letters, digits and . _ = + -")
        if name in runs:
            raise UserError(f"{where}: the name {name!r} is taken; give every run its own")
        runs[name] = config_of(where, entry)
    evaluate = values.get("evaluate")
    if evaluate is not None and not (type(evaluate) is int and FEWEST <= evaluate <= MOST):
        raise UserError(f"{path}: evaluate: {evaluate!r} is no number of images from {FEWEST} to {MOST:,}")
    # Not in files of older versions.
    extractor = values.get("extractor", AUTO)
    if extractor not in CHOICES:
        raise UserError(unknown_name(f"{path}: extractor", extractor, CHOICES))
    if extractor != AUTO and evaluate is None:
        raise UserError(f"{path}: extractor: goes with evaluate, a number of images; add it or leave both out")
    return Sweep(runs, evaluate, extractor)


def _config(path: Path, where: str, values: dict, entry: dict, overrides: Mapping[str, Any]) -> Config:
    key = "config" if "config" in entry else "base"
    base = entry.get("config", values.get("base"))
    if not isinstance(base, str):
        raise UserError(f"{where}: name a recipe with config:, or one for all with base: at the top")
    file = find_base(base, path.parent, f"{where}: {key}")
    common, own = _settings(values, str(path)), _settings(entry, where)
    try:
        config = load_config(str(file), common | own, overrides)
        # Else one training would be ranked twice, as two variants. The settings of all runs may be for some of them.
        check_effect(config, own)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    return config


def _whole(where: str, entry: dict) -> Config:
    config = entry.get("config")
    if not isinstance(config, dict):
        raise UserError(f"{where}: config: expected the settings of the run")
    try:
        return build_config(config)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def _settings(values: dict, where: str) -> dict[str, Any]:
    changes = values.get("set") or {}
    if not isinstance(changes, dict) or not all(isinstance(key, str) for key in changes):
        raise UserError(f"{where}: set: expected keys and values, such as 'objective.loss: hinge'")
    # So that a section is changed and not replaced.
    return flatten(changes)


def _known(values: dict, known: tuple[str, ...], where: str) -> None:
    for key in values:
        if key not in known:
            raise UserError(unknown_name(f"{where}: key", key, known))
