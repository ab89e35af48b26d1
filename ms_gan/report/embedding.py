"""Pictures as data URIs, so that a page needs no other file."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, features

from ms_gan.errors import UserError
from ms_gan.pictures.animation import choose_frames
from ms_gan.pictures.grid import MOST_PIXELS, MOST_SIDE

MOST_FRAMES = 60
MOST_BYTES = 6 << 20  # of all frames of a page
MOST_GIF = 5 << 20
_QUALITY = 80


def picture(path: Path) -> str:
    """Return a picture as a data URI without loss."""
    return _uri(*_encoded(path, lossless=True))


def frames(paths: Sequence[Path], most_bytes: int) -> list[tuple[int, str]]:
    """Return pictures that follow each other, as index and data URI; so few, or so coarse, that they fit.

    Parameters
    ----------
    paths : sequence of Path
        Pictures, in order.
    most_bytes : int
        What all together may take, encoded.

    Returns
    -------
    list of (int, str)
        At least the last one, and the first where it fits; at most 60.
    """
    most, room = MOST_FRAMES, most_bytes * 3 / 4  # base64 makes four letters of three bytes
    chosen = choose_frames(len(paths), most)
    lossless = True
    while True:
        found = [(index, *_encoded(paths[index], lossless)) for index in chosen]
        if len(chosen) == 1 or sum(len(data) for _, _, data in found) <= room:
            return [(index, _uri(kind, data)) for index, kind, data in found]
        most = most // 2 if not lossless else most
        lossless = False
        chosen = choose_frames(len(paths), most) if most > 1 else [len(paths) - 1]


def animation(path: Path) -> str | None:
    """Return a GIF as a data URI, or None where there is none or it is too large for a page."""
    if not path.is_file() or path.stat().st_size > MOST_GIF:
        return None
    return _uri("gif", path.read_bytes())


def _encoded(path: Path, lossless: bool) -> tuple[str, bytes]:
    """Return the kind and the bytes of a picture, as small as they get."""
    try:
        with Image.open(path) as image:
            if image.width * image.height > MOST_PIXELS or max(image.size) > MOST_SIDE:
                raise UserError(f"{path}: is too large for a page")
            image = image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: cannot be read as a picture: {error}") from None
    buffer = io.BytesIO()
    if not features.check("webp"):
        image.save(buffer, format="PNG", optimize=True)
        return "png", buffer.getvalue()
    # Method 0 is ten times as fast as the usual 4, and a quarter larger at most.
    image.save(buffer, format="WEBP", lossless=lossless, quality=_QUALITY, method=0 if lossless else 4)
    return "webp", buffer.getvalue()


def _uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
