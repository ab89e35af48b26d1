"""In what configurations differ: for the lines that refuse a change, and to tell seeds of one training."""

import dataclasses
from collections.abc import Container

from ms_gan.config.build import flatten, to_mapping
from ms_gan.config.load import config_text
from ms_gan.config.schema import Config, SamplesConfig, SavingConfig


def differences(before: Config, after: Config, free: Container[str] = ()) -> str:
    """Return ``key: old -> new`` of every setting that differs and is not `free`, on one line; empty if none does."""
    old, new = flatten(to_mapping(before)), flatten(to_mapping(after))
    changed = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key) and key not in free]
    # Of a text with line breaks too.
    return " ".join("; ".join(f"{key}: {old.get(key)} -> {new.get(key)}" for key in changed).split())


def apart_from_seed(config: Config) -> str:
    """Return a text that two configurations share if they are one training with any seeds.

    Where the data are, what is drawn and what is saved make no difference.
    """
    data = dataclasses.replace(config.data, folder=None)
    alike = dataclasses.replace(config, seed=0, data=data, saving=SavingConfig(), samples=SamplesConfig())
    return config_text(alike)
