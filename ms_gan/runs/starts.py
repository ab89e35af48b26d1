"""The starts of a run, as its environment.json tells of them: the first at the top, those that resumed it in a list."""

from collections.abc import Mapping
from typing import Any

RESUMES = "resumes"
"""Key of the list: for each start the step after which it went on, when, and on what."""
_KEPT = ("started", "ms_gan", "git_revision", "mode", "device", "machine")
# What the bits can depend on.
_MACHINE = ("machine", "cpu", "python", "mindspore", "numpy", "cann")


def starts_of(environment: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what is known of each start, the first one first; runs of older versions know of no other."""
    resumes = environment.get(RESUMES)
    return [environment, *(resumes if isinstance(resumes, list) else [])]


def with_resume(environment: dict[str, Any], step: int, described: Mapping[str, Any]) -> dict[str, Any]:
    """Return an environment that also tells of a start that went on after `step`, described like the first one."""
    resume = {"step": step} | {key: described[key] for key in _KEPT}
    return environment | {RESUMES: [*starts_of(environment)[1:], resume]}


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return in which device, machine, revision or versions two starts differ, in a few words; empty if in none."""
    ours, theirs = _told(before), _told(after)
    known = [key for key in ours if ours[key] is not None and theirs[key] is not None]
    return ", ".join(f"{key} {ours[key]} -> {theirs[key]}" for key in known if ours[key] != theirs[key])


def _told(start: Mapping[str, Any]) -> dict[str, Any]:
    machine, device = (start[key] if isinstance(start.get(key), dict) else {} for key in ("machine", "device"))
    told = {"device": device.get("target"), "ms_gan": start.get("ms_gan"), "revision": start.get("git_revision")}
    return told | {key: machine.get(key) for key in _MACHINE}
