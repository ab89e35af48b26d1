"""Take known files out of an archive that nobody vouches for: bounded, verified, only into one folder."""

import contextlib
import gzip
import hashlib
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from ms_gan.errors import UserError
from ms_gan.files import cannot_write

_CHUNK = 2**20
_BROKEN = (
    OSError,
    EOFError,
    zlib.error,
    zipfile.BadZipFile,
    tarfile.TarError,
    RuntimeError,
    NotImplementedError,
)


class DownloadError(UserError):
    """Data could not be fetched: one transfer or archive failed, or, with `reasons`, every mirror did."""

    def __init__(self, message: str, reasons: Sequence[str] = ()):
        super().__init__(message)
        self.reasons = tuple(reasons)


@dataclass(frozen=True)
class DataFile:
    """A file as it lies unpacked: path below the destination, bytes, md5 (None: its archive's md5 counts)."""

    name: str
    size: int
    md5: str | None = None


@dataclass(frozen=True)
class Parcel:
    """One transfer: address or file path, 'zip', 'tar.gz' or 'gz', md5 if known, the most bytes it may have."""

    url: str
    kind: str
    md5: str | None
    largest: int

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return self.url.rsplit("/", 1)[-1]


def unpack(packed: Path, parcel: Parcel, files: Sequence[DataFile], folder: Path) -> None:
    """Put those of `files` that the archive `packed` holds into `folder`, each verified.

    Raises
    ------
    DownloadError
        If the archive is broken, holds a member that leads out of its folder, a link or a device, or if a
        file differs from what it should be.
    UserError
        If `folder` cannot be written.
    """
    with readable(parcel):
        for file, stream in _OPENERS[parcel.kind](packed, parcel, files):
            _copy(stream, file, folder / file.name)


def _from_zip(packed: Path, parcel: Parcel, files: Sequence[DataFile]) -> Iterator[tuple[DataFile, IO[bytes]]]:
    with zipfile.ZipFile(packed) as archive:
        members = archive.infolist()
        for member in members:
            mode = member.external_attr >> 16
            regular = mode == 0 or (mode & 0o170000) in (0, 0o100000, 0o040000)
            _refuse_unsafe(member.filename, regular)
        known = _known([member.filename for member in members], files)
        for member in members:
            if member.filename in known:
                with archive.open(member) as stream:
                    yield known[member.filename], stream


def _from_tar(packed: Path, parcel: Parcel, files: Sequence[DataFile]) -> Iterator[tuple[DataFile, IO[bytes]]]:
    with tarfile.open(packed, "r:gz") as archive:
        members = archive.getmembers()
        for member in members:
            _refuse_unsafe(member.name, member.isfile() or member.isdir())
        known = _known([member.name for member in members], files)
        for member in members:
            if member.name in known and member.isfile():
                yield known[member.name], archive.extractfile(member)


def _from_gz(packed: Path, parcel: Parcel, files: Sequence[DataFile]) -> Iterator[tuple[DataFile, IO[bytes]]]:
    for file in _known([parcel.name.removesuffix(".gz")], files).values():
        with gzip.open(packed) as stream:
            yield file, stream


_OPENERS = {"zip": _from_zip, "tar.gz": _from_tar, "gz": _from_gz}


def _refuse_unsafe(name: str, regular: bool) -> None:
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or ":" in name or not regular:
        what = "leads out of its folder" if regular else "is neither a file nor a folder"
        raise DownloadError(f"unsafe archive: {name!r} {what}")


def _known(members: Sequence[str], files: Sequence[DataFile]) -> dict[str, DataFile]:
    """Match members to the wanted files by their last name, whatever folders lead to them."""
    wanted = {PurePosixPath(file.name).name: file for file in files}
    known = {member: wanted[name] for member in members if (name := PurePosixPath(member).name) in wanted}
    if len(set(known.values())) != len([member for member in members if member in known]):
        raise DownloadError("strange archive: it holds a file twice")
    return known


def _copy(stream: IO[bytes], file: DataFile, path: Path) -> None:
    """Copy a file of known size, never more, and verify it."""
    digest, size = hashlib.md5(usedforsecurity=False), 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as target:
            for chunk in _chunks(stream, file.size + 1):
                size += len(chunk)
                digest.update(chunk)
                target.write(chunk)
            target.flush()
            os.fsync(target.fileno())
    except OSError as error:
        raise UserError(cannot_write(path, error)) from error
    if size != file.size or (file.md5 is not None and digest.hexdigest() != file.md5):
        raise DownloadError(f"wrong {'checksum' if size == file.size else 'size'} of {file.name}")


def _chunks(stream: IO[bytes], most: int) -> Iterator[bytes]:
    while most > 0:
        try:
            chunk = stream.read(min(_CHUNK, most))
        except _BROKEN as error:
            raise DownloadError(f"broken archive ({error})") from error
        if not chunk:
            return
        most -= len(chunk)
        yield chunk


@contextlib.contextmanager
def readable(parcel: Parcel) -> Iterator[None]:
    """Turn what a broken file makes the standard library raise into a `DownloadError`."""
    try:
        yield
    except _BROKEN as error:
        raise DownloadError(f"broken archive {parcel.name} ({error})") from error
