"""In what two configurations differ, for the lines that refuse a change."""

from collections.abc import Container
from typing import Any

from ms_gan.config.build import to_mapping
from ms_gan.config.schema import Config


def differences(before: Config, after: Config, free: Container[str] = ()) -> str:
    """Return ``key: old -> new`` of every setting that differs and is not `free`, on one line; empty if none does."""
    old, new = _flat(to_mapping(before)), _flat(to_mapping(after))
    changed = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key) and key not in free]
    # Of a text with line breaks too.
    return " ".join("; ".join(f"{key}: {old.get(key)} -> {new.get(key)}" for key in changed).split())


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {f"{prefix}{key}": value}
    return flat
