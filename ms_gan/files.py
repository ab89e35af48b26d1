"""Files that are either whole or absent: write beside, sync, rename."""

import contextlib
import errno
import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import IO

from ms_gan.errors import UserError

_ADVICE = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free some space or name another folder"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "name a folder that you may write to"),
    errno.ENAMETOOLONG: "give a shorter name",
    errno.EISDIR: "this is a folder; give the name of a file",
}


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike) -> Iterator[IO[bytes]]:
    """Open a binary file that appears under `path` only when the block ends without an error.

    The bytes go to a temporary file in the same folder, which is synced to disk and renamed. After an
    error the temporary file is removed and an older `path` is untouched. A link stays one: what it names is written.

    Parameters
    ----------
    path : path-like
        The file to write; its folder is made when it is missing.

    Yields
    ------
    IO[bytes]
        A writable binary file.

    Raises
    ------
    UserError
        If the folder or file cannot be written (missing permission, full disk, read-only), or `path` is a device,
        which a rename would take away from everybody.
    """
    path = _target(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        # mkstemp makes files private; give them the permissions that open() would have given.
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        temporary = None
        sync_folder(path.parent)
    except OSError as error:
        raise UserError(cannot_write(path, error)) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()


def write_atomically(path: str | os.PathLike, content: bytes | str) -> None:
    r"""Write bytes or text (as UTF-8) to `path` with :func:`atomic_file`.

    Names of files need not be UTF-8: of those in a text the odd bytes are written as codes such as ``\udce9``.
    """
    with atomic_file(path) as stream:
        stream.write(content.encode(errors="backslashreplace") if isinstance(content, str) else content)


def write_with(path: str | os.PathLike, writer: Callable[[str], None]) -> None:
    """Let `writer` fill a temporary file that it is given by name, then sync and rename it to `path`.

    For libraries that insist on opening the file themselves. The temporary name keeps the suffix of `path`.
    """
    path = _target(path)
    temporary = path.with_name(f".{os.getpid()}.tmp.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        writer(str(temporary))
        os.chmod(temporary, 0o666 & ~_umask())
        with open(temporary, "rb") as stream:
            os.fsync(stream.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise UserError(cannot_write(path, error)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def check_writable(path: str | os.PathLike | None) -> None:
    """Raise UserError now, rather than after an hour of work, if a file cannot be written at `path`.

    Its folder is made when it is missing; None, where no file was asked for, passes.
    """
    if path is None:
        return
    if os.path.isdir(path):
        raise UserError(f"cannot write {path}: it is a folder; give the name of a file")
    _try(_target(path).parent, Path(path))


def make_writable(folder: Path) -> None:
    """Make a folder if it is missing, and raise UserError if no file can be made in it."""
    _try(folder, folder)


def _try(folder: Path, wanted: Path) -> None:
    """Make a file in `folder`, which is gone again; the message of an error names what is wanted."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(cannot_write(wanted, error)) from error


def dated(stem: str | os.PathLike, suffix: str = "") -> Iterator[Path]:
    """Yield <stem>-<date-time><suffix>, then the same with -2, -3 and so on before the suffix."""
    name = f"{stem}-{datetime.now():%Y%m%d-%H%M%S}"
    yield Path(f"{name}{suffix}")
    yield from (Path(f"{name}-{number}{suffix}") for number in itertools.count(2))


def new_folder(name: str) -> Path:
    """Make a folder runs/<name>-<date-time> that nobody has yet, below the current folder, and return it.

    Raises
    ------
    UserError
        If it cannot be made.
    """
    paths = dated(Path("runs") / name)
    path = next(paths)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            with contextlib.suppress(FileExistsError):
                path.mkdir()
                return path
            path = next(paths)
    except OSError as error:
        raise UserError(cannot_write(path, error)) from error


def _target(path: str | os.PathLike) -> Path:
    """Return the file to rename to."""
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        raise UserError(f"cannot write {path}: it is a device or a pipe; name a file")
    return Path(os.path.realpath(path) if os.path.islink(path) else path)


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut, where the file system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def cannot_write(path: Path, error: OSError) -> str:
    """Return the one line that tells the user why `path` could not be written and what to do."""
    reason = error.strerror or str(error)
    advice = _ADVICE.get(error.errno, "free some space or name a folder that you may write to")
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        obstacle = Path(error.filename or path)
        for place in (obstacle, *obstacle.parents):
            if os.path.lexists(place) and not os.path.isdir(place):
                advice = f"{place} is {'a file' if os.path.isfile(place) else 'no folder'}, so name another folder"
    return f"cannot write {path}: {reason}; {advice}"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
