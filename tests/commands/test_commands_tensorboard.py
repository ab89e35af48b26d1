"""TensorBoard event files hold what the history and the pictures hold, also after a resume and a rollback."""

import dataclasses
import struct
import sys

import numpy as np
import pytest
from conftest import STEPS
from run_folders import copy_run, differences

from ms_gan.commands.tensorboard import Board
from ms_gan.config import load_config
from ms_gan.errors import UserError
from ms_gan.runs.folder import RunFolder
from ms_gan.runs.history import read_history

_WISH = dataclasses.replace(load_config("mlp"), tensorboard=True)


@pytest.fixture(scope="module")
def library():
    reason = "tensorboardX is not installed: pip install -r requirements-tensorboard.txt"
    return pytest.importorskip("tensorboardX", reason=reason)


@pytest.fixture(scope="module")
def with_board(library, train_here):
    return train_here("--steps", STEPS, "--tensorboard")


def _events(run):
    """Read all event files in TensorBoard's order; checksums must hold."""
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import masked_crc32c

    for path in sorted((run / "tensorboard").iterdir()):
        content, place = path.read_bytes(), 0
        while place < len(content):
            (length,) = struct.unpack_from("<Q", content, place)
            data = content[place + 12 : place + 12 + length]
            assert struct.unpack_from("<I", content, place + 12 + length) == (masked_crc32c(data),)
            yield Event.FromString(data)
            place += 16 + length


def _shown(run):
    """Return what TensorBoard shows, {(tag, step): value}: a start purges its step and later ones."""
    from tensorboardX.proto.event_pb2 import SessionLog

    shown = {}
    for event in _events(run):
        if event.HasField("session_log") and event.session_log.status == SessionLog.START:
            shown = {key: value for key, value in shown.items() if key[1] < event.step}
        for value in event.summary.value:
            assert (value.tag, event.step) not in shown, "twice"
            image = value.HasField("image")
            shown[value.tag, event.step] = value.image.encoded_image_string if image else value.simple_value
    return shown


def _assert_shows_the_run(run):
    shown, records, grids = _shown(run), read_history(run / "history.jsonl"), RunFolder(run).grid_pictures()
    for tag, key in (("losses/d_loss", "d_loss"), ("D/real", "d_real"), ("D/accuracy", "d_accuracy")):
        steps = {step: value for (name, step), value in shown.items() if name == tag}
        assert steps == {record["step"]: np.float32(record[key]) for record in records}
    assert len(shown) == sum(len(record) - 1 for record in records) + len(grids)
    assert {step: path.read_bytes() for step, path in grids.items()} == {
        step: value for (tag, step), value in shown.items() if tag == "grid"
    }


def test_event_files_hold_history_and_grids_and_the_training_is_the_same(with_board, finished):
    assert differences(with_board, finished, free=("tensorboard",)) == []
    assert not (finished / "tensorboard").exists()
    _assert_shows_the_run(with_board)
    tags = {tag for tag, _ in _shown(with_board)}
    assert tags >= {"losses/g_loss", "D/fake", "learning_rate/G", "learning_rate/D", "measures/diversity", "run/epoch"}


def test_image_has_its_size(with_board):
    (image, *_) = (value.image for event in _events(with_board) for value in event.summary.value if value.tag == "grid")
    assert (image.width, image.height) == (578, 578)


def test_resumed_run_shows_nothing_twice(library, begin, command, finished):
    # Record and grid of step 45 are there only because the run ends; a longer one takes them back.
    run, result = begin("--tensorboard", "--steps", 45)
    assert result.status == 0
    assert {("losses/d_loss", 45), ("grid", 45)} <= _shown(run).keys()
    assert command("train", "--resume", run, "--steps", STEPS).status == 0
    assert len(list((run / "tensorboard").iterdir())) == 2
    assert differences(run, finished, free=("tensorboard",)) == []
    _assert_shows_the_run(run)


def test_wished_for_at_a_resume_it_begins_with_the_history_so_far(library, finished, command, tmp_path):
    run = copy_run(finished, tmp_path / "run")
    assert command("train", "--resume", run, "--steps", STEPS + 5, "--tensorboard").status == 0
    _assert_shows_the_run(run)
    assert ("losses/d_loss", 10) in _shown(run)


def test_rollback_within_a_second_purges_and_keeps_the_first_file(library, tmp_path):
    board = Board(RunFolder(tmp_path), _WISH)
    records = [{"step": step, "d_loss": float(step)} for step in range(1, 6)]
    board.go_on(0, [])
    for record in records:
        board.record(record)
    board.go_on(3, records[:3])
    board.record({"step": 4, "d_loss": -4.0})
    board.close()
    expected = {1: 1.0, 2: 2.0, 3: 3.0, 4: -4.0}
    assert _shown(tmp_path) == {("losses/d_loss", step): value for step, value in expected.items()}


def test_accuracy_of_a_wasserstein_critic_is_left_out(library, tmp_path):
    board = Board(RunFolder(tmp_path), dataclasses.replace(load_config("wgan"), tensorboard=True))
    board.go_on(0, [])
    board.record({"step": 1, "d_real": 1.0, "d_accuracy": 0.5})
    board.close()
    assert _shown(tmp_path) == {("D/real", 1): 1.0}


def test_saved_state_has_its_events_on_the_disk(library, tmp_path):
    board = Board(RunFolder(tmp_path), _WISH)
    board.go_on(0, [])
    board.record({"step": 1, "d_loss": 1.0})
    board.sync()
    assert _shown(tmp_path) == {("losses/d_loss", 1): 1.0}


def test_full_disk_is_one_line(library, tmp_path, monkeypatch):
    from tensorboardX.event_file_writer import EventsWriter

    def full(self, event):
        raise OSError(28, "No space left on device")

    board = Board(RunFolder(tmp_path), _WISH)
    board.go_on(0, [])
    monkeypatch.setattr(EventsWriter, "write_event", full)
    with pytest.raises(UserError, match=r"cannot write .*tensorboard: No space left on device"):
        board.record({"step": 1, "d_loss": 1.0})


@pytest.mark.parametrize("wish", [("--tensorboard",), ("--set", "tensorboard=true"), ("--tensorboard", "--dry-run")])
def test_without_the_library_one_line_before_anything_is_made(command, digits_folder, tmp_path, monkeypatch, wish):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    out = tmp_path / "run"
    result = command("train", "--data-dir", digits_folder, "--out", out, "--steps", "2", "--device", "cpu", *wish)
    line = "--tensorboard: tensorboardX is not installed: pip install -r requirements-tensorboard.txt\n"
    assert result.status == 2
    assert result.stderr.endswith(line)
    assert result.stderr.count("\n") == 1
    assert not out.exists()
