"""In what two configurations differ, for the lines that refuse a change."""

from collections.abc import Container

from ms_gan.config.build import flatten, to_mapping
from ms_gan.config.schema import Config


def differences(before: Config, after: Config, free: Container[str] = ()) -> str:
    """Return ``key: old -> new`` of every setting that differs and is not `free`, on one line; empty if none does."""
    old, new = flatten(to_mapping(before)), flatten(to_mapping(after))
    changed = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key) and key not in free]
    # Of a text with line breaks too.
    return " ".join("; ".join(f"{key}: {old.get(key)} -> {new.get(key)}" for key in changed).split())
