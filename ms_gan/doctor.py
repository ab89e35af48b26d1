"""`ms-gan doctor`: what is here, what is missing, and what to do about it.

It works where mindspore, cv2 or anything else cannot be imported: imports are tried in child processes, so
that even a crash in one of them is survived. `python -m ms_gan.doctor` needs nothing but Python.
"""

import importlib.util
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ms_gan.device import choose_device, describe_machine
from ms_gan.device.probe import condense, died, run_limited, why_not
from ms_gan.device.requirements import (
    TEST_TOOLS,
    Requirement,
    is_installed,
    is_supported,
    module_version,
    project_requirements,
    refusal,
)
from ms_gan.device.settings import user_environment
from ms_gan.errors import UserError
from ms_gan.wording import plural

SUPPORTED_PYTHON = ((3, 10), (3, 12))
IMPORT_SECONDS = 120.0
ENOUGH_SPACE = 10**9
# What an import says when it fails, and what helps.
REMEDIES = {
    r"libGL\.so": "apt-get install libgl1 (yum install mesa-libGL); or without it: {pip} uninstall opencv-python, "
    "{pip} install 'opencv-python-headless<5'",
    r"libgthread|libglib": "apt-get install libglib2.0-0 (yum install glib2)",
    r"libgomp": "apt-get install libgomp1 (yum install libgomp)",
    r"GLIBCXX|libstdc\+\+": "this system's libstdc++ is too old for the package: a newer Linux, or "
    "conda install -c conda-forge libstdcxx-ng",
    r"GLIBC_": "this system's C library is too old for the package: a newer Linux is needed",
    r"NumPy 1\.x|numpy\.core|_ARRAY_API": "{pip} install 'numpy<2'",
}


@dataclass(frozen=True)
class Finding:
    """One line of the report: 'ok', 'missing' (training cannot run) or 'note', and what to do about it."""

    state: str
    title: str
    text: str
    advice: str = ""

    def __str__(self) -> str:
        mark = {"ok": "[ok]", "missing": "[!!]", "note": "[--]"}[self.state]
        line = f"  {mark} {self.title:<24} {self.text}"
        return f"{line}\n{'':32}-> {self.advice}" if self.advice else line


def run_doctor(write: Callable[[str], object] = print) -> int:
    """Print device, versions, settings, data folders, and what to do about each thing that is missing.

    Parameters
    ----------
    write : callable
        Is given the report, one block of lines at a time.

    Returns
    -------
    int
        0 if training can run, 1 if something that it needs is missing.
    """
    findings: list[Finding] = []

    def report(title: str, section: Iterator[Finding]) -> None:
        write(title)
        for finding in section:
            findings.append(finding)
            write(str(finding))

    def missing() -> list[str]:
        return [finding.title for finding in findings if finding.state == "missing"]

    report("Machine", _machine())
    report("Packages", _packages())
    packages_work = not missing()
    report("Device", _device(packages_work))
    report("Data", _data(packages_work))
    report("Output", _output(Path.cwd() / "runs"))
    if missing():
        write(f"Training cannot run yet: see [!!] above ({', '.join(missing())}).")
        write("The shortest way: bash scripts/run_ascend.sh makes the environment .venv with everything in it.")
    else:
        write("Training can run.")
    return 1 if missing() else 0


def _machine() -> Iterator[Finding]:
    machine = describe_machine()
    low, high = SUPPORTED_PYTHON
    fits = low <= sys.version_info[:2] <= high
    yield Finding(
        "ok" if fits else "missing",
        "Python",
        f"{machine['python']} ({sys.executable})",
        ""
        if fits
        else "MindSpore has wheels for Python 3.10, 3.11 and (from MindSpore 2.7.2) 3.12: install one of "
        "these; bash scripts/run_ascend.sh finds it and makes .venv",
    )
    yield Finding("ok", "system", f"{machine['platform']}")
    yield Finding(
        "ok", "CPU", f"{machine['cpu']}, {plural(machine['cores'], 'core')}, {machine['memory_gb']} GB of memory"
    )


def _packages() -> Iterator[Finding]:
    with ThreadPoolExecutor(max_workers=2) as pool:
        yield from pool.map(_package, project_requirements())


def _package(requirement: Requirement) -> Finding:
    """Judge one package by really importing it."""
    pip = f"{sys.executable} -m pip"
    version = module_version(requirement.module)
    needed = "note" if requirement.package in TEST_TOOLS else "missing"
    install = f"{pip} install '{requirement}'"
    if not is_installed(requirement):
        use = " (only the tests need it)" if needed == "note" else ""
        return Finding(needed, requirement.package, f"is not installed{use}", install)
    if version and not is_supported(version, requirement.bounds):
        state = "missing" if refusal(requirement, version) else "note"
        return Finding(state, requirement.package, f"{version} is not within {requirement.bounds}", install)
    failure = _import_failure(requirement)
    if failure:
        text = f"{version or ''} cannot be imported: {failure}".strip()
        return Finding(needed, requirement.package, text, _remedy(failure, pip) or f"{install} --force-reinstall")
    return Finding("ok", requirement.package, version or "")


def _import_failure(requirement: Requirement) -> str:
    command = [sys.executable, "-c", f"import {requirement.module}"]
    _, errors, status = run_limited(command, {"GLOG_v": "3"} | user_environment(), IMPORT_SECONDS)
    if status is None:
        return f"no end after {IMPORT_SECONDS:.0f} s"
    if status < 0:
        return died(status)
    lines = errors.strip().splitlines()
    return condense(lines[-1]) if status and lines else ""


def _remedy(failure: str, pip: str) -> str:
    return next((what.format(pip=pip) for sign, what in REMEDIES.items() if re.search(sign, failure)), "")


def _device(packages_work: bool) -> Iterator[Finding]:
    try:
        choice = choose_device(announce=lambda line: None)
    except UserError as error:
        yield Finding("missing", "device", str(error))
        return
    if choice.target == "Ascend":
        yield Finding("ok", "device", f"Ascend {choice.device_id}: {choice.reason}")
    else:
        advice = "to use an NPU: install its driver and CANN, and source CANN's set_env.sh (run_ascend.sh does)"
        yield Finding("note", "NPU", choice.reason, advice)
        yield (_cpu() if packages_work else Finding("note", "CPU", "is not tried before the packages are there"))
    for name, value in choice.settings.items():
        yield Finding("ok", "setting", f"{name}={value}")
    for name, value in choice.kept.items():
        yield Finding("note", "setting", f"{name}={value}, as you set it")


def _cpu() -> Finding:
    began = time.monotonic()
    failure = why_not("CPU", 0)
    if failure:
        return Finding("missing", "CPU", f"MindSpore does not work on the CPU: {failure}")
    seconds = time.monotonic() - began
    return Finding("ok", "CPU", f"an operation ran with the right result ({seconds:.1f} s with MindSpore's start)")


def _data(packages_work: bool) -> Iterator[Finding]:
    if packages_work:
        from ms_gan.data.sources import describe_data_folders

        try:
            for title, text in describe_data_folders():
                yield Finding("note", title, text)
        except UserError as error:
            yield Finding("missing", "data folder", str(error))
    else:
        yield Finding("note", "data", "the data folders are not looked at before the packages are there")
    fonts = _matplotlib_fonts()
    yield Finding(
        "ok" if fonts else "note",
        "fonts",
        f"{fonts} of matplotlib, for the built-in digits" if fonts else "none of matplotlib for the built-in digits",
        "" if fonts else f"{sys.executable} -m pip install --force-reinstall matplotlib",
    )


def _matplotlib_fonts() -> int:
    found = importlib.util.find_spec("matplotlib")
    return len(list(Path(found.origin).parent.glob("mpl-data/fonts/ttf/*.ttf"))) if found and found.origin else 0


def _output(runs: Path) -> Iterator[Finding]:
    existing = next(folder for folder in (runs, *runs.parents) if folder.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        yield Finding("note", "run folders", f"{runs} cannot be written", "go to another folder, or use --out DIR")
        return
    free = shutil.disk_usage(existing).free
    text = f"{runs} can be written; {free / 1e9:.0f} GB are free"
    if free < ENOUGH_SPACE:
        yield Finding("note", "run folders", text, "a long run with many checkpoints needs more than 1 GB")
    else:
        yield Finding("ok", "run folders", text)


if __name__ == "__main__":
    sys.exit(run_doctor())
