"""Still pictures: images tiled to a grid, grids side by side with a label each, labelled examples."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ms_gan.errors import UserError
from ms_gan.pictures.canvas import PAPER, as_channels, save_png, stack, typeset, words

GAP = 3  # pixels between tiles, whatever the enlargement
GAP_GREY = 236  # light, and lighter than the edge of most images
ABOUT = 600  # a grid is drawn about this wide and high (geometric mean), in pixels
MOST = 1000  # and its longer side at most this, where enlargement is what makes it longer
MOST_PANELS = 1400  # panels side by side are together at most this wide, in pixels
PANELS_IN_A_ROW = 5
MOST_PIXELS = 1 << 26  # of a grid picture that is read again, for a GIF or a page
MOST_SIDE = 16_383  # of one in a page: WebP has no larger ones
MARGIN = 16  # white around labelled pictures, in pixels


def to_pixels(images: np.ndarray) -> np.ndarray:
    """Turn a network's images into bytes: -1 becomes 0 and 1 becomes 255.

    The inverse of ``(x - 127.5) / 127.5``. Values outside [-1, 1] are clipped, others rounded.

    Parameters
    ----------
    images : ndarray of float, shape (N, C, H, W)
        C is 1 (grey) or 3 (red, green, blue).

    Returns
    -------
    ndarray of uint8, shape (N, H, W, C)
        The pixels.

    Raises
    ------
    UserError
        If the shape or type is another one, or a value is not a number or infinite.
    """
    images = _checked(images)
    if not np.issubdtype(images.dtype, np.floating):
        raise UserError(f"images to convert must be floating point in [-1, 1], not {images.dtype}")
    finite = np.isfinite(images).reshape(len(images), -1).all(axis=1)
    if not finite.all():
        raise UserError(
            f"image {np.argmin(finite)} of {len(images)} holds values that are NaN or infinite; "
            "the generator has diverged: use an earlier checkpoint"
        )
    pixels = np.rint(np.clip(images, -1, 1).astype(np.float32) * 127.5 + 127.5).astype(np.uint8)
    return pixels.transpose(0, 2, 3, 1)


def tile(images: np.ndarray, rows: int, cols: int, scale: int | None = None, gap: int = GAP) -> np.ndarray:
    """Lay images out in a grid, row by row, with a thin light gap around each.

    Parameters
    ----------
    images : ndarray of uint8, or of float in [-1, 1], shape (N, C, H, W)
        At most ``rows * cols`` images; where there are fewer, the last places stay blank (the gap's grey).
    rows, cols : int
        Size of the grid, at least 1 each.
    scale : int, optional
        Each pixel becomes ``scale`` x ``scale`` equal ones. By default so large that the grid is easy to see
        (5 x 5 images of 28 x 28 become 578 x 578 pixels).
    gap : int
        Width of the gap in pixels of the result.

    Returns
    -------
    ndarray of uint8, shape (rows * (H * scale + gap) + gap, cols * (W * scale + gap) + gap, C)
        The picture.

    Raises
    ------
    UserError
        If the images do not fit, or see :func:`to_pixels`.
    """
    _check_size(rows=rows, cols=cols)
    images = _checked(images)
    count, channels, height, width = images.shape
    if count > rows * cols:
        raise UserError(f"{count} images do not fit a grid of {rows} x {cols}; ask for a larger grid or fewer images")
    if scale is None:
        scale = _enlargement(rows * height, cols * width, MOST)
    _check_size(scale=scale)
    if gap < 0:
        raise UserError(f"gap of a picture grid must be at least 0, not {gap}")
    pixels = _as_pixels(images).repeat(scale, axis=1).repeat(scale, axis=2)
    down, right = height * scale + gap, width * scale + gap
    canvas = np.full((rows * down + gap, cols * right + gap, channels), GAP_GREY, dtype=np.uint8)
    for number, picture in enumerate(pixels):
        top, left = gap + number // cols * down, gap + number % cols * right
        canvas[top : top + height * scale, left : left + width * scale] = picture
    return canvas


def check_grid(rows: int, cols: int, size: int) -> None:
    """Raise UserError if a grid of images, `size` pixels high and wide, is too large for the film and page of a run."""
    scale = _enlargement(rows * size, cols * size, MOST)
    height, width = (number * (size * scale + GAP) + GAP for number in (rows, cols))
    if max(height, width) > MOST_SIDE or height * width > MOST_PIXELS:
        raise UserError(
            f"config samples: a grid of {rows} x {cols} images is a picture of {height:,} x {width:,} pixels, the most "
            f"is {MOST_SIDE:,} a side and {MOST_PIXELS:,} in all; set smaller samples.rows and samples.columns"
        )


def save_grid(
    path: str | Path, images: np.ndarray, rows: int, cols: int, scale: int | None = None, gap: int = GAP
) -> None:
    """Write :func:`tile` of the same arguments as a PNG file; equal images give equal bytes."""
    save_png(path, tile(images, rows, cols, scale, gap))


def save_labelled(
    path: str | Path,
    panels: Sequence[tuple[str, np.ndarray]],
    rows: int,
    cols: int,
    title: str | None = None,
) -> None:
    """Write several grids side by side as one PNG file, each with its label above.

    More than five panels go on several lines, which are filled evenly.

    Parameters
    ----------
    path : path-like
        Ends in ``.png``.
    panels : sequence of (str, ndarray)
        Label and images, as for :func:`tile`; all images of one size.
    rows, cols : int
        Size of every grid.
    title : str, optional
        Written over the whole.

    Raises
    ------
    UserError
        If there are no panels, their images differ in size, or see :func:`tile`.
    """
    _check_size(rows=rows, cols=cols)
    if not panels:
        raise UserError("there are no pictures to put side by side")
    sizes = {_checked(images).shape[2:] for _, images in panels}
    if len(sizes) > 1:
        listed = ", ".join(f"{height} x {width}" for height, width in sorted(sizes))
        raise UserError(f"pictures side by side must be of one size; these are {listed}")
    height, width = sizes.pop()
    across = math.ceil(len(panels) / math.ceil(len(panels) / PANELS_IN_A_ROW))
    scale = _enlargement(rows * height, cols * width, MOST_PANELS // across)
    grids = [tile(images, rows, cols, scale) for _, images in panels]
    blocks = _captioned(grids, [label for label, _ in panels], above=True, size=20)
    _save_laid_out(path, blocks, across, 2 * MARGIN, title)


def save_labelled_examples(
    path: str | Path,
    images: np.ndarray,
    labels: Sequence[str],
    rows: int,
    cols: int,
    title: str | None = None,
) -> None:
    """Write single images with a label under each as one PNG file.

    Parameters
    ----------
    path : path-like
        Ends in ``.png``.
    images : ndarray of uint8, or of float in [-1, 1], shape (N, C, H, W)
        At most ``rows * cols`` images.
    labels : sequence of str
        One for each image.
    rows, cols : int
        Size of the grid.
    title : str, optional
        Written over the whole.

    Raises
    ------
    UserError
        If there is not one label for each image, or see :func:`tile`.
    """
    _check_size(rows=rows, cols=cols)
    images = _checked(images)
    count, _, height, width = images.shape
    if len(labels) != count:
        raise UserError(f"{count} images need as many labels, not {len(labels)}")
    if count > rows * cols:
        raise UserError(f"{count} images do not fit a grid of {rows} x {cols}; ask for a larger grid or fewer images")
    scale = _enlargement(rows * height, cols * width, MOST)
    singles = [tile(images[number : number + 1], 1, 1, scale, gap=1) for number in range(count)]
    blocks = _captioned(singles, labels, above=False, size=min(24, max(11, width * scale // 6)))
    _save_laid_out(path, blocks, cols, MARGIN, title)


def _captioned(pictures: list[np.ndarray], labels: Sequence[str], *, above: bool, size: int) -> list[np.ndarray]:
    """Join each picture with its label, all labels as high as the one with the most lines."""
    width = pictures[0].shape[1]
    most = max(len(typeset(label, width, size)[0]) for label in labels)
    captions = [words(label, width, size, lines=most) for label in labels]
    if above:
        return [stack([caption, picture]) for caption, picture in zip(captions, pictures, strict=True)]
    return [stack([picture, caption]) for caption, picture in zip(captions, pictures, strict=True)]


def _save_laid_out(path: str | Path, blocks: list[np.ndarray], cols: int, space: int, title: str | None) -> None:
    """Write equally large blocks row by row on white paper, under a title."""
    height, width = blocks[0].shape[:2]
    channels = max(block.shape[2] for block in blocks)
    rows = math.ceil(len(blocks) / cols)
    size = (rows * (height + space) - space, cols * (width + space) - space, channels)
    sheet = np.full(size, PAPER, dtype=np.uint8)
    for number, block in enumerate(blocks):
        top, left = number // cols * (height + space), number % cols * (width + space)
        sheet[top : top + height, left : left + width] = as_channels(block, channels)
    if title:
        sheet = stack([words(title, sheet.shape[1], 24, bold=True), np.full((8, *size[1:]), PAPER, np.uint8), sheet])
    edges = ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0))
    save_png(path, np.pad(sheet, edges, constant_values=PAPER))


def _checked(images: np.ndarray) -> np.ndarray:
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape:
        raise UserError(
            f"images must have the shape (N, 1, H, W) for grey or (N, 3, H, W) for colour, not {images.shape}"
        )
    if images.dtype != np.uint8 and not np.issubdtype(images.dtype, np.floating):
        raise UserError(f"images must be uint8, or floating point in [-1, 1], not {images.dtype}")
    return images


def _as_pixels(images: np.ndarray) -> np.ndarray:
    return images.transpose(0, 2, 3, 1) if images.dtype == np.uint8 else to_pixels(images)


def _check_size(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise UserError(f"{name} of a picture grid must be at least 1, not {size}")


def _enlargement(height: int, width: int, most: int) -> int:
    """Choose the whole-number enlargement for a grid of height x width image pixels."""
    wanted = ABOUT / math.sqrt(height * width)
    return max(1, round(min(wanted, math.floor(most / max(height, width)))))
