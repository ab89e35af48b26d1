"""Folders for results, known to be writable before the work begins."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ms_gan.files import make_writable, new_folder


@contextmanager
def result_folder(kind: str, recipe: str, out: str | Path | None) -> Iterator[Path]:
    """Make the folder of a result; one that was made here and is still empty when the work fails is taken away.

    Parameters
    ----------
    kind, recipe : str
        For the name of a folder that nobody named: ``runs/<kind>-<recipe>-<date-time>``.
    out : path-like or None
        The folder that was asked for; it may exist.

    Yields
    ------
    Path
        The folder.

    Raises
    ------
    UserError
        If nothing can be written there.
    """
    made = not out or not Path(out).exists()
    folder = Path(out) if out else new_folder(f"{kind}-{recipe}")
    make_writable(folder)
    try:
        yield folder
    except BaseException:
        if made:
            with suppress(OSError):
                folder.rmdir()
        raise
