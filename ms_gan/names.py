"""Unknown names are answered with the nearest known one."""

import difflib
from collections.abc import Iterable


def unknown_name(where: str, name: object, known: Iterable[str]) -> str:
    """Return the one line for an unknown `name`: where it stands, the nearest known name, and all known ones."""
    known = [str(entry) for entry in known]
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"{where}: unknown name {str(name)!r}; {hint}known: {', '.join(known) or 'none'}"
