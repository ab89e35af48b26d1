"""The numbers of a run: one JSON line per record, each with a checksum."""

import contextlib
import json
import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ms_gan.errors import UserError
from ms_gan.files import cannot_write, write_atomically
from ms_gan.runs.sealed import Damaged

# Of a line alone: a record has some ten numbers, and a history as many records as its run was long, so that any bound
# of the whole would be met by a run that could then neither end nor go on. What is no history ends at its first line.
_MOST_LINE = 1 << 16
_CHECK = "crc32"


def append_record(path: Path, record: dict[str, Any]) -> None:
    """Add one record to the end of the history."""
    try:
        with open(path, "a", encoding="utf-8") as stream:
            stream.write(_line(record))
    except OSError as error:
        raise UserError(cannot_write(path, error)) from error


def sync_history(path: Path) -> None:
    """Make sure that the history is on the disk."""
    if path.exists():
        with open(path, "rb") as stream:
            os.fsync(stream.fileno())


def read_history(path: Path) -> list[dict[str, Any]]:
    """Read a history; a torn last line, as a killed process leaves it, is dropped.

    Raises
    ------
    UserError
        If the file is missing or a whole line is no record.
    """
    records = []
    try:
        with open(path, "rb") as stream:
            while line := stream.readline(_MOST_LINE + 1):
                # What stands behind the last line end is torn, or lacks nothing but its end.
                torn = not line.endswith(b"\n") and len(line) <= _MOST_LINE
                with contextlib.suppress(Damaged) if torn else contextlib.nullcontext():
                    records.append(_record(path, len(records) + 1, line.removesuffix(b"\n")))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    return records


def write_records(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Write a history anew, atomically."""
    write_atomically(path, "".join(map(_line, records)))


def _is_number(value: object) -> bool:
    return type(value) is float or (type(value) is int and abs(value) < 2**53)


def _record(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        if len(line) > _MOST_LINE:
            raise ValueError
        record = json.loads(line)
        if not isinstance(record, dict) or not all(map(_is_number, record.values())):
            raise ValueError
        if not all(type(record.get(key)) is int and record[key] >= 0 for key in ("step", "epoch")):
            raise ValueError
        # Lines of older versions have no checksum.
        if _CHECK in record and record.pop(_CHECK) != _checksum(record):
            raise ValueError
    except (ValueError, RecursionError):
        raise Damaged(
            f"{path}: is damaged: line {number} is no record, or its checksum does not hold; "
            "resume the run to have it mended from the newest state, or remove that line"
        ) from None
    return record


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record | {_CHECK: _checksum(record)}) + "\n"


def _checksum(record: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(record).encode())
