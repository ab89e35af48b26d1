"""What pictures are made with: words as pixels, and PNG files whose bytes depend on the pixels alone."""

import functools
import io
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ms_gan.errors import UserError
from ms_gan.files import write_atomically

PAPER = 255  # the grey behind words
INK = 32  # the grey of words


@functools.lru_cache(maxsize=64)
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return matplotlib's own DejaVu Sans, so that no font of the machine is needed.

    Parameters
    ----------
    size : int
        Height in pixels.
    bold : bool
        The bold cut.

    Returns
    -------
    ImageFont.FreeTypeFont
        The font, with Pillow's basic layout (the same on every machine).
    """
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)


def wrap(text: str, width: int, face: ImageFont.FreeTypeFont) -> list[str]:
    """Break `text` into lines that are at most `width` pixels wide in the font `face`.

    A word that is wider than a line by itself is cut, so no letter is ever lost.
    """
    lines = [""]
    for word in text.split():
        joined = f"{lines[-1]} {word}".strip()
        if face.getlength(joined) <= width:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if lines[-1] and face.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return lines


def words(text: str, width: int, size: int, *, bold: bool = False, lines: int = 1) -> np.ndarray:
    """Draw `text` in dark grey on white, centred and wrapped.

    Parameters
    ----------
    text : str
        What to write.
    width : int
        Width of the result in pixels.
    size : int
        Height of the letters in pixels.
    bold : bool
        The bold cut.
    lines : int
        Least number of lines to leave room for, so that neighbours can be made equally high.

    Returns
    -------
    ndarray of uint8, shape (height, width, 1)
        The words; a line is 1.4 letters high.
    """
    face = font(size, bold)
    wrapped = wrap(text, width, face)
    step = round(1.4 * size)
    picture = Image.new("L", (width, step * max(len(wrapped), lines)), PAPER)
    draw = ImageDraw.Draw(picture)
    for number, line in enumerate(wrapped):
        draw.text((width / 2, step * (number + 0.5)), line, fill=INK, font=face, anchor="mm")
    return np.asarray(picture)[..., None]


def stack(blocks: list[np.ndarray]) -> np.ndarray:
    """Put (H, W, C) blocks of one width below each other; grey ones become coloured where one of them is."""
    channels = max(block.shape[2] for block in blocks)
    return np.concatenate([as_channels(block, channels) for block in blocks], axis=0)


def as_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Return (H, W, C) `pixels` with `channels` channels: themselves, or grey repeated three times."""
    return pixels if pixels.shape[2] == channels else np.repeat(pixels, channels, axis=2)


def save_png(path: str | Path, pixels: np.ndarray) -> None:
    """Write a PNG file, whole or not at all, that says nothing but its pixels (no time, no program name).

    Parameters
    ----------
    path : path-like
        Ends in ``.png``.
    pixels : ndarray of uint8, shape (H, W, 1) or (H, W, 3)
        Grey or red, green, blue.

    Raises
    ------
    UserError
        If the name does not end in ``.png`` or the file cannot be written.
    """
    check_suffix(path, ".png")
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    write_atomically(path, buffer.getvalue())


def check_suffix(path: str | Path, suffix: str) -> None:
    """Raise UserError unless the file name says what the file will hold."""
    if Path(path).suffix.lower() != suffix:
        raise UserError(f"cannot write {path}: this picture is a {suffix} file; give it a name ending in {suffix}")
