"""Does a device work? A child process really runs an operation on it."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

from ms_gan.device.settings import settings_for, user_environment

# The first operation on an NPU compiles a kernel, which can take a minute.
TRIAL_SECONDS = 180.0
WORKS = "ms_gan-trial-works"
FAILED = "ms_gan-trial-failed:"
# Small whole numbers: exact in every precision that an NPU may choose for a matrix product.
TRIAL = f"""
import sys
try:
    import numpy as np
    import mindspore as ms
    ms.set_device(sys.argv[1], int(sys.argv[2]))
    a, b = np.arange(12.0, dtype=np.float32).reshape(3, 4), np.arange(8.0, dtype=np.float32).reshape(4, 2)
    result = ms.ops.matmul(ms.Tensor(a), ms.Tensor(b)).asnumpy()
    if not np.array_equal(result, a @ b):
        raise ArithmeticError(f"a @ b came out as {{result.tolist()}} instead of {{(a @ b).tolist()}}")
    print("{WORKS}", flush=True)
except BaseException as error:
    print("{FAILED}", f"{{type(error).__name__}}: {{error}}", flush=True)
    sys.exit(1)
"""

DEVICE_FILES = "/dev/davinci*"
ASCEND_VARIABLES = ("ASCEND_HOME_PATH", "ASCEND_TOOLKIT_HOME", "ASCEND_OPP_PATH", "ASCEND_AICPU_PATH")
ASCEND_FOLDERS = ("/usr/local/Ascend", "~/Ascend")


def traces_of_ascend() -> list[str]:
    """Return what on this machine hints at an NPU or CANN: device files, npu-smi, variables, folders."""
    pattern = Path(DEVICE_FILES)
    found = sorted(str(path) for path in pattern.parent.glob(pattern.name))[:1]
    found += ["npu-smi"] if shutil.which("npu-smi") else []
    found += [name for name in ASCEND_VARIABLES if os.environ.get(name)]
    return found + [folder for folder in ASCEND_FOLDERS if Path(folder).expanduser().is_dir()]


def why_not_ascend(device_id: int, always_try: bool = False) -> str | None:
    """Return None when Ascend device `device_id` works, otherwise the reason in one line.

    Parameters
    ----------
    device_id : int
        Number of the NPU, from 0.
    always_try : bool
        Run the trial even where there is no trace of an NPU or CANN, to hear MindSpore's own reason.

    Returns
    -------
    str or None
        "no trace of an NPU or CANN (...)" or what MindSpore or the driver said.
    """
    traces = traces_of_ascend()
    if not traces and not always_try:
        looked_for = [DEVICE_FILES, "npu-smi", "ASCEND_* variables", *ASCEND_FOLDERS]
        return f"there is no trace of an NPU or CANN here (looked for {', '.join(looked_for)})"
    failure = why_not("Ascend", device_id)
    if failure is None:
        return None
    seen = f" (although there is {', '.join(traces)})" if traces else ""
    return f"the trial on Ascend device {device_id} failed{seen}: {failure}{_hint(failure)}"


def why_not(target: str, device_id: int) -> str | None:
    """Run a small matrix product on a device in a child process; None when its result is right.

    Parameters
    ----------
    target : str
        'Ascend' or 'CPU'.
    device_id : int
        Number of the device, from 0.

    Returns
    -------
    str or None
        The error in one line: MindSpore's or the driver's text, the signal of a crash, or the time limit.
    """
    environment = settings_for(target) | user_environment()
    command = [sys.executable, "-c", TRIAL, target, str(device_id)]
    output, errors, status = run_limited(command, environment, TRIAL_SECONDS)
    if WORKS in output:
        return None
    if status is None:
        return f"no answer within {TRIAL_SECONDS:.0f} s"
    if FAILED in output:
        return condense(output.split(FAILED, 1)[1])
    return f"{died(status)}: {condense(errors)}".rstrip(": ")


def run_limited(command: list[str], environment: dict[str, str], seconds: float) -> tuple[str, str, int | None]:
    """Run `command`; end it and everything it started when it takes longer than `seconds`.

    Returns
    -------
    tuple[str, str, int or None]
        Its output, its error output, and its exit status (negative: the signal; None: out of time).
    """
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # A session of its own, so that compilers which it starts end with it.
    child = subprocess.Popen(command, env=environment, text=True, errors="replace", start_new_session=True, **pipes)
    try:
        output, errors = child.communicate(timeout=seconds)
        return output, errors, child.returncode
    except subprocess.TimeoutExpired:
        _kill_session(child)
        output, errors = child.communicate()
        return output, errors, None
    except BaseException:
        _kill_session(child)
        raise


def condense(text: str, width: int = 500) -> str:
    """Return MindSpore's many-line error as one line: titles, rules, advice and call stack left out."""
    lines = []
    for line in text.splitlines():
        if "Call Stack" in line:
            break
        line = re.sub(r"Please check whether [^.]*\.|For details, please refer to [^.]*\.", "", line).strip()
        is_title = line.startswith("- ") and line.endswith(":")
        if line.strip("-=* ") and not is_title and line not in lines:
            lines.append(line)
    return textwrap.shorten("; ".join(lines), width, placeholder=" ...")


def died(status: int) -> str:
    """Return how a process ended, from its exit status as :mod:`subprocess` gives it."""
    if status >= 0:
        return f"it ended with status {status}"
    with contextlib.suppress(ValueError):
        return f"it was ended by {signal.Signals(-status).name}"
    return f"it was ended by signal {-status}"


def _hint(failure: str) -> str:
    if "No module named 'mindspore'" in failure:
        return " (MindSpore is not installed in this Python)"
    if "no attribute 'set_device'" in failure:
        return " (this MindSpore is too old)"
    if "libge_runner" in failure or "libascendcl" in failure:
        return " (CANN is not on the library path: source its set_env.sh or start with scripts/run_ascend.sh)"
    return ""


def _kill_session(child: subprocess.Popen) -> None:
    with contextlib.suppress(OSError, AttributeError):
        os.killpg(child.pid, signal.SIGKILL)
    child.kill()
