"""Fetching from a loopback server: good, wrong, broken, cut, silent, hostile."""

import contextlib
import gzip
import hashlib
import http.server
import io
import os
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from pathlib import Path

import pytest

from ms_gan.data.download import STAGING, complete, fetch
from ms_gan.data.unpack import DataFile, DownloadError, Parcel
from ms_gan.errors import UserError

CONTENT = {"train/numbers": bytes(range(256)) * 40, "names.txt": b"one\ntwo\n"}
FILES = tuple(DataFile(name, len(body), hashlib.md5(body).hexdigest()) for name, body in CONTENT.items())


def _zip(members: dict[str, bytes], mode: int = 0o100644) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, body, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _tar(members: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, body in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(body), kind, "/etc/passwd"
            archive.addfile(info, io.BytesIO(body))
    return buffer.getvalue()


GOOD = _zip({f"Data/{name}": body for name, body in CONTENT.items()} | {"Data/readme": b"left alone"})


class Server(http.server.ThreadingHTTPServer):
    """Answers each path with the bytes or the misbehaviour (a function of the handler) set in `answers`."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = {}
        self.asked = []
        self.done = threading.Event()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path.strip("/"))
        answer = self.server.answers.get(self.path.strip("/"))
        if answer is None:
            self.send_error(404)
        elif callable(answer):
            answer(self)
        else:
            self.head(len(answer))
            with contextlib.suppress(OSError):  # `download` opens every address twice just to look
                self.wfile.write(answer)

    def head(self, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.done.set()
        server.shutdown()
        thread.join()


def _mirror(server: Server, name: str, md5: str | None = None, kind: str = "zip", largest: int = 100_000):
    return (Parcel(server.url(name), kind, md5, largest),)


def _fetch(mirrors, destination: Path, **options) -> list[str]:
    lines = []
    fetch("Numbers", mirrors, FILES, destination, lines.append, **options)
    return lines


def _assert_whole(destination: Path) -> None:
    assert complete(destination, FILES)
    for name, body in CONTENT.items():
        assert (destination / name).read_bytes() == body
    found = {path.relative_to(destination).as_posix() for path in destination.rglob("*") if path.is_file()}
    assert found == set(CONTENT)
    assert not list(destination.parent.glob(f"{STAGING}*"))


def _assert_nothing(destination: Path) -> None:
    assert not destination.exists()
    assert not any(destination.parent.iterdir())


def cut(handler):
    handler.head(len(GOOD))
    handler.wfile.write(GOOD[: len(GOOD) // 2])


def silent(handler):
    handler.server.done.wait(20)


def silent_after_a_while(handler):
    handler.head(len(GOOD))
    with contextlib.suppress(OSError):
        handler.wfile.write(GOOD[:100])
        handler.wfile.flush()
    handler.server.done.wait(20)


def endless(handler):
    handler.send_response(200)
    handler.end_headers()
    with contextlib.suppress(OSError):
        while not handler.server.done.is_set():
            handler.wfile.write(bytes(2**16))


def broken(handler):
    handler.send_error(500)


def test_zip(server, tmp_path):
    server.answers["a.zip"] = GOOD
    lines = _fetch([_mirror(server, "a.zip")], tmp_path / "set")
    _assert_whole(tmp_path / "set")
    assert lines == [f"Fetching Numbers from 127.0.0.1 into {tmp_path / 'set'}"]
    # Permissions of the umask, not of mkstemp: other users of a shared cache may read.
    assert (tmp_path / "set" / "names.txt").stat().st_mode & 0o044 == 0o666 & ~_umask() & 0o044


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_tar(server, tmp_path):
    body = _tar({f"Data/{name}": body for name, body in CONTENT.items()})
    server.answers["a.tar.gz"] = body
    _fetch([_mirror(server, "a.tar.gz", hashlib.md5(body).hexdigest(), "tar.gz")], tmp_path / "set")
    _assert_whole(tmp_path / "set")


def test_one_gz_for_each_file(server, tmp_path):
    parcels = []
    for name, body in CONTENT.items():
        packed = gzip.compress(body)
        server.answers[f"{Path(name).name}.gz"] = packed
        parcels += _mirror(server, f"{Path(name).name}.gz", hashlib.md5(packed).hexdigest(), "gz")
    _fetch([tuple(parcels)], tmp_path / "set")
    _assert_whole(tmp_path / "set")


def test_from_a_folder(tmp_path):
    (tmp_path / "a.zip").write_bytes(GOOD)
    _fetch([(Parcel(str(tmp_path / "a.zip"), "zip", None, 100_000),)], tmp_path / "cache" / "set")
    _assert_whole(tmp_path / "cache" / "set")


def test_from_a_place_that_cannot_be(tmp_path):
    with pytest.raises(DownloadError, match="no such file, or none that can be reached"):
        _fetch([(Parcel(str(tmp_path / ("x" * 300)), "zip", None, 1000),)], tmp_path / "set")
    with pytest.raises(UserError, match=r"~nobodyatall/x: is not a path .*; mend MS_GAN_MIRROR"):
        _fetch([(Parcel("~nobodyatall/x", "zip", None, 1000),)], tmp_path / "set")


CHANGED = {name: body[:-1] + b"!" for name, body in CONTENT.items()}
LINK = 0o120777
BAD = {
    "server error": (broken, None, "500"),
    "not found": (None, None, "404"),
    "cut connection": (cut, None, "size"),
    "silent": (silent, None, "nothing arrived for 3 s"),
    "silent after a while": (silent_after_a_while, None, "nothing arrived for 3 s"),
    "endless": (endless, None, "more than the 100000 bytes"),
    "too large": (bytes(200_000), None, "more than the 100000 bytes"),
    "no archive": (b"<html>Please log in</html>", None, "broken archive"),
    "broken archive": (GOOD[:200] + b"x" * 20 + GOOD[220:], None, "broken archive|checksum"),
    "wrong archive checksum": (GOOD, "0" * 32, "wrong checksum of bad.zip"),
    "wrong file checksum": (_zip(CHANGED), None, "wrong checksum of train/numbers"),
    "wrong file size": (_zip({name: body + b"!" for name, body in CONTENT.items()}), None, "wrong size"),
    "bomb": (_zip({"numbers": bytes(50_000_000)}), None, "wrong size"),
    "file missing": (_zip({"numbers": CONTENT["train/numbers"]}), None, "does not hold names.txt"),
    "file twice": (_zip({"a/numbers": b"1", "b/numbers": b"2"}), None, "twice"),
    "..": (_zip(CONTENT | {"../../evil": b"x"}), None, r"unsafe archive: '../../evil'"),
    "..\\": (_zip(CONTENT | {"..\\evil": b"x"}), None, "unsafe archive"),
    "absolute": (_zip(CONTENT | {"/evil": b"x"}), None, "unsafe archive: '/evil'"),
    "drive": (_zip(CONTENT | {"C:/evil": b"x"}), None, "unsafe archive"),
    "link": (_zip(CONTENT, LINK), None, "neither a file nor a folder"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_mirror_then_good_one(server, tmp_path, case):
    answer, md5, words = BAD[case]
    server.answers.update({"bad.zip": answer, "good.zip": GOOD})
    bad = _mirror(server, "bad.zip", md5)
    # A busy machine may keep even a server that answers waiting for more than a second.
    patience = 3 if case.startswith("silent") else 30
    with pytest.raises(DownloadError, match=words) as caught:
        _fetch([bad], tmp_path / "set", patience=patience)
    assert "\n" not in str(caught.value)
    assert len(caught.value.reasons) == 1
    _assert_nothing(tmp_path / "set")
    _fetch([bad, _mirror(server, "good.zip")], tmp_path / "set", patience=patience)
    _assert_whole(tmp_path / "set")


@pytest.mark.parametrize(
    ("members", "kind", "words"),
    [
        ({"../evil": b"x"}, tarfile.REGTYPE, "leads out of its folder"),
        ({"/evil": b"x"}, tarfile.REGTYPE, "leads out of its folder"),
        ({"train/numbers": b""}, tarfile.SYMTYPE, "neither a file nor a folder"),
        ({"train/numbers": b""}, tarfile.LNKTYPE, "neither a file nor a folder"),
        ({"train/numbers": b""}, tarfile.CHRTYPE, "neither a file nor a folder"),
        ({"train/numbers": b""}, tarfile.FIFOTYPE, "neither a file nor a folder"),
    ],
)
def test_unsafe_tar(tmp_path, members, kind, words):
    packed = tmp_path / "a.tar.gz"
    packed.write_bytes(_tar(members, kind))
    cache = tmp_path / "cache"
    with pytest.raises(DownloadError, match=words):
        _fetch([(Parcel(str(packed), "tar.gz", None, 10**6),)], cache / "set")
    _assert_nothing(cache / "set")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar.gz", "cache"]


def test_nobody_listens(tmp_path):
    with pytest.raises(DownloadError, match=r"refused.*; check the network, or set MS_GAN_MIRROR") as caught:
        _fetch([(Parcel("http://127.0.0.1:9/a.zip", "zip", None, 1000),)], tmp_path / "set")
    # For `data fetch` that is where to.
    assert "--data-dir" not in str(caught.value)


def test_addresses_of_another_kind(tmp_path):
    with pytest.raises(DownloadError, match="http"):
        _fetch([(Parcel("gopher://127.0.0.1/a.zip", "zip", None, 1000),)], tmp_path / "set")


def test_a_file_called_download_in_the_current_folder_is_not_run(server, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "download.py").write_text("raise SystemExit('run')")
    monkeypatch.chdir(tmp_path / "here")
    server.answers["a.zip"] = GOOD
    _fetch([_mirror(server, "a.zip")], tmp_path / "set")


def test_destination_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        _fetch([(Parcel("http://127.0.0.1:9/a.zip", "zip", None, 1000),)], tmp_path / "file" / "set")


def test_interrupt_leaves_nothing(server, tmp_path, monkeypatch):
    server.answers["a.zip"] = silent_after_a_while

    def interrupt(seconds):
        if server.asked:
            raise KeyboardInterrupt

    monkeypatch.setattr("ms_gan.data.download.time.sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        _fetch([_mirror(server, "a.zip")], tmp_path / "set")
    _assert_nothing(tmp_path / "set")


def test_killed_process_leaves_nothing_that_looks_complete_and_is_cleaned_up(server, tmp_path):
    server.answers.update({"slow.zip": silent_after_a_while, "a.zip": GOOD})
    program = (
        "import sys; from pathlib import Path; from ms_gan.data.download import fetch; "
        "from ms_gan.data.unpack import *; "
        "fetch('N', [(Parcel(sys.argv[1], 'zip', None, 10**6),)], [DataFile('names.txt', 8)], Path(sys.argv[2]))"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, "-c", program, server.url("slow.zip"), str(tmp_path / "set")],
        env=environment,
        stdout=subprocess.DEVNULL,
    ) as child:
        while len(server.asked) < 3:  # `download` looks twice before it takes
            time.sleep(0.02)
        child.kill()
    assert not (tmp_path / "set").exists()
    (left,) = tmp_path.iterdir()
    os.utime(left, (0, 0))
    _fetch([_mirror(server, "a.zip")], tmp_path / "set")
    _assert_whole(tmp_path / "set")


def test_two_at_once(server, tmp_path):
    server.answers["a.zip"] = GOOD
    failures = []

    def run():
        try:
            _fetch([_mirror(server, "a.zip")], tmp_path / "set")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    _assert_whole(tmp_path / "set")
