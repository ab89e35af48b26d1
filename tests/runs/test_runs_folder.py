import fcntl
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ms_gan.config import Config
from ms_gan.errors import UserError
from ms_gan.files import atomic_file
from ms_gan.runs.folder import RunFolder
from ms_gan.runs.index import check_digest


def _run(path) -> RunFolder:
    run = RunFolder.new("mlp", str(path))
    run.write_config(Config())
    return run


def _touch(run, *names):
    for name in names:
        (run.path / name).write_bytes(b"x")


def test_names_do_not_collide_and_taken_folders_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, second = RunFolder.new("mlp", None), RunFolder.new("mlp", None)
    assert first.path != second.path
    assert first.path.parent.name == "runs"
    first.write_config(Config())
    with pytest.raises(UserError, match="holds a run already; go on with --resume"):
        RunFolder.new("mlp", str(first.path))


@pytest.mark.parametrize(
    "left",
    [
        *("history.jsonl", "checkpoints/state-00000020/position.json", "checkpoints/Generator1.ckpt"),
        *("images/step-00000010.png", "evaluation/a.json", "tensorboard/events.out.tfevents.1.host"),
    ],
)
def test_what_is_left_of_another_run_is_not_mixed_with_a_new_one(tmp_path, left):
    # A start that was killed before there was a config.yaml leaves these, and is begun anew.
    for name in ("log.txt", "environment.json", ".lock", "images/real.png", "checkpoints/state-00000000/position.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for folder in (".state-00000000.tmp", "../workers/start-1"):
        (tmp_path / "checkpoints" / folder).mkdir(parents=True)
    RunFolder.new("mlp", str(tmp_path))
    (tmp_path / left).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / left).touch()
    # Without a state there is nothing that --resume could go on with.
    (tmp_path / "checkpoints" / "state-00000000" / "position.json").unlink()
    (tmp_path / "checkpoints" / "state-00000000").rmdir()
    advice = f"go on with --resume {tmp_path}, or name" if "state" in left else "name"
    what = left.removesuffix("/position.json")
    with pytest.raises(UserError, match=f"holds {what} of a run without its config.yaml; {advice} another folder$"):
        RunFolder.new("mlp", str(tmp_path))


def test_files_of_ones_own_in_folders_of_these_names_are_no_run(tmp_path):
    for name in ("evaluation/mine.py", "tensorboard/.gitkeep", "images/cat.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    assert RunFolder.new("mlp", str(tmp_path)).path == tmp_path


def test_an_index_of_checkpoints_that_are_gone_is_not_gone_on_with(tmp_path):
    run = RunFolder.new("mlp", str(tmp_path))
    files = run.network_files(20, None)
    _touch(run, *(f"checkpoints/{file.name}" for file in files))
    run.note_networks(20, files, None)
    for file in files:
        file.unlink()
    with pytest.raises(UserError, match="holds checkpoints/Generator_step20"):
        RunFolder.new("mlp", str(tmp_path))


def test_a_file_where_a_folder_of_a_run_would_be_is_named(tmp_path):
    (tmp_path / "images").touch()
    with pytest.raises(UserError, match=r"cannot write .*: File exists; .*/images is a file, so name another folder$"):
        RunFolder.new("mlp", str(tmp_path))


def test_a_recipe_whose_name_no_file_can_have_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    with pytest.raises(UserError, match=r"cannot write .*: File name too long"):
        RunFolder.new("x" * 300, None)


def test_a_checkpoint_that_cannot_be_read_is_one_line(tmp_path):
    run = _run(tmp_path)
    files = run.network_files(7, None)
    for file in files:
        file.write_bytes(b"x")
    run.note_networks(7, files, None)
    files[0].unlink()
    files[0].mkdir()
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        check_digest(files[0])


@pytest.mark.parametrize("path", ["file", "file/below", "x" * 300])
def test_impossible_folder_is_one_line(tmp_path, path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write "):
        RunFolder.new("mlp", str(tmp_path / path))


def test_nothing_to_open(tmp_path):
    for name in ("gone", "x" * 300, "."):
        with pytest.raises(UserError, match="is no run folder"):
            RunFolder.open(tmp_path / name)


def test_lock_names_its_holder_and_ends_with_it(tmp_path):
    run = _run(tmp_path)
    with (
        run.locked(),
        pytest.raises(UserError, match=f"is being written by process {os.getpid()} on "),
        RunFolder(tmp_path).locked(),
    ):
        pass
    with RunFolder(tmp_path).locked(), open(tmp_path / ".lock") as stream, pytest.raises(BlockingIOError):
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_lock_clears_what_a_killed_process_left_and_nothing_else(tmp_path):
    run = _run(tmp_path)
    _touch(run, ".history.jsonl.a1_b2c3d.tmp", ".123.tmp.losses.png", "images/.x.png.abcdefgh.tmp")
    _touch(run, "checkpoints/.9.tmp.Generator1.tmp")
    files = {".hidden", ".notes.tmp", ".a.json.tmp", ".history.jsonl.abcdefghi.tmp"}
    _touch(run, "images/real.png", *files)
    folders = {".keep.tmp", ".keep.json.abcdefgh.tmp", ".state-00000009.tmp"}
    for folder in ("checkpoints/.state-00000009.tmp", *folders):
        (tmp_path / folder).mkdir()
        _touch(run, f"{folder}/parameters.npz")
    with run.locked():
        assert {path.name for path in tmp_path.glob(".*")} == {".lock", *files, *folders}
        assert [path.name for path in run.images.iterdir()] == ["real.png"]
        assert list(run.checkpoints.iterdir()) == []


@pytest.mark.parametrize("name", ["config.yaml", "history.jsonl", "report.html", "losses.png", "training.gif"])
def test_lock_knows_the_names_of_half_written_files(tmp_path, name):
    run = _run(tmp_path)
    with atomic_file(tmp_path / name):
        (half,) = tmp_path.glob(".*.tmp")
    half.touch()
    with run.locked():
        assert not half.exists()


def test_a_walk_goes_with_the_networks_that_it_was_drawn_by(tmp_path):
    run = _run(tmp_path)
    files = run.network_files(10, None)
    _touch(run, *(f"checkpoints/{file.name}" for file in files), "interpolation.png")
    run.note_networks(10, files, None)
    assert not run.interpolation.exists()
    _touch(run, "interpolation.png")
    run.take_back(10, 10, picture_stays=True, networks_stay=True)
    assert run.interpolation.exists()
    run.take_back(10, 10, picture_stays=True, networks_stay=False)
    assert not run.interpolation.exists()


def test_keeping_only_the_newest_networks(tmp_path):
    run = _run(tmp_path)
    for step, epoch in ((10, 0), (15, None), (20, 1)):
        files = run.network_files(step, epoch)
        for file in files:
            file.write_bytes(b"x")
        run.note_networks(step, files, keep=2)
    names = {path.name for path in run.checkpoints.glob("*.ckpt")}
    assert names == {"Generator_step15.ckpt", "Discriminator_step15.ckpt", "Generator1.ckpt", "Discriminator1.ckpt"}
    assert run.generator_file().name == "Generator1.ckpt"


def test_taking_back_to_a_step(tmp_path):
    run = _run(tmp_path)
    _touch(run, *(f"images/step-{step:08d}.png" for step in (10, 20, 25, 30)), "images/real.png")
    for number in ("0", "1", "_step25", "2"):
        _touch(run, f"checkpoints/Generator{number}.ckpt", f"checkpoints/Discriminator{number}.ckpt")
    _touch(run, "checkpoints/Generator_step24.ckpt", "checkpoints/mine.ckpt", "checkpoints/index.json")
    for step in (20, 25, 30):
        (run.checkpoints / f"state-{step:08d}").mkdir()
    run.take_back(25, 10, picture_stays=False, networks_stay=True)
    assert list(run.grid_pictures()) == [10, 20]
    assert list(run.network_index()) == [10, 20, 25]
    assert not (run.checkpoints / "Generator2.ckpt").exists()
    assert (run.checkpoints / "mine.ckpt").exists()
    assert sorted(path.name for path in run.checkpoints.glob("state-*")) == ["state-00000020", "state-00000025"]


_NAMES = st.sampled_from(["Generator1.ckpt", "Discriminator1.ckpt", "..", "", "../x"])
_ENTRIES = st.lists(_NAMES | st.integers(), max_size=3) | st.text(max_size=2)
_INDEX = st.dictionaries(st.text("0123456789-x", max_size=3), _ENTRIES)


@given(st.binary(max_size=80) | _INDEX.map(lambda index: json.dumps(index).encode()))
def test_index_takes_any_bytes_and_never_leads_out_of_the_folder(tmp_path_factory, content):
    run = RunFolder(tmp_path_factory.getbasetemp() / "index")
    run.checkpoints.mkdir(parents=True, exist_ok=True)
    (run.checkpoints / "index.json").write_bytes(content)
    try:
        index, message = run.network_index(), ""
    except UserError as error:
        index, message = {}, str(error)
    assert "\n" not in message
    assert all(names == ["Generator1.ckpt", "Discriminator1.ckpt"] for names in index.values())


@pytest.mark.parametrize("content", ["", "[]", "{", '{"data": []}', '{"data": {"sha256": 1}}', "[" * 9999])
def test_damaged_environment_is_one_line(tmp_path, content):
    run = _run(tmp_path)
    run.environment_file.write_text(content)
    with pytest.raises(UserError, match=r"environment.json: is damaged"):
        run.data_digest()
