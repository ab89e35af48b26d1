"""Folders for results, known to be writable before the work begins."""

from pathlib import Path

from ms_gan.files import make_writable, new_folder


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
    folder = Path(out) if out else new_folder(f"{kind}-{recipe}")
    make_writable(folder)
    return folder
