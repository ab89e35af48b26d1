"""Small files with a checksum inside, so that a changed bit is noticed when they are read."""

import hashlib
import json
from pathlib import Path
from typing import Any

from ms_gan.errors import UserError
from ms_gan.files import write_atomically

_MOST_BYTES = 1 << 25
_SEAL = "sha256"
_COMMENT = "# sha256 of the lines below: "


class Damaged(UserError):
    """A file that is there but not as it was written."""


def write_sealed(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON object with a checksum as its last entry."""
    sealed = content | {_SEAL: _digest(json.dumps(content))}
    write_atomically(path, json.dumps(sealed, indent=2) + "\n")


def read_sealed(path: Path) -> dict[str, Any]:
    """Read a JSON object; one without a checksum, from before there were any, is taken as it is.

    Raises
    ------
    Damaged
        If it is no JSON object or its checksum does not hold.
    UserError
        If it cannot be read at all.
    """
    try:
        content = json.loads(read_bytes(path))
    except (ValueError, RecursionError):
        raise Damaged(f"{path}: is damaged (no JSON)") from None
    if not isinstance(content, dict):
        raise Damaged(f"{path}: is damaged (no JSON object)")
    if _SEAL in content:
        seal = content.pop(_SEAL)
        if seal != _digest(json.dumps(content)):
            raise Damaged(f"{path}: is damaged (its checksum does not hold)")
    return content


def write_commented(path: Path, text: str) -> None:
    """Write a text with its checksum in a comment line above it."""
    write_atomically(path, f"{_COMMENT}{_digest(text)}\n{text}")


def check_commented(path: Path) -> None:
    """Raise Damaged if a text is empty, or not that which the comment line above it was made for."""
    content = read_bytes(path)
    first, _, text = content.partition(b"\n")
    # Any comment: one that is damaged itself would let damaged lines below it pass.
    if not first.startswith(b"#"):
        text = content
    elif first.removeprefix(_COMMENT.encode()).strip() != hashlib.sha256(text).hexdigest().encode():
        raise Damaged(
            f"{path}: is damaged, or was changed by hand (its checksum does not hold); resume the run to have it "
            "written again from the newest state; settings are changed with --set"
        )
    if not text.strip():
        raise Damaged(f"{path}: is damaged (it holds no settings); resume the run to have it written again")


def read_bytes(path: Path) -> bytes:
    """Read a small file, or raise UserError."""
    try:
        with open(path, "rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > _MOST_BYTES:
        raise Damaged(f"{path}: is damaged (larger than {_MOST_BYTES >> 20} MiB)")
    return content


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
