"""The shapes of the built-in digits: thin dot drawings taken from the fonts of OpenCV and matplotlib.

A shape is a cloud of dots along the pen's path. :mod:`ms_gan.data.digit_drawing` bends the cloud and runs a
pen over it, so the width of a stroke does not depend on the font.
"""

import functools
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ms_gan.errors import UserError

DRAWING_HEIGHT = 60  # dots from the top of a digit to its foot
_FONT_SIZE = 84  # of a TrueType font whose digits are about as high
_HERSHEY_UNITS = 21  # height of a capital in OpenCV's Hershey fonts at scale 1


class _Font(NamedTuple):
    """A font: how often it is used, slant, own stroke (in heights), digits that it draws too curly."""

    name: str
    weight: float
    slant: float
    stroke: float
    left_out: tuple[int, ...] = ()


# Single-stroke and script fonts look the most written by hand, so they are used most.
_HERSHEY_FONTS = (
    _Font("HERSHEY_SIMPLEX", 3.0, 0.0, 0.0),
    _Font("HERSHEY_SCRIPT_COMPLEX", 2.0, 0.25, 0.05, left_out=(3, 7)),
)
_TRUETYPE_FONTS = (
    _Font("DejaVuSans", 0.8, 0.0, 0.05),
    _Font("DejaVuSans-Oblique", 0.8, 0.2, 0.06),
    _Font("cmss10", 0.8, 0.0, 0.04),
    _Font("cmtt10", 0.5, 0.0, 0.04),
    _Font("STIXGeneralItalic", 0.8, 0.25, 0.06),
)

# Forms that people write and digit fonts lack: (digit, weight, strokes), where a stroke is a Hershey
# character stretched over (left, top, right, bottom); None keeps the character's own width.
_WRITTEN_FORMS = (
    (0, 2.5, (("HERSHEY_SIMPLEX", "o", (0.0, 0.0, 0.85, 1.0)),)),
    (1, 40.0, (("HERSHEY_SIMPLEX", "l", None),)),
    (2, 1.5, (("HERSHEY_SCRIPT_SIMPLEX", "Q", None),)),
    (2, 2.0, (("HERSHEY_SIMPLEX", "Z", None),)),
    (
        4,
        6.0,
        (("HERSHEY_SIMPLEX", "L", (0.0, 0.05, 0.75, 0.62)), ("HERSHEY_SIMPLEX", "l", (0.55, 0.0, 0.55, 1.0))),
    ),
    (7, 1.5, (("HERSHEY_SIMPLEX", "7", None), ("HERSHEY_SIMPLEX", "-", (0.12, 0.52, 0.62, 0.52)))),
    (9, 4.0, (("HERSHEY_SIMPLEX", "q", None),)),
    (9, 2.0, (("HERSHEY_SIMPLEX", "g", None),)),
)


class Shape(NamedTuple):
    """One form of one digit.

    Attributes
    ----------
    digit : int
        0 to 9.
    weight : float
        How often it is drawn, relative to the other shapes of the digit.
    stroke : float
        Width that the cloud itself has, in heights of the digit.
    dots : ndarray of float64, shape (n, 2)
        x (right) and y (down) of the dots, in heights of the digit; both axes centred on 0.
    """

    digit: int
    weight: float
    stroke: float
    dots: np.ndarray


def import_opencv():
    """Return the module `cv2`.

    Raises
    ------
    UserError
        If it is missing, or lacks a system library such as libGL.
    """
    try:
        import cv2
    except ImportError as error:
        raise UserError(
            f"the built-in digits are drawn with OpenCV, which cannot be imported ({error}): run"
            " `pip install 'opencv-python-headless<5'`, or install the system package libgl1,"
            " or name a folder with data by --data-dir"
        ) from error
    return cv2


@functools.cache
def digit_shapes() -> tuple[Shape, ...]:
    """Return every shape of every digit, in a fixed order.

    Raises
    ------
    UserError
        If OpenCV cannot be imported, or matplotlib lacks one of its fonts.
    """
    shapes = []
    for draw, fonts in ((_hershey, _HERSHEY_FONTS), (_truetype, _TRUETYPE_FONTS)):
        for font in fonts:
            for digit in sorted(set(range(10)).difference(font.left_out)):
                dots = draw(font.name, str(digit))
                # Upright, because the slant is drawn at random later.
                dots[:, 0] += font.slant * dots[:, 1]
                shapes.append(Shape(digit, font.weight, font.stroke, _centred(dots)))
    for digit, weight, strokes in _WRITTEN_FORMS:
        dots = [_stretch(_hershey(font, character), box) for font, character, box in strokes]
        shapes.append(Shape(digit, weight, 0.0, _centred(np.concatenate(dots))))
    return tuple(shapes)


def _centred(dots: np.ndarray) -> np.ndarray:
    low, high = dots.min(axis=0), dots.max(axis=0)
    return (dots - (low + high) / 2) / (high[1] - low[1])


def _stretch(dots: np.ndarray, box: tuple[float, float, float, float] | None) -> np.ndarray:
    """Move dots into a box; without a box scale them to a height of 1 with the upper left corner at 0."""
    low, high = dots.min(axis=0), dots.max(axis=0)
    size = high - low
    if box is None:
        return (dots - low) / size[1]
    corner, wanted = np.array(box[:2]), np.array(box[2:]) - box[:2]
    # A straight line has no width to stretch.
    return corner + (dots - low) * wanted / np.maximum(size, 1)


def _hershey(font: str, character: str) -> np.ndarray:
    """Return the dots of a character drawn by OpenCV with a pen of one dot, shape (n, 2)."""
    cv2 = import_opencv()
    picture = np.zeros((3 * DRAWING_HEIGHT, 3 * DRAWING_HEIGHT), np.uint8)
    origin = (DRAWING_HEIGHT, 2 * DRAWING_HEIGHT)
    face = getattr(cv2, f"FONT_{font}")
    cv2.putText(picture, character, origin, face, DRAWING_HEIGHT / _HERSHEY_UNITS, 255, 1)
    return _dots(picture > 0)


def _truetype(font: str, character: str) -> np.ndarray:
    """Return the dots of a character of one of matplotlib's fonts, thinned, shape (n, 2)."""
    from matplotlib import get_data_path
    from PIL import Image, ImageDraw, ImageFont

    path = Path(get_data_path()) / "fonts" / "ttf" / f"{font}.ttf"
    try:
        # Given a path that it cannot open, Pillow would take a font of the same name from the system.
        content = io.BytesIO(path.read_bytes())
        face = ImageFont.truetype(content, _FONT_SIZE, layout_engine=ImageFont.Layout.BASIC)
    except OSError as error:
        raise UserError(
            f"the built-in digits need matplotlib's font {path}, which cannot be read ({error}):"
            " run `pip install --force-reinstall matplotlib`"
        ) from error
    picture = Image.new("L", (3 * DRAWING_HEIGHT, 3 * DRAWING_HEIGHT))
    origin = (DRAWING_HEIGHT, 2 * DRAWING_HEIGHT)
    ImageDraw.Draw(picture).text(origin, character, font=face, fill=255, anchor="ls")
    return _dots(_thin(np.asarray(picture) > 127))


def _thin(ink: np.ndarray) -> np.ndarray:
    """Wear a drawing away from all sides for as long as it keeps its parts and its holes."""
    cv2 = import_opencv()
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))

    def parts(mask: np.ndarray) -> tuple[int, int]:
        ink_parts, _ = cv2.connectedComponents(mask, connectivity=8)
        holes, _ = cv2.connectedComponents(1 - mask, connectivity=4)
        return ink_parts, holes

    mask = ink.astype(np.uint8)
    wanted = parts(mask)
    while parts(thinner := cv2.erode(mask, cross)) == wanted:
        mask = thinner
    return mask > 0


def _dots(ink: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(ink)
    return np.stack([columns, rows], axis=1).astype(np.float64)
