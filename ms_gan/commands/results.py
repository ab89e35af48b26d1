"""Folders for results, known to be writable before the work begins."""

from datetime import datetime
from pathlib import Path

from ms_gan.files import make_writable


def result_folder(kind: str, recipe: str, out: str | Path | None) -> Path:
    """Make the folder of a result and return it.

    Parameters
    ----------
    kind, recipe : str
        For the name of a folder that nobody named: ``runs/<kind>-<recipe>-<date-time>``.
    out : path-like or None
        The folder that was asked for; it may exist.

    Raises
    ------
    UserError
        If nothing can be written there.
    """
    folder = Path(out or Path("runs") / f"{kind}-{recipe}-{datetime.now():%Y%m%d-%H%M%S}")
    make_writable(folder)
    return folder
