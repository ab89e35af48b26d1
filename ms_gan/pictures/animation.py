"""Moving pictures: the GIF that shows pictures appear, and strips of pictures that turn into each other."""

import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ms_gan.config.schema import SHORTEST_FRAME
from ms_gan.errors import UserError
from ms_gan.files import write_atomically
from ms_gan.pictures.canvas import INK, PAPER, check_suffix, lettering
from ms_gan.pictures.grid import save_grid

LAST_FRAME_SECONDS = 3.0  # the result stays long enough to be looked at before the loop starts again
SAMPLE = 100_000  # pixels of all frames together that the palette is chosen from
STRIP_COLOURS = 16  # greys for words and bar, kept apart from the colours of the pictures
BAR_TRACK = 221
BAR_DONE = 102


def choose_frames(count: int, most: int) -> list[int]:
    """Choose at most `most` of `count` frames, evenly spaced, always with the first and the last.

    Parameters
    ----------
    count : int
        Number of frames there are, at least 1.
    most : int
        Number of frames wanted at most, at least 2.

    Returns
    -------
    list of int
        Rising indices in [0, count).

    Raises
    ------
    UserError
        If there is no frame, or fewer than two are wanted.
    """
    if count < 1:
        raise UserError("there is no picture to make an animation of")
    if most < 2:
        raise UserError(f"an animation needs at least 2 frames (the first and the last), not {most}")
    return [int(index) for index in np.rint(np.linspace(0, count - 1, min(count, most)))]


def save_gif(
    path: str | Path,
    frames: Sequence[np.ndarray],
    captions: Sequence[str],
    seconds_per_frame: float,
    *,
    progress: Sequence[float] | None = None,
    greys: int = 256,
) -> None:
    """Write frames as an endless GIF, each over a strip with its caption and a bar that shows how far it is.

    The last frame stays for three seconds at least. Grey frames are stored exactly (unless fewer `greys` are
    asked for). Coloured frames share one palette of 240 colours and are not dithered, so nothing flickers.
    The file holds one frame for each one given.

    Parameters
    ----------
    path : path-like
        Ends in ``.gif``.
    frames : sequence of ndarray of uint8, shape (H, W, 1) or (H, W, 3)
        Pictures of one shape, as :func:`ms_gan.pictures.grid.tile` makes them.
    captions : sequence of str
        One for each frame.
    seconds_per_frame : float
        From 0.02 to 600 seconds; GIF counts in hundredths.
    progress : sequence of float, optional
        How far each frame is, from 0 to 1, for frames that are unevenly spaced. By default frame k of n is
        at k/n (the first at 1/n, the last at 1).
    greys : int
        From 2 to 256: to how many evenly spaced greys grey frames are rounded. Noise compresses badly: with 64
        (at most 2 of 255 off, which nobody sees) a GIF of noisy digits is a quarter smaller, with 32 by 40 %.

    Raises
    ------
    UserError
        If there are no frames, they differ in shape, captions or progress are too few or too many, a number
        is out of range, or the file cannot be written.
    """
    check_suffix(path, ".gif")
    frames = _checked(frames)
    if progress is None:
        progress = [(number + 1) / len(frames) for number in range(len(frames))]
    for name, given in (("captions", captions), ("progress numbers", progress)):
        if len(given) != len(frames):
            raise UserError(f"{len(frames)} frames need as many {name}, not {len(given)}")
    if not all(0 <= fraction <= 1 for fraction in progress):
        raise UserError("the progress of a frame must lie between 0 and 1")
    if not SHORTEST_FRAME <= seconds_per_frame <= 600:
        raise UserError(f"a frame must last between {SHORTEST_FRAME} and 600 seconds, not {seconds_per_frame}")
    if not 2 <= greys <= 256:
        raise UserError(f"the number of greys must lie between 2 and 256, not {greys}")
    if frames[0].shape[2] == 1:
        step = 255 / (greys - 1)
        frames = [np.rint(np.rint(frame / step) * step).astype(np.uint8) for frame in frames]
    write_atomically(path, _encoded(_with_strips(frames, captions, progress), seconds_per_frame))


def save_strip(path: str | Path, images: np.ndarray, rows: int = 1) -> None:
    """Write images that turn into each other as a PNG file, one row for each segment.

    Parameters
    ----------
    path : path-like
        Ends in ``.png``.
    images : ndarray of uint8, or of float in [-1, 1], shape (N, C, H, W)
        The first N / rows images are the first segment, and so on.
    rows : int
        Number of segments; divides N.

    Raises
    ------
    UserError
        If the images cannot be divided so, or see :func:`ms_gan.pictures.grid.tile`.
    """
    if rows < 1 or len(images) % rows:
        raise UserError(f"{len(images)} images cannot be divided evenly into {rows} rows")
    save_grid(path, images, rows, len(images) // rows)


def _checked(frames: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the frames as (H, W, C) arrays after checking that they fit together."""
    frames = [np.asarray(frame) for frame in frames]
    if not frames:
        raise UserError("there is no picture to make an animation of")
    for number, frame in enumerate(frames):
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] not in (1, 3) or 0 in frame.shape:
            raise UserError(
                f"frame {number} must be uint8 of shape (H, W, 1) or (H, W, 3), not {frame.dtype} of {frame.shape}"
            )
        if frame.shape != frames[0].shape:
            raise UserError(f"frame {number} has the shape {frame.shape}, but the first one {frames[0].shape}")
    return frames


def _with_strips(frames: list[np.ndarray], captions: Sequence[str], progress: Sequence[float]) -> list[Image.Image]:
    """Join each frame with its strip; all of the pictures have one and the same palette."""
    size = min(24, max(12, frames[0].shape[1] // 26))
    lettered = [lettering(caption, size) for caption in captions]
    widest = max(face.getlength(caption) for caption, face in lettered)
    width = max(frames[0].shape[1], math.ceil(widest) + 2 * size)
    spare = width - frames[0].shape[1]
    palette, indexed, strip_index = _palette(frames)
    pictures = []
    for number, picture in enumerate(indexed):
        strip = strip_index(_strip(*lettered[number], progress[number], width, size))
        # Pillow merges equal frames into one; the last two greys by turns in a corner keep them apart.
        strip[-1, -1] = 255 - number % 2
        centred = np.pad(picture, ((0, 0), (spare // 2, spare - spare // 2)), constant_values=255)
        pictures.append(Image.fromarray(np.concatenate([centred, strip])))
        pictures[-1].putpalette(palette)
    return pictures


def _strip(caption: str, face: ImageFont.FreeTypeFont, fraction: float, width: int, size: int) -> np.ndarray:
    """Draw the caption over a bar that is filled up to `fraction`, grey on white."""
    bar = max(4, size // 4)
    strip = Image.new("L", (width, round(1.8 * size) + 2 * bar), PAPER)
    draw = ImageDraw.Draw(strip)
    draw.text((width / 2, 0.9 * size), caption, fill=INK, font=face, anchor="mm")
    top, left, right = round(1.8 * size), size // 2, width - size // 2
    for end, grey in ((right, BAR_TRACK), (left + round(fraction * (right - left)), BAR_DONE)):
        if end > left:
            draw.rectangle((left, top, end - 1, top + bar - 1), fill=grey)
    return np.array(strip)


def _palette(
    frames: list[np.ndarray],
) -> tuple[bytes, list[np.ndarray], Callable[[np.ndarray], np.ndarray]]:
    """Choose 256 colours for all frames; index 255 is white and 254 nearly so.

    Returns the palette's bytes, the frames as indices, and the function from a strip's greys to indices.
    """
    if frames[0].shape[2] == 1:
        greys = np.repeat(np.arange(256, dtype=np.uint8), 3)
        return greys.tobytes(), [frame[..., 0] for frame in frames], lambda strip: strip
    room = 256 - STRIP_COLOURS
    adapted = Image.fromarray(_sample(frames)[None]).quantize(room, Image.Quantize.MEDIANCUT, kmeans=1)
    colours = bytes(adapted.getpalette()[: 3 * room]).ljust(3 * room, b"\0")
    ramp = np.repeat(np.linspace(0, 255, STRIP_COLOURS).astype(np.uint8), 3).tobytes()
    indexed = [
        np.asarray(Image.fromarray(frame).quantize(palette=adapted, dither=Image.Dither.NONE)) for frame in frames
    ]
    step = 255 // (STRIP_COLOURS - 1)
    return colours + ramp, indexed, lambda strip: (room + np.rint(strip / step)).astype(np.uint8)


def _sample(frames: list[np.ndarray]) -> np.ndarray:
    """Take about `SAMPLE` pixels (n, 3), evenly spaced over all frames; to join those first would take gigabytes."""
    pixels = frames[0].size // 3
    every = max(1, len(frames) * pixels // SAMPLE)
    starts = [-number * pixels % every for number in range(len(frames))]
    return np.concatenate([frame.reshape(-1, 3)[start::every] for start, frame in zip(starts, frames, strict=True)])


def _encoded(pictures: list[Image.Image], seconds_per_frame: float) -> bytes:
    """Return the bytes of an endless GIF."""
    durations = [round(100 * seconds_per_frame) * 10] * len(pictures)
    durations[-1] = max(durations[-1], round(1000 * LAST_FRAME_SECONDS))
    buffer = io.BytesIO()
    pictures[0].save(
        buffer,
        format="GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=durations,
        loop=0,
        optimize=False,
    )
    return buffer.getvalue()
