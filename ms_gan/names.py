"""Unknown names are answered with the nearest known one."""

import difflib
from collections.abc import Iterable

_LONGEST = 60


def unknown_name(where: str, name: object, known: Iterable[str]) -> str:
    """Return the one line for an unknown `name`: where it stands, the nearest known name, and all known ones."""
    known = [str(entry) for entry in known]
    try:
        text = str(name)
    except ValueError:  # Python does not write out whole numbers of more than 4,300 digits
        text = "a very long number"
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    near = difflib.get_close_matches(text, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"{where}: unknown name {text!r}; {hint}known: {', '.join(known) or 'none'}"
