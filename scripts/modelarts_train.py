#!/usr/bin/env python3
"""The boot file of a ModelArts training job: data from OBS, `ms-gan train`, results to OBS.

    python scripts/modelarts_train.py --data_url=PLACE --train_url=PLACE [options of `ms-gan train`]

PLACE is a folder or an OBS address (obs://bucket/folder/); OBS is copied with ModelArts' own moxing. Without
--data_url the recipe's data are fetched, or drawn. Options that `ms-gan train` does not know are announced and
left out, because ModelArts adds some of its own. Ends with the training's own status; with 3 where the
training went well and its results could not be uploaded. docs/modelarts.md tells what to click.
"""

import argparse
import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from ms_gan.device.requirements import TEST_TOOLS, check, read_requirements, refusal  # noqa: E402
from ms_gan.errors import UserError  # noqa: E402

REMOTE = ("obs://", "s3://")
MOST_WAIT = 3600.0  # seconds that a card's process waits for another one to copy the data
UPLOAD_ATTEMPTS, UPLOAD_PAUSE = 3, 5.0
UPLOAD_FAILED = 3
COMPLETE = "complete"


def say(text: str) -> None:
    """Print a line at once, marked as ours among those of the training."""
    print(f"modelarts_train: {text}", flush=True)


def main(words: Sequence[str] | None = None) -> int:
    """Return the exit status."""
    try:
        ours, rest = own_parser().parse_known_args(words)
        work = Path(ours.work_dir or default_work_dir()) / f"ms_gan-{job_token(os.environ)}"
        with alone(work, ours.wait):
            add_missing()
        arguments, ignored = split_known(rest)
        if ignored:
            say(f"left out, because ms-gan train does not know them: {' '.join(ignored)}")
        data = fetched(ours.data_url, work, ours.wait)
        arguments += ["--data-dir", str(data)] if data else []
        results, target = result_place(ours.train_url, work, arguments)
        arguments += [] if named(arguments, "--resume") or results is None else ["--out", str(results)]
    except UserError as error:
        say(str(error))
        return 2
    status = run([sys.executable, str(ROOT / "scripts" / "train.py"), *arguments])
    say(f"the training ended with status {status}")
    return upload(results, target, status) if target and has_results(os.environ) else status


def own_parser() -> argparse.ArgumentParser:
    """Return the parser of the options that are for this file alone."""
    # Without abbreviations, or --data would be taken for --data_url.
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--data_url", metavar="PLACE", help="folder or OBS address of the data")
    parser.add_argument("--train_url", metavar="PLACE", help="folder or OBS address for the run folder")
    parser.add_argument("--work_dir", metavar="DIR", help="for copies (/cache where it can be written, else /tmp)")
    parser.add_argument("--wait", type=float, default=MOST_WAIT, metavar="SECONDS", help="for another card's copy")
    return parser


def default_work_dir() -> str:
    """Return ModelArts' fast disk where there is one."""
    return "/cache" if os.path.isdir("/cache") and os.access("/cache", os.W_OK) else tempfile.gettempdir()


def job_token(environment: Mapping[str, str]) -> str:
    """Return a name that all processes of this job on this server share, and no other job has.

    ModelArts names the job. Elsewhere it is the process that started the cards' processes, or this one where it is
    the only one; its start time tells it from an older one of the same number.
    """
    name = environment.get("MA_VJ_NAME")
    if not name:
        shared = environment.get("RANK_SIZE", "1") != "1" or "MS_ROLE" in environment
        process = os.getppid() if shared else os.getpid()
        started = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[19]
        name = f"{process}-{started}"
    return hashlib.sha256(name.encode()).hexdigest()[:12]


def has_results(environment: Mapping[str, str]) -> bool:
    """Tell whether this is the process that writes the run folder: of several cards the first, and no scheduler."""
    return environment.get("RANK_ID", "0") == "0" and environment.get("MS_ROLE") != "MS_SCHED"


@contextlib.contextmanager
def alone(work: Path, wait: float) -> Iterator[None]:
    """Let one process of this server at a time into the block; the system ends the lock with its holder."""
    try:
        work.mkdir(parents=True, exist_ok=True)
        stream = open(work / "lock", "a")  # noqa: SIM115
    except OSError as error:
        raise UserError(f"--work_dir: cannot write {work}: {error.strerror}; name another folder") from None
    with stream:
        end = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise UserError(
                        f"another process of this job on this server has not finished copying after {wait:g} s; "
                        "its own lines tell more; --wait SECONDS waits longer"
                    ) from None
                time.sleep(0.2)
        yield


def add_missing() -> None:
    """Install what training needs and this image lacks, with requirements.txt as bounds."""
    listed = ROOT / "requirements.txt"
    missing, unsupported = check(entry for entry in read_requirements(listed) if entry.package not in TEST_TOOLS)
    for entry, version in unsupported:
        reason = refusal(entry, version)
        if reason:
            raise UserError(f"{reason}; or choose an image that has it")
    if not missing:
        return
    packages = [str(entry) for entry in missing]
    say(f"installing what is missing in {sys.executable}: {' '.join(packages)}")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--constraint", str(listed), *packages]
    if subprocess.run(pip, check=False).returncode:
        raise UserError("pip could not install that (its words are above); choose an image that has it")


def split_known(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the words that `ms-gan train` knows, and the others; a known option with a bad value ends with 2."""
    from ms_gan.cli import build_parser

    _, unknown = build_parser().parse_known_args(["train", *words])
    known, left = [], list(unknown)
    for word in words:
        if left and word == left[0]:
            left.pop(0)
        else:
            known.append(word)
    return known, unknown


def named(words: Sequence[str], option: str) -> str | None:
    """Return the value of an option in a list of words, or None."""
    for number, word in enumerate(words):
        if word == option and number + 1 < len(words):
            return words[number + 1]
        if word.startswith(option + "="):
            return word.partition("=")[2]
    return None


def is_remote(place: str) -> bool:
    """Tell an OBS address from a folder."""
    return place.startswith(REMOTE)


def copier() -> Callable[[str, str], object]:
    """Return moxing's copy function; moxing is on ModelArts only, so it is imported only where OBS is named."""
    try:
        import moxing
    except ImportError as error:
        raise UserError(
            f"OBS addresses need moxing, which cannot be imported here ({error}); it comes with ModelArts' images; "
            "elsewhere copy the data yourself and name folders"
        ) from None
    return moxing.file.copy_parallel


def fetched(url: str | None, work: Path, wait: float) -> Path | None:
    """Return the local folder with the data at `url`, copied once per server and job; None: none was named."""
    if not url:
        return None
    if not is_remote(url):
        return Path(url)
    copy = copier()
    place = work / f"data-{hashlib.sha256(url.encode()).hexdigest()[:12]}"
    with alone(work, wait):
        if (place / COMPLETE).exists():
            say(f"data: {place / 'files'}, which another process of this job has copied")
            return place / "files"
        # What a killed process of this job has left half copied.
        shutil.rmtree(place, ignore_errors=True)
        say(f"copying {url} to {place / 'files'}")
        try:
            copy(url, str(place / "files"))
        except Exception as error:  # moxing raises errors of many kinds
            raise UserError(f"--data_url {url}: could not be copied: {type(error).__name__}: {error}") from None
        (place / COMPLETE).touch()
    return place / "files"


def result_place(url: str | None, work: Path, arguments: Sequence[str]) -> tuple[Path | None, str | None]:
    """Return the run folder, and the OBS address that it is uploaded to (None: it is not)."""
    given = named(arguments, "--resume") or named(arguments, "--out")
    recipe = Path(named(arguments, "--config") or "mlp").stem
    name = Path(given).name if given else f"{recipe}-{work.name.removeprefix('ms_gan-')}"
    if not url:
        say("without --train_url the results stay on this server, and a training job's server is thrown away")
        return (Path(given) if given else None), None
    if is_remote(url):
        copier()  # better found missing now than after hours of training
        return Path(given or work / "runs" / name), f"{url.rstrip('/')}/{name}"
    if given:
        raise UserError(f"--train_url {url}: is a folder, and so is {given}; leave one of them away")
    return Path(url) / name, None


def run(command: Sequence[str]) -> int:
    """Run the training in a process of its own, which may crash, and return its status as a shell would."""
    with subprocess.Popen(command) as child:
        # It saves its state and ends; we upload that. Ctrl-C of a terminal reaches it without us.
        signal.signal(signal.SIGTERM, lambda number, _frame: child.send_signal(number))
        signal.signal(signal.SIGINT, lambda _number, _frame: None)
        status = child.wait()
    return status if status >= 0 else 128 - status


def upload(results: Path, url: str, status: int) -> int:
    """Copy the run folder to OBS, whatever the training's status was; return the status of the whole job."""
    if not results.is_dir():
        say(f"nothing to upload: the training left no {results}")
        return status
    for attempt in range(1, UPLOAD_ATTEMPTS + 1):
        try:
            copier()(str(results), url)
            say(f"uploaded {results} to {url}")
            return status
        except Exception as error:  # moxing raises errors of many kinds
            say(f"upload to {url} failed ({attempt} of {UPLOAD_ATTEMPTS}): {type(error).__name__}: {error}")
        if attempt < UPLOAD_ATTEMPTS:
            time.sleep(UPLOAD_PAUSE)
    say(f"THE RESULTS ARE NOT UPLOADED; they are in {results} of this server; the training's status was {status}")
    return status or UPLOAD_FAILED


if __name__ == "__main__":
    sys.exit(main())
