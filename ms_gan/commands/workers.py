"""`ms-gan train --workers N`: start the workers with MindSpore's `msrun`, show what worker 0 says, end with it."""

import contextlib
import dataclasses
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ms_gan.commands.following import LogFollower, last_lines
from ms_gan.commands.hints import resume_hint
from ms_gan.commands.launch import Launch
from ms_gan.commands.preparing import check_measures, check_split
from ms_gan.commands.resume import merge_resumed, stored_config
from ms_gan.commands.signals import noted_signals
from ms_gan.commands.worker import ENDINGS, NODE_VARIABLE, JobForWorkers
from ms_gan.config import Config, to_mapping
from ms_gan.data.configured import check_class_names
from ms_gan.device import choose_device
from ms_gan.device.choice import ID_VARIABLES
from ms_gan.device.settings import with_package
from ms_gan.device.team import JOIN_SECONDS
from ms_gan.errors import Interrupted, UserError, WorkerDied
from ms_gan.files import write_atomically
from ms_gan.runs.folder import RunFolder

# Seconds until what does not end by itself is killed: after one worker died, and after a signal.
_AFTER_DEATH, _AFTER_SIGNAL = 5, 60
# What a platform sets for processes that it starts itself.
_RANK_VARIABLES = ("RANK_ID", "RANK_SIZE", "RANK_TABLE_FILE")
_PROGRAM = Path(__file__).resolve().parents[1] / "worker.py"


def train_on_workers(config: Config, launch: Launch, options: dict[str, Any]) -> RunFolder:
    """Train a new run on several workers.

    Parameters
    ----------
    config : Config
        The run; its batch is split among the workers.
    launch : Launch
        How many, and where.
    options : dict
        The fields of :class:`ms_gan.commands.preparing.TrainOptions`.

    Returns
    -------
    RunFolder
        The finished run; on a server without worker 0, the folder with this server's logs.

    Raises
    ------
    UserError, TrainingDiverged, Interrupted
        What a worker ended with.
    WorkerDied
        If one ended without a word; the others are ended.
    """
    launch.check()
    check_split(config, launch.worker_num)
    check_measures(config)
    check_class_names(config)
    device = _agreed_device(options)
    run = RunFolder.new(config.recipe, options.get("out"))
    chosen = options | device | {"out": str(run.path)}
    _launch(JobForWorkers(to_mapping(config), None, [], {}, chosen, _command()), launch, run)
    return run


def resume_on_workers(
    path: str, launch: Launch, settings: Iterable[str], overrides: dict[str, Any], options: dict[str, Any]
) -> RunFolder:
    """Go on with a run on several workers, whatever their number was before; see :func:`train_on_workers`."""
    launch.check()
    run, stored = stored_config(path, print)
    check_split(merge_resumed(stored, settings, overrides), launch.worker_num)
    device = _agreed_device(options)
    _launch(JobForWorkers(None, path, list(settings), overrides, options | device, _command()), launch, run)
    return run


def _agreed_device(options: dict[str, Any]) -> dict[str, Any]:
    """Choose the device once: a worker that fell back to the CPU alone would leave the others waiting."""
    choice = choose_device(options["device"], require_ascend=options["require_ascend"], announce=print)
    named = [f"{name}={os.environ[name]}" for name in ID_VARIABLES if os.environ.get(name)]
    # A platform's own number is left out; a user's would be, and the workers take cards that others may use.
    if choice.target == "Ascend" and named and not any(os.environ.get(name) for name in _RANK_VARIABLES):
        raise UserError(
            f"{named[0]}: chooses one NPU, and --workers takes several; unset it, and choose them with "
            "ASCEND_RT_VISIBLE_DEVICES=4,5"
        )
    return {"device": choice.target.lower(), "require_ascend": choice.target == "Ascend"}


def _command() -> list[str]:
    """Return the words of the command line, without the folder that the program lies in."""
    return [os.path.basename(sys.argv[0]), *sys.argv[1:]]


def _launch(job: JobForWorkers, launch: Launch, run: RunFolder) -> None:
    folder = _new_folder(run.path / "workers")
    file = folder / "job.json"
    write_atomically(file, json.dumps(dataclasses.asdict(job)))
    words = [f"--worker_num={launch.worker_num}", f"--local_worker_num={launch.local}", "--join=True"]
    words += [f"--log_dir={folder}", f"--cluster_time_out={JOIN_SECONDS}"]
    words += [f"--master_addr={launch.master_addr}"] if launch.master_addr else []
    words += [f"--master_port={launch.master_port or free_port()}"]
    words += [f"--node_rank={launch.node_rank}"] if launch.node_rank is not None else []
    command = [sys.executable, "-m", "mindspore.parallel.cluster.run", *words, str(_PROGRAM), str(file)]
    print(f"{launch.worker_num} workers by msrun {shlex.join(words)}; their logs: {folder}", flush=True)
    with _environment(launch) as environment, open(folder / "msrun.log", "w") as log, noted_signals() as received:
        # A session of its own: Ctrl-C reaches this process alone, which then lets the workers save.
        launcher = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        try:
            # A second signal interrupts; the number of the first one is received.
            with contextlib.suppress(KeyboardInterrupt):
                _watch(launcher, folder, launch, received)
        finally:
            _kill(launcher, file)
    _end(launcher.returncode, folder, launch, run, received)


def _watch(launcher: subprocess.Popen, folder: Path, launch: Launch, received: list[int]) -> None:
    """Show the first worker's lines until the launcher ends, or has had its time after a death or a signal."""
    follower = LogFollower(folder / f"worker_{launch.first}.log")
    deadline, told = None, False
    while launcher.poll() is None and (deadline is None or time.monotonic() < deadline):
        follower.show()
        if received and not told:
            told, deadline = True, time.monotonic() + _AFTER_SIGNAL
            for note in _notes(folder).values():
                _signal(note["process"])
        elif deadline is None and _death(folder):
            deadline = time.monotonic() + _AFTER_DEATH
        time.sleep(0.2)
    follower.show()


def _end(status: int, folder: Path, launch: Launch, run: RunFolder, received: list[int]) -> None:
    """Raise what a worker ended with; nothing where all is well."""
    errors = [note for note in _notes(folder).values() if note.get("error")]
    for name, kind in ENDINGS.items():
        for note in (note for note in errors if note["error"] == name):
            if kind is not Interrupted:
                raise kind(note["message"])
            if received:
                raise Interrupted(note["message"], received[0])
            # By a signal of MindSpore itself, which ends workers that hear nothing of the others, or on another server.
            raise WorkerDied(f"a worker was {note['message']}")
    if received:
        where = f"stopped. {resume_hint(run, '--workers', str(launch.worker_num))}"
        raise Interrupted(where if run.config_file.exists() else "stopped before the first step", received[0])
    if status == 0:
        return
    for number in range(launch.first, launch.first + launch.local):
        log = folder / f"worker_{number}.log"
        print(f"--- the end of {log}", *last_lines(log), sep="\n", file=sys.stderr)
    again = f"; {resume_hint(run, '--workers', str(launch.worker_num))}" if run.config_file.exists() else ""
    raise WorkerDied(f"{_death(folder) or 'the workers failed'}; all were ended, their logs are in {folder}{again}")


def _death(folder: Path) -> str | None:
    """Return the words for the first worker that the launcher saw fail, or None."""
    for line in (folder / "msrun.log").read_text(errors="replace").splitlines():
        _, found, rest = line.partition("Worker process ")
        if found and "Error code" in rest:
            process, code = rest.split()[0], rest.rsplit("Error code:", 1)[1].strip().rstrip(".")
            number = next((n for n, note in _notes(folder).items() if str(note["process"]) == process), "?")
            how = f"was killed by signal {code[1:]}" if code.startswith("-") else f"ended with status {code}"
            return f"worker {number} {how}"
    return None


def _notes(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what the workers noted of themselves, by number."""
    found = sorted(folder.glob("worker_*.json"))
    return {path.stem.removeprefix("worker_"): json.loads(path.read_text()) for path in found}


@contextlib.contextmanager
def _environment(launch: Launch) -> Iterator[dict[str, str]]:
    """Give the environment of the workers: this Python under the name that msrun looks for, and no old ranks."""
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder) / "python"
        python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
        python.chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if name not in _RANK_VARIABLES + ID_VARIABLES}
        threads = max(1, len(os.sched_getaffinity(0)) // launch.local)
        yield (
            {"OMP_NUM_THREADS": str(threads)}
            | with_package(kept)
            | {
                "PATH": f"{folder}:{os.environ.get('PATH', os.defpath)}",
                "PYTHONUNBUFFERED": "1",
                NODE_VARIABLE: str(launch.node_rank or 0),
            }
        )


def _new_folder(parent: Path) -> Path:
    """Make and return the folder for the logs of this start."""
    number = 1
    while True:
        folder = parent / f"start-{number}"
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            number += 1
        except OSError as error:
            raise UserError(f"cannot make {folder}: {error.strerror}; name another run folder with --out") from None


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _signal(process: int) -> None:
    with contextlib.suppress(OSError):
        os.kill(process, signal.SIGTERM)


def _kill(launcher: subprocess.Popen, file: Path) -> None:
    """End the launcher and all that it started, whatever sessions they made and whether it still lives or not."""
    import psutil

    doomed = [process for process in psutil.process_iter(["cmdline"]) if str(file) in (process.info["cmdline"] or ())]
    for process in list(doomed):
        # The programs that show logs for it.
        with contextlib.suppress(psutil.Error):
            doomed += process.children(recursive=True)
    for process in doomed:
        with contextlib.suppress(psutil.Error):
            process.kill()
    launcher.wait()
