"""What a run ran on, for its environment.json."""

import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import ms_gan
from ms_gan.commands.console import without_home
from ms_gan.data.images import ImageSet
from ms_gan.device import DeviceChoice, describe_machine
from ms_gan.training.plan import Plan


def describe_environment(plan: Plan, images: ImageSet, device: DeviceChoice, options: dict[str, Any]) -> dict[str, Any]:
    """Return versions, device, settings, data and revision; home folders are written as ~."""
    return _without_home(
        {
            "ms_gan": ms_gan.__version__,
            "git_revision": _git_revision(),
            "command": ["ms-gan", *sys.argv[1:]] if sys.argv[0].endswith(("ms-gan", "__main__.py")) else None,
            "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "options": options,
            "mode": plan.config.mode,
            "seed": plan.config.seed,
            "steps_per_epoch": plan.steps_per_epoch,
            "device": {
                "target": device.target,
                "id": device.device_id,
                "requested": device.requested,
                "reason": device.reason,
                "settings": device.settings,
                "kept": device.kept,
            },
            "machine": describe_machine(),
            "data": {
                "source": images.source,
                "location": images.location,
                "images": list(images.images.shape),
                "sha256": images.sha256,
                "notices": list(images.notices),
            },
        }
    )


def _git_revision() -> str | None:
    """Return the revision of the clone that the package lies in, marked if it was changed; None outside a clone."""
    folder = Path(__file__).parents[2]
    if not (folder / ".git").exists():
        return None
    try:
        return subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _without_home(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_home(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_without_home(entry) for entry in value]
    return without_home(value) if isinstance(value, str) else value
