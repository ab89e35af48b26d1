"""Truncated files and changed bits, in every file of a run folder: the right result or one line, never a traceback.

    FAULTS_FLIPS=100 python -m pytest tests/faults/test_faults_damage.py -m ""

FAULTS_FLIPS (default 1) says how many bits are changed in each file, one at a time, FAULTS_SEED (default 1) which.
"""

import os
import random
import signal

import pytest
from conftest import SHORT, slow
from run_folders import copy_run, differences, replace, states

from ms_gan.runs.folder import RunFolder

pytestmark = pytest.mark.usefixtures("compiled_once")

_FLIPS = int(os.environ.get("FAULTS_FLIPS", "1"))
_STATE = "checkpoints/state-00000050"
_EVERYTHING = ("plot", "animate", "generate")
# File -> what reads it.
_FILES = {
    "config.yaml": _EVERYTHING,
    "environment.json": ("plot", "animate"),
    "history.jsonl": ("plot",),
    "log.txt": (),
    ".lock": (),
    "losses.png": (),
    "training.gif": (),
    "images/real.png": (),
    "images/step-00000020.png": ("animate",),
    "images/step-00000050.png": ("animate",),
    "checkpoints/index.json": ("generate",),
    "checkpoints/Generator_step50.ckpt": ("generate",),
    "checkpoints/Discriminator_step50.ckpt": (),
    "checkpoints/Generator_step20.ckpt": (),
    "checkpoints/GeneratorBest.ckpt": ("generate best",),
    f"{_STATE}/parameters.npz": (),
    f"{_STATE}/position.json": (),
    f"{_STATE}/history.jsonl": ("plot",),
    f"{_STATE}/GeneratorBest.ckpt": (),
}
# Resuming a complete run makes these whole again; pictures cannot be drawn again, and nothing is made of the others.
_MENDED = {
    "config.yaml",
    "history.jsonl",
    "checkpoints/index.json",
    "checkpoints/Generator_step50.ckpt",
    "checkpoints/Discriminator_step50.ckpt",
    "checkpoints/GeneratorBest.ckpt",
}
# Of a state that is damaged the training is repeated from the one before it: one such case is enough every day.
_CASES = [
    (name, how) if how != "last byte" and (_STATE not in name or (name, how) == (f"{_STATE}/history.jsonl", "half"))
    else slow(name, how)
    for name, readers in _FILES.items()
    for how in (["half", "last byte", *range(_FLIPS)] if readers or name in _MENDED else ["half"])
]  # fmt: skip


@pytest.fixture(scope="module")
def whole(train_here):
    return train_here("--steps", 50, "--evaluate-every", 25, "--keep-best", "sliced_wasserstein")


@pytest.fixture
def results(command, tmp_path):
    """Give a function that lets a command read a run and returns its one line, or what it wrote."""

    def results(run, what):
        out = tmp_path / {"plot": "x.png", "animate": "x.gif"}.get(what, "x.npy")
        out.unlink(missing_ok=True)
        words = {
            "plot": ("plot", run, "--out", out),
            "animate": ("animate", run, "--out", out),
            "generate": ("generate", run, "--num", 3, "--out", out),
            "generate best": ("generate", run / "checkpoints" / "GeneratorBest.ckpt", "--num", 3, "--out", out),
        }[what]
        result = command(*words)
        if result.status == 0:
            return out.read_bytes()
        _one_line(result)
        return result.stderr

    return results


@pytest.fixture(scope="module")
def right():
    """Give the results of the undamaged run, filled as they are asked for."""
    return {}


def _one_line(result):
    assert "Traceback" not in result.stdout + result.stderr
    assert (result.status, result.stderr.count("\n")) == (2, 1), result.stderr


def _damage(path, how, name):
    content = path.read_bytes()
    if how == "empty":
        content = b""
    elif how == "half":
        content = content[: len(content) // 2]
    elif how == "last byte":
        content = content[:-1]
    elif content:
        place = random.Random(f"{os.environ.get('FAULTS_SEED', '1')} {name} {how}").randrange(8 * len(content))
        content = bytearray(content)
        content[place // 8] ^= 1 << place % 8
    replace(path, bytes(content))


@pytest.mark.parametrize(("name", "how"), _CASES)
def test_damaged_file_of_a_complete_run(whole, results, right, command, tmp_path, name, how):
    run = copy_run(whole, tmp_path / "run")
    _damage(run / name, how, name)
    for what in _FILES[name]:
        if what not in right:
            right[what] = results(whole, what)
        expected = right[what]
        found = results(run, what)
        assert found == expected or (isinstance(found, str) and str(run) in found)
    resumed = command("train", "--resume", run)
    assert resumed.status == 0, resumed.stderr
    for what in _FILES[name]:
        found = results(run, what)
        assert found == right[what] or (name not in _MENDED and isinstance(found, str))
    if name in _MENDED:
        assert differences(run, whole) == []


@pytest.fixture(scope="module")
def halfway(whole, tmp_path_factory, mindspore_cpu):
    """Give the run as it was after step 33, stopped by a signal."""
    from ms_gan.cli import main
    from ms_gan.data.stream import BatchStream

    run = tmp_path_factory.mktemp("halfway") / "run"
    original = BatchStream.batch

    def batch(self, index):
        if index == 32:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, index)

    data = RunFolder(whole).config().data.folder
    words = ("train", "--data-dir", data, "--out", run, "--steps", 50, "--device", "cpu", "--evaluate-every", 25)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BatchStream, "batch", batch)
        assert main([str(word) for word in (*words, *SHORT, "--keep-best", "sliced_wasserstein")]) == 143
    return run


_BESIDE = (
    "config.yaml",
    "environment.json",
    "history.jsonl",
    "checkpoints/index.json",
    "checkpoints/GeneratorBest.ckpt",
)
_IN_THE_STATE = tuple(
    f"checkpoints/state-00000033/{name}"
    for name in ("parameters.npz", "position.json", "history.jsonl", "DiscriminatorBest.ckpt")
)


@pytest.mark.parametrize(
    ("names", "how"),
    [
        (_BESIDE, "empty"),
        (_IN_THE_STATE[:1], "empty"),
        *(slow((name,), how) for name in (*_BESIDE, *_IN_THE_STATE) for how in ("empty", 0)),
    ],
)
def test_damaged_run_is_resumed_and_ends_with_the_same_bits(whole, halfway, command, tmp_path, names, how):
    run = copy_run(halfway, tmp_path / "run")
    assert states(run)[-1].name == "state-00000033"
    for name in names:
        _damage(run / name, how, name)
    result = command("train", "--resume", run)
    assert result.status == 0, result.stderr
    assert differences(run, whole) == []
    assert RunFolder(run).environment()["data"]["sha256"]


def test_missing_config_is_taken_from_the_newest_state(whole, halfway, command, tmp_path):
    run = copy_run(halfway, tmp_path / "run")
    (run / "config.yaml").unlink()
    result = command("train", "--resume", run)
    assert result.status == 0
    assert "Taken from" in result.stdout
    assert differences(run, whole) == []


def test_lost_records_are_noticed(whole, command, tmp_path):
    run = copy_run(whole, tmp_path / "run")
    lines = (run / "history.jsonl").read_bytes().splitlines(keepends=True)
    replace(run / "history.jsonl", b"".join(lines[:2] + lines[4:]))
    result = command("plot", run)
    _one_line(result)
    assert "2 records are missing, the first of step 25; resume the run to have it mended" in result.stderr
    assert command("train", "--resume", run).status == 0
    assert (run / "history.jsonl").read_bytes() == b"".join(lines)


def test_config_that_was_changed_by_hand_is_told_and_not_used(whole, command, tmp_path):
    run = copy_run(whole, tmp_path / "run")
    text = (run / "config.yaml").read_text()
    replace(run / "config.yaml", text.replace("batch_size: 64", "batch_size: 32").encode())
    result = command("generate", run, "--out", tmp_path / "x.npy")
    _one_line(result)
    assert "was changed by hand" in result.stderr
    assert "settings are changed with --set" in result.stderr


def test_run_of_an_older_version_is_read_and_resumed(whole, command, tmp_path):
    """Neither checksums nor copies in the states: as version 0.1 left its runs."""
    import json

    run = copy_run(whole, tmp_path / "run")
    replace(run / "config.yaml", (run / "config.yaml").read_bytes().partition(b"\n")[2])
    for name in ("environment.json", "checkpoints/index.json"):
        content = json.loads((run / name).read_text())
        content.pop("sha256")
        content.pop("best", None)
        if name.startswith("checkpoints"):
            content = {step: list(files) for step, files in content.items()}
        replace(run / name, json.dumps(content).encode())
    records = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    for record in records:
        record.pop("crc32")
    replace(run / "history.jsonl", "".join(json.dumps(record) + "\n" for record in records).encode())
    from ms_gan.runs.sealed import file_digest
    from ms_gan.runs.stored import seal_of

    for state in states(run):
        about = {"step": int(state.name[6:]), "seconds": 1.0}
        sealed = about | {"sha256": seal_of(about, file_digest(state / "parameters.npz"))}
        replace(state / "position.json", json.dumps(sealed).encode())
    for what in ("plot", "animate"):
        assert command(what, run).status == 0
    assert command("generate", run, "--out", tmp_path / "x.npy").status == 0
    assert "complete after 50 steps" in command("train", "--resume", run).stdout
    assert command("train", "--resume", run, "--steps", 60).status == 0
    steps = [record["step"] for record in RunFolder(run).history()]
    assert steps == [10, 20, 25, 30, 31, 40, 50, 60]
