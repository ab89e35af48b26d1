"""What pictures are made with: words as pixels, and PNG files whose bytes depend on the pixels alone."""

import functools
import io
import os
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont

from ms_gan.errors import UserError
from ms_gan.files import write_atomically

PAPER = 255  # the grey behind words
INK = 32  # the grey of words


# Families with Chinese, Japanese and Korean letters, as systems name them; the first that has a text is taken.
_MORE_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Noto Sans CJK JP",  # of a collection matplotlib before 3.11 lists the first face alone
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "SimHei",
    "Microsoft YaHei",
    "PingFang SC",
    "Arial Unicode MS",
)


def lettering(text: str, size: int, bold: bool = False) -> tuple[str, ImageFont.FreeTypeFont]:
    r"""Return a text as it can be drawn, and the font for it.

    That is matplotlib's own DejaVu Sans, so that no font of the machine is needed. Only for letters that it lacks, such
    as Chinese ones, it is an installed font that has the whole text; without one they are codes like ``\u732b``.

    Parameters
    ----------
    text : str
        Of any letters.
    size : int
        Height in pixels.
    bold : bool
        The bold cut, of DejaVu Sans.

    Returns
    -------
    text : str
        What to draw: no letter of it would be an empty box.
    font : ImageFont.FreeTypeFont
        With Pillow's basic layout (the same on every machine).
    """
    file = str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"DejaVuSans{'-Bold' * bold}.ttf")
    lacking = _lacking(text, file)
    if lacking:
        other = next((name for name in _more_fonts(_MORE_FONTS) if not _lacking(text, name)), None)
        if other:
            return text, _font(other, size)
        text = "".join(c.encode("unicode_escape").decode() if c in lacking else c for c in text)
    return text, _font(file, size)


@functools.lru_cache(maxsize=64)
def _font(file: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(file, size, layout_engine=ImageFont.Layout.BASIC)


def _lacking(text: str, file: str) -> set[str]:
    """Return the letters of a text that the font in a file does not have."""
    return {letter for letter in text if not letter.isspace() and ord(letter) not in _letters(file)}


@functools.lru_cache(maxsize=16)
def _letters(file: str) -> frozenset[int]:
    return frozenset(FT2Font(file).get_charmap())


@functools.lru_cache(maxsize=4)
def _more_fonts(families: tuple[str, ...]) -> list[str]:
    """Return the files of those families that are installed, in their order."""
    # Its import may look through all fonts of the machine, once.
    from matplotlib.font_manager import fontManager

    upright = [entry for entry in fontManager.ttflist if entry.style == "normal" and os.path.isfile(entry.fname)]
    by_weight = sorted(upright, key=lambda entry: entry.weight not in (400, "normal", "regular"), reverse=True)
    found = {entry.name: entry.fname for entry in by_weight}
    return [found[family] for family in families if family in found]


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


def typeset(text: str, width: int, size: int, bold: bool = False) -> tuple[list[str], ImageFont.FreeTypeFont]:
    """Return the lines of :func:`words`, and their font."""
    drawn, face = lettering(text, size, bold)
    return wrap(drawn, width, face), face


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
    wrapped, face = typeset(text, width, size, bold)
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
