"""Standard output and error that take the name of any file."""

import io
import sys


def take_any_name() -> None:
    """Let a name that is no UTF-8 be printed, with codes for its odd bytes, rather than end in a UnicodeEncodeError."""
    for stream in (sys.stdout, sys.stderr):
        # Notebooks put streams of their own there; in the locale C the bytes are printed as they are.
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
