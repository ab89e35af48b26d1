"""Environment variables that MindSpore reads once, when it is imported."""

import json
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# What ms_gan itself has set: told from the user's own in a second call and in child processes.
OWN_SETTINGS = "MS_GAN_OWN_SETTINGS"
# oneDNN reads this older name too, but the newer one wins: so the user's older one must stop ours.
SYNONYMS = {"ONEDNN_MAX_CPU_ISA": ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")}


@dataclass(frozen=True)
class AppliedSettings:
    """What became of the settings that were wanted: in force, the user's own, or too late."""

    in_force: dict[str, str]
    kept: dict[str, str]
    too_late: dict[str, str]


def cpu_settings() -> dict[str, str]:
    """Return the settings that make MindSpore fast on this CPU; wrong on Ascend.

    Returns
    -------
    dict[str, str]
        ``MS_DEV_HOST_BLOCKING_RUN=1``: without it runtime queues spin and starve the computing threads.
        On x86-64 also ``ONEDNN_MAX_CPU_ISA=ALL``: matrix products with all that the CPU has. The cap AVX2,
        which saves MindSpore's own convolutions from oneDNN's reference kernel, halves their speed, and the
        layers of `ms_gan.networks.batch_last` are all matrix products.
    """
    settings = {"MS_DEV_HOST_BLOCKING_RUN": "1"}
    if platform.machine().lower() in ("x86_64", "amd64"):
        settings["ONEDNN_MAX_CPU_ISA"] = "ALL"
    return settings


def settings_for(target: str) -> dict[str, str]:
    """Return every setting wanted for `target` ('Ascend' or 'CPU'); ``GLOG_v=3`` shows errors only."""
    return {"GLOG_v": "3"} | (cpu_settings() if target == "CPU" else {})


def apply_settings(wanted: dict[str, str]) -> AppliedSettings:
    """Put `wanted` into the environment, never over a value that the user set.

    Settings of an earlier call that are not wanted now (another device was chosen) are taken back. Once
    mindspore has been imported nothing is changed any more, because it would have no effect.

    Parameters
    ----------
    wanted : dict[str, str]
        Environment variables by name.

    Returns
    -------
    AppliedSettings
        ``too_late`` tells what could not be set or taken back because mindspore was imported first.
    """
    imported = "mindspore" in sys.modules
    own = own_settings()
    in_force, kept, too_late = {}, {}, {}
    for name in set(own) - set(wanted):
        if imported:
            too_late[name] = f"still {own[name]}"
        else:
            del os.environ[name], own[name]
    for name, value in wanted.items():
        theirs = next((n for n in SYNONYMS.get(name, (name,)) if n in os.environ and n not in own), None)
        if theirs:
            kept[theirs] = os.environ[theirs]
        elif name in own:
            in_force[name] = own[name]
        elif imported:
            too_late[name] = f"not {value}"
        else:
            os.environ[name] = own[name] = in_force[name] = value
    os.environ[OWN_SETTINGS] = json.dumps(own)
    return AppliedSettings(in_force, kept, too_late)


def own_settings() -> dict[str, str]:
    """Return the settings that ms_gan made in this process or its parent and that nobody changed since."""
    try:
        noted = json.loads(os.environ.get(OWN_SETTINGS, "{}"))
        return {name: value for name, value in noted.items() if os.environ.get(name) == value}
    except (ValueError, AttributeError):
        return {}


def user_environment() -> dict[str, str]:
    """Return a copy of the environment as the user gave it, without ms_gan's own settings."""
    own = own_settings()
    return {name: value for name, value in os.environ.items() if name not in own and name != OWN_SETTINGS}


def with_package(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which a Python finds this very package, whatever folder it starts in."""
    paths = (str(Path(__file__).parents[2]), environment.get("PYTHONPATH"))
    return {**environment, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
