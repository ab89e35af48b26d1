"""Which device, and why: Ascend when it works, the CPU otherwise, never silently."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

from ms_gan.device.probe import traces_of_ascend, why_not_ascend
from ms_gan.device.requirements import project_requirements, refusal
from ms_gan.device.settings import AppliedSettings, apply_settings, settings_for
from ms_gan.errors import UserError
from ms_gan.names import unknown_name

REQUESTS = ("auto", "ascend", "cpu")
ID_VARIABLES = ("DEVICE_ID", "ASCEND_DEVICE_ID")
COMPILE_CACHE = "MS_COMPILER_CACHE_ENABLE"


@dataclass(frozen=True)
class DeviceChoice:
    """A device and the reason for it.

    Parameters
    ----------
    target : str
        'Ascend' or 'CPU', as ``mindspore.set_device`` calls them.
    device_id : int
        Number of the NPU, from 0; always 0 for the CPU.
    requested : str
        'auto', 'ascend' or 'cpu'.
    reason : str
        Why this device; for a fallback why Ascend was not used, with MindSpore's or the driver's words.
    settings : dict[str, str]
        Environment variables that ms_gan set and that are in force.
    kept : dict[str, str]
        Environment variables among them that the user had set and that were left alone.
    """

    target: str
    device_id: int
    requested: str
    reason: str
    settings: dict[str, str]
    kept: dict[str, str]


def choose_device(
    request: str = "auto",
    require_ascend: bool = False,
    device_id: int | None = None,
    announce: Callable[[str], object] = print,
) -> DeviceChoice:
    """Choose the device and prepare the environment for it; to be called before mindspore is imported.

    Parameters
    ----------
    request : str
        'auto' takes Ascend if an operation really runs there and the CPU otherwise; 'ascend' or 'cpu'.
    require_ascend : bool
        Refuse to fall back to the CPU.
    device_id : int, optional
        Number of the NPU, from 0; by default ``DEVICE_ID``, then ``ASCEND_DEVICE_ID``, then 0.
    announce : callable
        Is given each line that the user should read: the device, the reason, the settings.

    Returns
    -------
    DeviceChoice
        To be given to :func:`activate`, and recorded.

    Raises
    ------
    UserError
        If the request or number is impossible, Ascend was demanded and does not work, or MindSpore's compile cache is
        switched on for the CPU.
    """
    request = _checked_request(request, require_ascend)
    number = _device_number(device_id, announce)
    target, reason = (
        ("CPU", "asked for") if request == "cpu" else _try_ascend(request, require_ascend, number, announce)
    )
    if target == "CPU" and os.environ.get(COMPILE_CACHE, "0") not in ("", "0"):
        raise UserError(
            f"{COMPILE_CACHE} is set: with its compile cache MindSpore computes NaN on a CPU from the second start on "
            "(docs/benchmarks.md); unset it"
        )
    applied = apply_settings(settings_for(target))
    choice = DeviceChoice(
        target=target,
        device_id=number if target == "Ascend" else 0,
        requested=request,
        reason=reason,
        settings=applied.in_force,
        kept=applied.kept,
    )
    _announce(choice, applied, announce)
    return choice


def activate(choice: DeviceChoice) -> None:
    """Import mindspore and make it compute on the chosen device.

    Raises
    ------
    UserError
        If mindspore cannot be imported or it or numpy is of a version that does not work, or this process already
        computes on another device.
    """
    try:
        import mindspore
    except ImportError as error:
        raise UserError(
            f"mindspore cannot be imported: {error}; `python -m ms_gan doctor` tells what to install"
        ) from error
    for entry in project_requirements():
        version = getattr(sys.modules.get(entry.module), "__version__", None)
        if version and (reason := refusal(entry, version)):
            raise UserError(reason)
    try:
        mindspore.set_device(choice.target, choice.device_id)
    except RuntimeError as error:
        if "can not be modified" not in str(error):
            raise
        raise UserError(
            f"this Python process already uses another device than {choice.target} {choice.device_id}; "
            "restart it (in a notebook: restart the kernel) to change the device"
        ) from error


def _checked_request(request: str, require_ascend: bool) -> str:
    name = str(request).lower()
    if name not in REQUESTS:
        raise UserError(unknown_name("--device", request, REQUESTS))
    if name == "cpu" and require_ascend:
        raise UserError("--require-ascend contradicts --device cpu; leave one of them away")
    return name


def _device_number(device_id: int | None, announce: Callable[[str], object]) -> int:
    if device_id is not None:
        return _parse_number("device_id", device_id)
    given = {name: os.environ[name] for name in ID_VARIABLES if os.environ.get(name, "").strip()}
    numbers = {name: _parse_number(name, value) for name, value in given.items()}
    if len(set(numbers.values())) > 1:
        announce("DEVICE_ID and ASCEND_DEVICE_ID differ; DEVICE_ID={DEVICE_ID} is used".format(**numbers))
    return next(iter(numbers.values()), 0)


def _parse_number(name: str, value: object) -> int:
    text = str(value).strip()
    # isdecimal alone would let other scripts' digits pass.
    if not (text.isascii() and text.isdecimal()):
        raise UserError(f"{name}={value!s}: a device number is a whole number from 0, such as 0")
    return int(text)


def _try_ascend(request: str, require_ascend: bool, number: int, announce: Callable[[str], object]) -> tuple[str, str]:
    demanded = request == "ascend" or require_ascend
    if demanded or traces_of_ascend():
        announce(f"Trying Ascend device {number} with one operation ...")
    failure = why_not_ascend(number, always_try=demanded)
    if failure is None:
        return "Ascend", f"an operation ran on Ascend device {number} with the right result"
    if demanded:
        raise UserError(f"no Ascend device to use: {failure}; `ms-gan doctor` tells more, --device cpu does without")
    return "CPU", f"Ascend is not used: {failure}"


def _announce(choice: DeviceChoice, applied: AppliedSettings, announce: Callable[[str], object]) -> None:
    name = f"Ascend {choice.device_id}" if choice.target == "Ascend" else "CPU"
    announce(f"Device: {name} - {choice.reason}")
    parts = [_listed("", applied.in_force), _listed("left as you set them: ", applied.kept)]
    announce("Settings: " + "; ".join(part for part in parts if part))
    if applied.too_late:
        listed = ", ".join(f"{name} is {state}" for name, state in applied.too_late.items())
        announce(
            f"Notice: mindspore was imported before the device was chosen, so {listed}; "
            "restart Python (the notebook's kernel) and import ms_gan first for full speed"
        )


def _listed(title: str, settings: dict[str, str]) -> str:
    pairs = " ".join(f"{name}={value}" for name, value in settings.items())
    return title + pairs if pairs else ""
