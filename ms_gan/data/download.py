"""Fetch data sets from a list of mirrors: bounded in time and size, verified, unpacked safely, or not at all.

The transfer itself is done by the `download` package. It sets no limit of time on a silent server, none of size,
and checks no hash, so it runs in a child process that is watched here.
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from ms_gan.data.unpack import DataFile, DownloadError, Parcel, readable, unpack
from ms_gan.errors import UserError
from ms_gan.files import cannot_write, sync_folder

PATIENCE = 15.0  # seconds in which at least one byte must arrive
SLOWEST = 100_000  # bytes a second; with a minute for the start it bounds a transfer's whole time
STAGING = ".fetching-"
_STALE = 24 * 3600.0  # seconds; older leftovers of killed downloads are removed
_CHUNK = 2**20
# `download` as a program: connects within 10 s, says in one line what failed.
_TRANSFER = """
import sys
try:
    from download import download
    url, path, bar = sys.argv[1:]
    download(url, path, progressbar=bar == "bar", verbose=False, replace=True, timeout=10.0)
except BaseException as error:
    sys.exit(str(error).split("Error: ", 1)[-1])
"""


Mirror = tuple[Parcel, ...]  # all of them together hold the data set


def complete(destination: Path, files: Sequence[DataFile]) -> bool:
    """Tell, by the sizes, whether all `files` lie under `destination`."""
    try:
        return all((destination / file.name).stat().st_size == file.size for file in files)
    except OSError:
        return False


def fetch(
    title: str,
    mirrors: Sequence[Mirror],
    files: Sequence[DataFile],
    destination: Path,
    announce: Callable[[str], None] = print,
    patience: float = PATIENCE,
) -> None:
    """Get `files` into `destination` from the first mirror that gives them whole and unchanged.

    Nothing appears in `destination` before everything is verified. Processes may fetch at the same time.

    Parameters
    ----------
    title : str
        Name of the data set, for the messages.
    mirrors : sequence of tuple of Parcel
        Tried in order, each once.
    files : sequence of DataFile
        What must come out; other members of an archive are left alone.
    destination : Path
        Folder that the names of `files` are relative to; made when it is missing.
    announce : callable
        Takes the lines that tell what happens.
    patience : float
        Seconds of silence after which a server is given up.

    Raises
    ------
    DownloadError
        If no mirror gives the data (the message has each mirror's reason), or nothing can be stored beside
        `destination`.
    UserError
        If the disk is full or an address is none.
    """
    reasons = []
    with _staging(destination) as staging:
        for mirror in mirrors:
            host = _host(mirror[0].url)
            announce(f"Fetching {title} from {host} into {destination}")
            try:
                _fetch_mirror(mirror, files, Path(tempfile.mkdtemp(dir=staging)), destination, patience)
                return
            except DownloadError as error:
                announce(f"  {host}: {error}")
                reasons.append(f"{host}: {error}")
    raise DownloadError(
        f"{title} cannot be fetched ({'; '.join(reasons)}); check the network, or set MS_GAN_MIRROR to an "
        "address or folder that has it",
        reasons,
    )


def _fetch_mirror(mirror: Mirror, files: Sequence[DataFile], staging: Path, destination: Path, patience: float) -> None:
    for parcel in mirror:
        _fetch_parcel(parcel, files, staging, patience)
    missing = [file.name for file in files if not (staging / "out" / file.name).is_file()]
    if missing:
        raise DownloadError(f"it does not hold {missing[0]}")
    _publish(staging / "out", files, destination)


def _fetch_parcel(parcel: Parcel, files: Sequence[DataFile], staging: Path, patience: float) -> None:
    packed = staging / "parcel"
    packed.unlink(missing_ok=True)
    local = _local_path(parcel.url)
    if local is None:
        _transfer(parcel, packed, patience)
    else:
        packed = local
    if not os.path.isfile(packed):
        raise DownloadError(f"no such file, or none that can be reached: {packed}")
    if packed.stat().st_size > parcel.largest:
        raise DownloadError(f"more than the {parcel.largest} bytes that {parcel.name} may have")
    if parcel.md5 is not None:
        digest = hashlib.md5(usedforsecurity=False)
        with readable(parcel), open(packed, "rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
        if digest.hexdigest() != parcel.md5:
            raise DownloadError(f"wrong checksum of {parcel.name}")
    unpack(packed, parcel, files, staging / "out")


def _transfer(parcel: Parcel, path: Path, patience: float) -> None:
    """Run `download` in a child process; stop it when it is silent, too slow, or brings too much."""
    bar = sys.stderr is not None and sys.stderr.isatty()
    command = [sys.executable, "-c", _TRANSFER, parcel.url, path.name, "bar" if bar else "quiet"]
    with (
        tempfile.TemporaryFile() as complaints,
        # Its own folder, as a file download.py in the current one would be taken for the package.
        subprocess.Popen(
            command,
            cwd=path.parent,
            stdin=subprocess.DEVNULL,
            stdout=2 if bar else subprocess.DEVNULL,
            stderr=complaints,
        ) as child,
    ):
        try:
            _watch(child, parcel, path, patience)
        finally:
            child.kill()
        if child.wait() != 0:
            complaints.seek(0)
            reason = " ".join(complaints.read(10_000).decode(errors="replace").split())
            reason = reason.removeprefix("<urlopen error ").removesuffix(">")
            raise DownloadError(reason[-200:] or f"the transfer ended with status {child.returncode}")


def _watch(child: subprocess.Popen, parcel: Parcel, path: Path, patience: float) -> None:
    part = path.with_name(path.name + ".part")  # where `download` collects what arrives
    began = heard = time.monotonic()
    size = 0
    while child.poll() is None:
        now = time.monotonic()
        with contextlib.suppress(FileNotFoundError):
            arrived = part.stat().st_size
            if arrived != size:
                size, heard = arrived, now
        if size > parcel.largest:
            raise DownloadError(f"more than the {parcel.largest} bytes that {parcel.name} may have")
        if now - heard > patience:
            raise DownloadError(f"nothing arrived for {patience:g} s")
        if now - began > 60 + parcel.largest / SLOWEST:
            raise DownloadError(f"too slow: {size} bytes in {now - began:.0f} s")
        time.sleep(0.05)


@contextlib.contextmanager
def _staging(destination: Path) -> Iterator[Path]:
    """Yield a private folder beside the data, so that renaming is atomic; it is removed afterwards."""
    place = destination.parent
    try:
        place.mkdir(parents=True, exist_ok=True)
        for old in place.glob(f"{STAGING}*"):
            with contextlib.suppress(OSError):
                if time.time() - old.stat().st_mtime > _STALE:
                    shutil.rmtree(old, ignore_errors=True)
        staging = Path(tempfile.mkdtemp(prefix=STAGING, dir=place))
    except OSError as error:
        reason = cannot_write(destination, error)
        raise DownloadError(reason, [reason]) from error
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _publish(unpacked: Path, files: Sequence[DataFile], destination: Path) -> None:
    try:
        for file in files:
            target = destination / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(unpacked / file.name, target)
            sync_folder(target.parent)
    except OSError as error:
        raise UserError(cannot_write(destination, error)) from error


def _local_path(url: str) -> Path | None:
    parts = _parts(url)
    if parts.scheme in ("http", "https"):
        return None
    if parts.scheme not in ("", "file"):
        raise DownloadError(f"addresses begin with http:// or https://, or are file paths, unlike {url}")
    try:
        return Path(unquote(parts.path) if parts.scheme else url).expanduser()
    except RuntimeError as error:
        raise UserError(f"{url}: is not a path ({error}); mend MS_GAN_MIRROR") from None


def _host(url: str) -> str:
    return _parts(url).hostname or str(Path(url).parent)


def _parts(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:
        raise UserError(f"{url}: is not an address ({error}); mend MS_GAN_MIRROR") from error
