"""What this machine is: for the record of a run and for `ms-gan doctor`."""

import os
import platform
from pathlib import Path

from ms_gan.device.requirements import module_version


def describe_machine() -> dict[str, str | int | float | None]:
    """Return versions and hardware, without importing anything that may fail to import.

    Returns
    -------
    dict
        python, mindspore, numpy, opencv, cann, platform, machine, cpu (strings; None: not installed),
        cores (usable by this process) and memory_gb (GiB, or the container's limit; None: unknown).
    """
    return {
        "python": platform.python_version(),
        "mindspore": module_version("mindspore"),
        "numpy": module_version("numpy"),
        "opencv": module_version("cv2"),
        "cann": cann_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": memory_gb(),
    }


def cann_version() -> str | None:
    """Return the version of the CANN toolkit whose set_env.sh was sourced, or None."""
    for name in ("ASCEND_HOME_PATH", "ASCEND_TOOLKIT_HOME"):
        for file in Path(os.environ.get(name) or "/nonexistent").glob("*-linux/ascend_toolkit_install.info"):
            for line in file.read_text(errors="replace").splitlines():
                if line.startswith("version="):
                    return line.split("=", 1)[1].strip()
    return None


def cpu_model() -> str:
    """Return the CPU's name as Linux gives it, or the nearest thing that Python knows."""
    fields = proc_fields("/proc/cpuinfo")
    return fields.get("model name") or fields.get("Hardware") or platform.processor() or platform.machine()


def memory_gb() -> float | None:
    """Return the memory in GiB: the machine's, or less where a container is limited to less."""
    total = proc_fields("/proc/meminfo").get("MemTotal", "")
    amounts = [int(total.split()[0]) * 1024] if total else []
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        text = _text(limit).strip()
        amounts += [int(text)] if text.isdecimal() else []
    return round(min(amounts) / 2**30, 1) if amounts else None


def proc_fields(path: str) -> dict[str, str]:
    """Return the first value of each name in a file of /proc; none where there is no such file."""
    pairs = (line.split(":", 1) for line in _text(path).splitlines() if ":" in line)
    fields: dict[str, str] = {}
    for name, value in pairs:
        fields.setdefault(name.strip(), value.strip())
    return fields


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
