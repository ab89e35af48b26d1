"""One writer at a time."""

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from ms_gan.errors import UserError
from ms_gan.files import cannot_write


@contextlib.contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Hold a folder for writing; a second writer gets a UserError that names the first.

    The lock is the operating system's, so it ends with its holder, however that ends; what a killed holder leaves
    in the file means nothing.
    """
    path = folder / ".lock"
    try:
        stream = open(path, "ab+", buffering=0)  # noqa: SIM115
    except OSError as error:
        raise UserError(cannot_write(path, error)) from None
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            holder = " ".join(stream.read(200).decode(errors="replace").split()) or "another process"
            raise UserError(f"{folder}: is being written by {holder}; wait for it, or name another") from None
        except OSError as error:
            raise UserError(f"{path}: cannot be locked: {error.strerror}; name a folder on a local disk") from None
        try:
            stream.truncate(0)
            stream.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
        except OSError as error:
            raise UserError(cannot_write(path, error)) from None
        try:
            yield
        finally:
            # The name of the machine is nobody's business once the run is over.
            with contextlib.suppress(OSError):
                stream.truncate(0)
