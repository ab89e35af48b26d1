"""`ms-gan profile`: where the time of a step goes, by operator, as MindSpore's profiler tells it."""

import contextlib
import csv
import dataclasses
import functools
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ms_gan.commands.ready import Ready, make_ready
from ms_gan.commands.results import result_folder
from ms_gan.config import Config
from ms_gan.device import describe_machine
from ms_gan.device.requirements import module_version
from ms_gan.errors import UserError
from ms_gan.files import write_atomically
from ms_gan.wording import plural

if TYPE_CHECKING:
    from mindspore import Tensor

# Where the profiler leaves its table by type of operator, and the columns with type, calls and total time, in ms.
_TABLES = (
    ("**/cpu_op_type_info_*.csv", "op_type", "type_occurrences", "total_compute_time", 1.0),
    ("**/op_statistic*.csv", "OP Type", "Count", "Total Time(us)", 1e-3),
)


def profile(
    config: Config,
    *,
    steps: int = 20,
    top: int = 15,
    out: str | Path | None = None,
    device: str = "auto",
    require_ascend: bool = False,
    announce: Callable[[str], object] = print,
) -> Path:
    """Watch the compiled functions of a step; write profile.json and announce a table of operators for each.

    These are a D update and a G update, or one function that does both where they use the same latents.

    Parameters
    ----------
    config : Config
        What to run; its length and mode do not count.
    steps : int
        How often to run each of them.
    top : int
        Operators in the tables; the file has all.
    out : path-like, optional
        Folder for profile.json; None: runs/profile-<recipe>-<date-time>.
    device, require_ascend
        As for :func:`ms_gan.train`.
    announce : callable
        Where the lines go.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    UserError
        If a number is out of range, the folder cannot be written, or the profiler leaves no table.
    """
    if not 1 <= steps <= 10_000 or top < 1:
        raise UserError("profile: --steps must be from 1 to 10,000, and --top at least 1")
    with result_folder("profile", config.recipe, out) as folder:
        graph = dataclasses.replace(config, mode="graph")
        ready = make_ready(graph, device=device, require_ascend=require_ascend, announce=announce)
        parts = {name: _watch(update, steps) for name, update in _updates(ready).items()}
        result = {"recipe": config.recipe, "updates": steps, "machine": describe_machine(), "parts": parts}
        write_atomically(folder / "profile.json", json.dumps(result, indent=2) + "\n")
    for name, part in parts.items():
        announce("")
        announce(profile_table(name, part, top))
    announce("")
    return folder


def _updates(ready: Ready) -> dict[str, Callable[[], tuple["Tensor", ...]]]:
    """Return the compiled functions of a step; always with the same batch, which changes nothing about the time."""
    from ms_gan.training.loop import d_inputs, g_inputs
    from ms_gan.training.plan import updates_jointly

    config, rows = ready.config, slice(None)
    inputs = d_inputs(config, ready.stream, 0, 0, rows)
    kinds = {"": ready.steps} | ({" without penalty": ready.steps.between} if ready.steps.between else {})
    found = {}
    for kind, steps in kinds.items():
        if not updates_jointly(config) or config.updates.d_steps > 1:
            found[f"D update{kind}"] = functools.partial(steps.d_step, *inputs)
        if updates_jointly(config):
            found[f"D and G update{kind}"] = functools.partial(steps.joint_step, *inputs)
    if not updates_jointly(config):
        of_g = g_inputs(config, ready.stream, 0, inputs, rows)
        found["G update"] = functools.partial(ready.steps.g_step, *of_g)
    return found


def _watch(update: Callable[[], tuple["Tensor", ...]], count: int) -> dict[str, Any]:
    """Return the time of an update, with and without the profiler, and its operators."""
    # Compiles, and warms up.
    _timed(update, 2)
    free = float(np.median(_timed(update, count)))
    with tempfile.TemporaryDirectory(prefix="ms_gan-profile-") as folder, _silent():
        watched = float(np.mean(_profiled(lambda: _timed(update, count), folder)))
        operators = read_operators(Path(folder), count)
    inside = sum(operator["ms"] for operator in operators)
    return {
        "ms": free,
        "ms_watched": watched,
        "operators_ms": inside,
        "covered": inside / watched,
        "operators": operators,
    }


def _timed(update: Callable[[], tuple["Tensor", ...]], count: int) -> list[float]:
    """Return the milliseconds of each of so many updates, read to its end."""
    found = []
    for _ in range(count):
        began = time.perf_counter()
        update()[0].asnumpy()
        found.append(1000 * (time.perf_counter() - began))
    return found


def _profiled(work: Callable[[], list[float]], folder: str) -> list[float]:
    """Do the work under MindSpore's profiler, whose files go to the folder; return the work's result."""
    import mindspore as ms
    from mindspore import profiler

    activities = [profiler.ProfilerActivity.CPU]
    if ms.get_context("device_target") == "Ascend":
        activities.append(profiler.ProfilerActivity.NPU)
    watching = profiler.profile(
        activities=activities, on_trace_ready=profiler.tensorboard_trace_handler(dir_name=folder)
    )
    watching.start()
    result = work()
    watching.stop()
    return result


def read_operators(folder: Path, count: int) -> list[dict[str, Any]]:
    """Read the profiler's table by type of operator, the costliest first.

    Parameters
    ----------
    folder : Path
        Where the profiler left its files.
    count : int
        Updates that were watched.

    Returns
    -------
    list of dict
        ``type``, ``calls`` and ``ms`` of an update, ``share`` of all operators, ``ms_per_call``.

    Raises
    ------
    UserError
        If there is no such table.
    """
    for pattern, kind, calls, total, factor in _TABLES:
        for path in folder.glob(pattern):
            with open(path, newline="", encoding="utf-8") as stream:
                rows = [(row[kind], int(row[calls]), factor * float(row[total])) for row in csv.DictReader(stream)]
            return _summed(rows, count)
    raise UserError(
        f"profile: the profiler of MindSpore {module_version('mindspore')} left no table of operators; "
        "MindSpore 2.7.1 and 2.10 leave one on the CPU"
    )


def _summed(rows: Sequence[tuple[str, int, float]], count: int) -> list[dict[str, Any]]:
    whole = sum(ms for _, _, ms in rows) or 1.0
    operators = [
        {"type": kind, "calls": calls / count, "ms": ms / count, "share": ms / whole, "ms_per_call": ms / max(1, calls)}
        for kind, calls, ms in rows
    ]
    return sorted(operators, key=lambda operator: -operator["ms"])


def profile_table(name: str, part: dict[str, Any], top: int) -> str:
    """Return one part of a result, as profile.json holds it, as a heading and a table in Markdown."""
    lines = [
        f"{name}: {part['ms']:.2f} ms, {part['ms_watched']:.2f} ms while watched; operators take "
        f"{part['operators_ms']:.2f} ms of that, {100 * part['covered']:.0f} %",
        "",
        f"| {name}, operator | calls | ms | share | ms per call |",
        "|---|---:|---:|---:|---:|",
    ]
    shown, rest = part["operators"][:top], part["operators"][top:]
    for operator in shown:
        lines.append(
            f"| {operator['type']} | {operator['calls']:g} | {operator['ms']:.3f} | "
            f"{100 * operator['share']:.1f} % | {operator['ms_per_call']:.4f} |"
        )
    if rest:
        calls, ms, share = (sum(operator[key] for operator in rest) for key in ("calls", "ms", "share"))
        lines.append(
            f"| {plural(len(rest), 'other')} | {calls:g} | {ms:.3f} | {100 * share:.1f} % | {ms / calls:.4f} |"
        )
    return "\n".join(lines)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Send both output streams nowhere: the profiler's parser, a process of its own, draws progress bars."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(stream) for stream in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for stream in (1, 2):
            os.dup2(nowhere, stream)
        yield
    finally:
        for stream, copy in enumerate(kept, 1):
            os.dup2(copy, stream)
            os.close(copy)
        os.close(nowhere)
