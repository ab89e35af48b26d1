"""Going on with a run: what was asked of it, and which settings may change."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

from ms_gan.config import Config, build_config, to_mapping
from ms_gan.config.difference import differences
from ms_gan.config.load import overlay
from ms_gan.errors import UserError
from ms_gan.runs.folder import RunFolder
from ms_gan.runs.stored import find_stored

# What changes neither the parameters of the steps done nor those to come; everything else is refused.
_FREE = (
    "epochs",
    "steps",
    "minutes",
    "mode",
    "log_every",
    "on_nan",
    "max_rollbacks",
    "tensorboard",
    "data.source",
    "data.folder",
    "samples.every",
    "samples.seconds_per_frame",
    "saving.networks_every",
    "saving.networks_keep",
    "saving.state_every",
    "saving.best",
    "evaluation.every",
    "evaluation.measures",
    "title",
    "source",
    "reading",
)


def merge_resumed(stored: Config, settings: Iterable[str], overrides: dict[str, Any]) -> Config:
    """Lay changes over the configuration of a run that is resumed.

    Raises
    ------
    UserError
        If a setting would change that the bits depend on; the line shows old and new values.
    """
    changed = build_config(overlay(to_mapping(stored), settings, overrides))
    if different := differences(stored, changed, _FREE):
        raise UserError(
            f"--resume: these settings cannot change in a run that has begun: {different}; "
            "leave them, or start a new run (checkpoints go in with --init-generator and --init-discriminator)"
        )
    return changed


def redrawn(stored: Config, changed: Config) -> Config:
    """Return what was asked of a complete run, with what `changed` has else for its curves, film and page."""
    samples = dataclasses.replace(stored.samples, seconds_per_frame=changed.samples.seconds_per_frame)
    texts = {key: getattr(changed, key) for key in ("title", "source", "reading")}
    return dataclasses.replace(stored, samples=samples, **texts)


def stored_config(path: str, announce: Callable[[str], None]) -> tuple[RunFolder, Config]:
    """Return a run and what was asked of it; a damaged or missing config.yaml is made up for by the newest state.

    Raises
    ------
    UserError
        If there is no run, or no state holds its configuration.
    """
    try:
        run = RunFolder.open(path)
        return run, run.config()
    except UserError as error:
        run = RunFolder(path)
        found = find_stored(run.checkpoints, announce, lambda about: isinstance(about.get("config"), dict))
        if found is None:
            raise
        state, about = found
        config = build_config(about["config"])
        announce(f"{error}. Taken from {state} instead")
        return run, config


def data_digest(run: RunFolder, announce: Callable[[str], None]) -> str:
    """Return the digest of the images that a run began with, from its newest state where the environment is damaged."""
    try:
        return run.data_digest()
    except UserError:
        found = find_stored(run.checkpoints, announce, lambda about: isinstance(about.get("data"), str))
        if found is None:
            raise
        return found[1]["data"]
