"""The command lines that a command tells its user to go on with; nothing heavy is imported for such last words."""

import shlex
import shutil
import sys
from pathlib import Path

from ms_gan.runs.folder import RunFolder


def resume_hint(run: RunFolder, *more: str) -> str:
    """Return how a run is gone on with, as a piece of text."""
    return f"Go on with: {command_line(['train', '--resume', str(run.path), *more])}"


def command_line(arguments: list[str]) -> str:
    """Return a command line that works as it is pasted: with ms-gan where it is installed for this Python."""
    beside = Path(sys.executable).parent / "ms-gan"
    program = "python -m ms_gan"
    if beside.exists():
        program = "ms-gan" if shutil.which("ms-gan") == str(beside) else shlex.quote(str(beside))
    return f"{program} {shlex.join(arguments)}"
