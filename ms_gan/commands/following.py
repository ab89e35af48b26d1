"""Reading logs that others write: the new lines of one, and the last lines of one."""

import re
import sys
from pathlib import Path

# MindSpore's own notes on its connections; they stay in the log.
_NOISE = re.compile(r"\[(INFO|WARNING)\] [A-Z_]+\(")


class LogFollower:
    """Shows a log line by line as it grows.

    Parameters
    ----------
    path : Path
        The log; it may not be there yet.
    """

    def __init__(self, path: Path):
        self._path, self._read, self._rest = path, 0, ""

    def show(self) -> None:
        """Print what has been added since, whole lines only."""
        if not self._path.exists():
            return
        with open(self._path, "rb") as stream:
            stream.seek(self._read)
            added = stream.read()
        self._read += len(added)
        *lines, self._rest = (self._rest + added.decode(errors="replace")).split("\n")
        for line in lines:
            if not _NOISE.match(line):
                print(line)
        sys.stdout.flush()


def last_lines(path: Path, count: int = 15) -> list[str]:
    """Return the last lines of a log; none if it is not there."""
    if not path.exists():
        return []
    lines = path.read_text(errors="replace").splitlines()
    return [line for line in lines if not _NOISE.match(line)][-count:]
