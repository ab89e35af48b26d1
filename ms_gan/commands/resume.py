"""Which settings of a run may change when it goes on."""

from collections.abc import Iterable
from typing import Any

from ms_gan.config import Config, build_config, to_mapping
from ms_gan.config.load import overlay
from ms_gan.errors import UserError

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


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {f"{prefix}{key}": value}
    return flat
