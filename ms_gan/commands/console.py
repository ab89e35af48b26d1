"""What a user sees while a run goes on: lines, and on a terminal a progress bar."""

import os
import re
import sys
from pathlib import Path

from tqdm import tqdm

from ms_gan.errors import UserError
from ms_gan.files import cannot_write


class Console:
    """Prints lines and, once there is a run folder, keeps them in its log as well."""

    def __init__(self) -> None:
        self._log: Path | None = None
        self._early: list[str] = []

    def keep_in(self, log: Path) -> None:
        """Append all lines, also those printed so far, to the file `log`."""
        self._log = log
        for line in self._early:
            self._append(line)
        self._early.clear()

    def line(self, text: str = "") -> None:
        """Print a line above the progress bar, if there is one, and keep it."""
        tqdm.write(text, file=sys.stdout)
        sys.stdout.flush()
        self.note(text)

    def note(self, text: str) -> None:
        """Keep a line without printing it."""
        if self._log is None:
            self._early.append(text)
        else:
            self._append(text)

    def _append(self, text: str) -> None:
        try:
            with open(self._log, "a", encoding="utf-8", errors="backslashreplace") as stream:
                stream.write(without_home(text) + "\n")
        except OSError as error:
            raise UserError(cannot_write(self._log, error)) from error


def without_home(text: str) -> str:
    """Return a text in which the user's home folder is written as ~, where a path begins with it as a whole."""
    home = os.path.expanduser("~")
    # Without a home folder this is "~" or "/".
    if len(home) < 2:
        return text
    return re.sub(rf"(?<![\w./~@+-]){re.escape(home)}(?![\w~@+-]|\.\w)", "~", text)


def duration(seconds: float) -> str:
    """Return seconds as 0:07, 12:34 or 1:02:03."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
