"""Folders that vanish or may not be written, a full disk, two writers: one line, and the state stays intact."""

import getpass
import json
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, SHORT, STEPS, slow
from run_folders import copy_run, differences

pytestmark = pytest.mark.usefixtures("compiled_once")


def _one_line(result, *parts):
    assert "Traceback" not in result.stdout + result.stderr
    assert (result.status, result.stderr.count("\n")) == (2, 1), result.stderr
    for part in parts:
        assert part in result.stderr


def test_data_folder_may_vanish_during_the_run(command, at_step, digits_folder, finished, tmp_path):
    data, run = tmp_path / "data", tmp_path / "run"
    shutil.copytree(digits_folder, data)
    at_step(7, lambda: shutil.rmtree(data))
    basis = ("train", "--data-dir", data, "--out", run, "--steps", STEPS, *SHORT, "--device", "cpu")
    assert command(*basis).status == 0
    assert differences(run, finished, free=("data",)) == []
    _one_line(command("train", "--resume", run, "--steps", 60), f"{data}: no such folder")
    assert command("train", "--resume", run, "--steps", 60, "--data-dir", digits_folder).status == 0


def test_run_folder_that_vanishes_ends_the_run(begin, at_step, tmp_path):
    at_step(7, lambda: shutil.rmtree(tmp_path / "begun"))
    run, result = begin()
    _one_line(result, f"cannot write {run}/history.jsonl: No such file or directory")
    assert begin()[1].status == 0


# Each command's status and error output; what starts a process, MindSpore, is started once.
_ONE_AFTER_ANOTHER = """
import contextlib, io, json, sys
from ms_gan.cli import main
found = []
for words in json.loads(sys.argv[1]):
    told = io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
        found.append((main(words), told.getvalue()))
print(json.dumps(found))
"""


def _as_a_user(arguments, home, program=("-m", "ms_gan")):
    """Run a command without the right of root to write everywhere."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(home), "MS_GAN_DATA": str(home / "data")}
    command = [sys.executable, *program, *map(str, arguments)]
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("root may write anywhere, and there is no setpriv")
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)


def test_read_only_folders_are_one_line_each(finished, digits_folder, tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    run, data = place / "run", place / "digits"
    copy_run(finished, run)
    shutil.copytree(digits_folder, data)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    for folder, _, files in os.walk(place):
        os.chmod(folder, 0o555)
        for file in files:
            os.chmod(os.path.join(folder, file), 0o444)
    try:
        cases = {
            ("train", "--resume", run, "--device", "cpu"): f"cannot write {run}/.lock: Permission denied",
            (
                "train",
                "--data-dir",
                data,
                "--out",
                place / "new",
                "--device",
                "cpu",
                "--steps",
                2,
            ): "Permission denied",
            ("generate", run, "--num", 2, "--device", "cpu", "--out", run / "x.png"): f"cannot write {run}/x.png: ",
            ("plot", run): f"cannot write {run}/losses.png: Permission denied",
            ("animate", run): f"cannot write {run}/training.gif: Permission denied",
        }
        commands = json.dumps([[str(word) for word in words] for words in cases])
        done = _as_a_user([commands], tmp_path, ("-c", _ONE_AFTER_ANOTHER))
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        found = json.loads(done.stdout.splitlines()[-1])
        for (status, told), message in zip(found, cases.values(), strict=True):
            assert (status, told.count("\n")) == (2, 1), told
            assert message in told
    finally:
        for folder, _, _ in os.walk(place):
            os.chmod(folder, 0o755)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_data_that_may_not_be_read_are_one_line(digits_folder, tmp_path):
    data = tmp_path / "digits"
    shutil.copytree(digits_folder, data)
    for path in data.iterdir():
        path.chmod(0)
    done = _as_a_user(("train", "--data-dir", data, "--device", "cpu", "--steps", 2), tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "Permission denied" in done.stderr


_ON_A_SMALL_DISK = """
set -e
mount -t tmpfs -o size=3500k tmpfs "$1"
shift_to="$1"; shift
set +e
"$@" --out "$shift_to/run"; echo "status $?"
cp -r "$shift_to/run" "$shift_to.kept"
"""


def test_small_disk_runs_full_and_the_run_goes_on_when_there_is_room(
    child_environment, command, finished, digits_folder, tmp_path
):
    disk = tmp_path / "disk"
    disk.mkdir()
    words = ["train", "--data-dir", digits_folder, "--steps", STEPS, *SHORT, "--device", "cpu"]
    script = ["unshare", "--mount", "sh", "-c", _ON_A_SMALL_DISK, "sh", disk, sys.executable, "-m", "ms_gan", *words]
    probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", str(disk)]
    if not shutil.which("unshare") or subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a file system")
    done = subprocess.run(
        [str(word) for word in script], env=child_environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.endswith("status 2\n"), done.stdout + done.stderr
    assert done.stderr.count("\n") == 1
    assert "No space left on device; free some space" in done.stderr
    kept = Path(f"{disk}.kept")
    assert command("train", "--resume", kept).status == 0
    assert differences(kept, finished) == []


@pytest.mark.parametrize("kilobytes", [slow(1), 40, slow(1000)])
def test_file_size_limit_at_the_start_is_one_line(begin, command, kilobytes):
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes << 10, unlimited[1]))
    try:
        _, result = begin()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    _one_line(result, "cannot write", "File too large")
    assert begin()[1].status == 0


def test_nothing_personal_is_left_in_a_run_folder(start, tmp_path):
    home = tmp_path / "home-of-somebody"
    home.mkdir()
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "HOME": str(home),
        "USER": "somebody",
        "MS_TOKEN": "s3cret-t0ken",
    }
    for name in ("MS_GAN_DATA", "MS_GAN_MIRROR"):
        environment.pop(name, None)
    words = [sys.executable, "-m", "ms_gan", "train", "--data", "builtin", "--steps", "4", *SHORT, "--device", "cpu"]
    done = subprocess.run([*words, "--out", "run"], cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    private = ["somebody", "s3cret-t0ken", str(tmp_path), socket.gethostname()]
    private += [getpass.getuser()] if getpass.getuser() != "root" else []
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert len(files) > 10
    for path in files:
        content = path.read_bytes()
        # A short name is in any picture, embedded ones too; and in texts only as a word of its own.
        text = re.sub(rb"(?<=;base64,)[A-Za-z0-9+/=]+", b"", content)
        for word in private:
            if len(word) > 5 or path.suffix not in (".png", ".gif", ".ckpt", ".npz"):
                found = re.search(rb"\b" + re.escape(word.encode()) + rb"\b", content if len(word) > 5 else text)
                assert not found, f"{word} is in {path.name}"
    assert "~/.cache/ms_gan" in (tmp_path / "run" / "log.txt").read_text()


def test_two_writers(command, finished, tmp_path):
    from ms_gan.runs.folder import RunFolder

    run = copy_run(finished, tmp_path / "run")
    with RunFolder(run).locked():
        result = command("train", "--resume", run, "--steps", 60)
        _one_line(result, f"{run}: is being written by process {os.getpid()} on {socket.gethostname()}; wait for it")
        (run / ".lock").write_bytes(b"\xff\xfe\n\x00 nonsense")
        _one_line(command("train", "--resume", run, "--steps", 60), "is being written by")
    # What is left in the file says nothing: the lock itself is gone with its holder.
    (run / ".lock").write_bytes(b"process 1 on elsewhere")
    assert command("train", "--resume", run).status == 0
    assert (run / ".lock").read_bytes() == b""
