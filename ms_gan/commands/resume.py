"""Going on with a run: which settings may change, and what is taken back before."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ms_gan.commands.show import animate, plot
from ms_gan.config import Config, build_config, to_mapping
from ms_gan.config.load import overlay
from ms_gan.errors import UserError
from ms_gan.runs.folder import RunFolder
from ms_gan.runs.history import keep_records
from ms_gan.training.plan import Plan

# What changes neither the parameters of the steps done nor those to come; everything else is refused.
_FREE = (
    "epochs",
    "steps",
    "minutes",
    "mode",
    "log_every",
    "data.source",
    "data.folder",
    "samples.every",
    "samples.seconds_per_frame",
    "saving.networks_every",
    "saving.networks_keep",
    "saving.state_every",
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
    before, after = _flat(to_mapping(stored)), _flat(to_mapping(changed))
    differences = [
        f"{key}: {before.get(key)} -> {after.get(key)}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key) and key not in _FREE
    ]
    if differences:
        raise UserError(
            f"--resume: these settings cannot change in a run that has begun: {'; '.join(differences)}; "
            "leave them, or start a new run (checkpoints go in with --init-generator and --init-discriminator)"
        )
    return changed


def take_back(run: RunFolder, before: Plan, plan: Plan, step: int) -> None:
    """Remove what is beyond `step`, and what was made at `step` only because the run ended there.

    Parameters
    ----------
    run : RunFolder
        The run, locked.
    before, plan : Plan
        The cadences until now and from now on.
    step : int
        The run goes on after this step.
    """

    def due(kind: str) -> bool:
        return any(getattr(cadences, f"{kind}_due")(step) for cadences in (before, plan))

    keep_records(run.history_file, lambda record: record["step"] < step + due("record"))
    run.take_back(step, plan.steps_per_epoch, picture_stays=due("samples"), networks_stay=due("networks"))


def finish_pictures(run: RunFolder, state: Path) -> None:
    """Draw curves and GIF of a complete run where it was killed before it did so."""
    pictures = (run.losses_picture, run.animation)
    if any(not path.exists() or path.stat().st_mtime < state.stat().st_mtime for path in pictures):
        plot(run)
        animate(run)


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {f"{prefix}{key}": value}
    return flat
