import errno
import itertools
import os
import shutil
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ms_gan.errors import UserError
from ms_gan.files import atomic_file, cannot_write, check_writable, dated, new_folder, write_atomically, write_with


def test_error_inside_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, "old")
    with pytest.raises(ZeroDivisionError), atomic_file(path) as stream:
        stream.write(b"half of the new" * (1 // 0))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_writer_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file.ckpt"
    write_atomically(path, "old")

    def writer(temporary):
        with open(temporary, "w") as stream:
            stream.write("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match=r"cannot write .*file\.ckpt: No space left on device; free some space"):
        write_with(path, writer)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_new_file_appears_only_at_the_end(tmp_path):
    path = tmp_path / "deep" / "file"
    with atomic_file(path) as stream:
        stream.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("write", [lambda p: write_atomically(p, "x"), lambda p: write_with(p, lambda name: None)])
def test_file_in_the_way_of_a_folder_is_one_line(tmp_path, write):
    (tmp_path / "file").write_text("")
    said = r"cannot write .*: (Not a directory|File exists); .*/file is a file, so name another folder$"
    with pytest.raises(UserError, match=said) as caught:
        write(tmp_path / "file" / "below")
    assert "\n" not in str(caught.value)


def test_advice_is_by_the_kind_of_error():
    said = {code: cannot_write(Path("x"), OSError(code, "words")) for code in (errno.ENOSPC, errno.EROFS, errno.EIO)}
    assert ["free some space" in line for line in said.values()] == [True, False, True]
    assert ["may write to" in line for line in said.values()] == [False, True, True]


@pytest.mark.parametrize("write", [lambda p: write_atomically(p, "x"), lambda p: write_with(p, lambda name: None)])
def test_pipes_and_devices_stay_what_they_are(tmp_path, write):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(os.devnull)
    for name in ("pipe", "link"):
        with pytest.raises(UserError, match=f"cannot write .*{name}: it is a device or a pipe; name a file"):
            write(tmp_path / name)
    assert stat.S_ISFIFO(os.stat(tmp_path / "pipe").st_mode)
    assert stat.S_ISCHR(os.stat(tmp_path / "link").st_mode)


def test_a_file_that_cannot_be_written_is_found_out_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "file" / "x.json", tmp_path / "pipe"):
        with pytest.raises(UserError, match="cannot write"):
            check_writable(path)
    for path in (None, tmp_path / "file", tmp_path / "deep" / "x.json"):
        check_writable(path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["deep", "file", "pipe"]


def test_folders_and_files_of_the_same_second_have_names_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = {new_folder("profile-mlp") for _ in range(3)}
    assert len(folders) == 3
    assert all(folder.is_dir() and folder.parent == Path("runs") for folder in folders)
    first, second = itertools.islice(dated("report", ".html"), 2)
    assert second.name == f"{first.stem}-2.html"
    shutil.rmtree("runs")
    Path("runs").symlink_to("gone")
    with pytest.raises(UserError, match=r"cannot write runs/x-.*: File exists; runs is no folder, so name another"):
        new_folder("x")


def test_link_to_a_file_stays_a_link(tmp_path):
    (tmp_path / "link").symlink_to("file")
    write_atomically(tmp_path / "link", "first")
    write_with(tmp_path / "link", lambda name: Path(name).write_text("second"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "second"


def test_permissions_are_those_of_open(tmp_path):
    with open(tmp_path / "plain", "w"):
        pass
    write_atomically(tmp_path / "ours", "")
    write_with(tmp_path / "theirs", lambda name: open(name, "w").close())
    assert len({path.stat().st_mode for path in tmp_path.iterdir()}) == 1


@given(st.binary(max_size=300))
def test_bytes_come_back(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "bytes"
    write_atomically(path, content)
    assert path.read_bytes() == content
