"""A folder of pictures in any common format; names of sub-folders are class labels."""

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, TiffImagePlugin

from ms_gan.data.images import ImageSet, Wish, allocate, class_numbers, fit_square, make_image_set
from ms_gan.errors import NoSuchPart, UserError, resizing

SUFFIXES = frozenset(
    f".{name}"
    for kinds in ("png apng gif webp avif", "jpg jpeg jpe jfif", "bmp dib tif tiff", "pbm pgm ppm pnm")
    for name in kinds.split()
)
LARGEST_PICTURE = 64 * 2**20  # pixels; more is refused by its header, before anything is decoded
_FORMATS = ("PNG", "JPEG", "BMP", "DIB", "GIF", "TIFF", "WEBP", "AVIF", "PPM")
_NAMED = 3  # unreadable files that a notice names
_GREY_MODES = ("1", "L", "LA", "La", "I", "F")


@dataclass(frozen=True)
class _Picture:
    path: Path
    label: int
    edge: int  # of the central square
    grey: bool


def find_pictures(folder: Path, unreadable: list[str] | None = None) -> Iterator[Path]:
    """Yield the picture files anywhere below `folder`, in order of their names.

    Known by their suffix. Hidden files and folders are left out; links to folders are followed, each folder
    being visited once. Folders that cannot be read are added to `unreadable`.
    """
    failures: list[str] = [] if unreadable is None else unreadable
    seen = set()
    for base, folders, files in os.walk(folder, onerror=lambda e: failures.append(_shown(e)), followlinks=True):
        real = os.path.realpath(base)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(base, name)
            if not name.startswith(".") and path.suffix.lower() in SUFFIXES and os.path.isfile(path):
                yield path


def load_pictures(folder: Path, wish: Wish) -> ImageSet:
    """Load all pictures below `folder`; see :func:`ms_gan.data.sources.load_images` for `wish`.

    Turned upright by their EXIF tag, put on white where they are transparent, cropped to the central square
    and resized to `wish.size`; of animations the first frame. Without `wish.channels` the set is grey if every
    picture is, by its header (a palette is colour, also one of greys). Pictures have no split: 'train' and 'both' mean
    all of them.

    Raises
    ------
    UserError
        If 'test' is asked for, no picture is there or readable, sizes differ and no size is given, or classes
        are asked for that the sub-folders do not name.
    """
    if wish.split == "test":
        raise NoSuchPart(
            f"{folder}: a folder of pictures has no test part; set data.split to train or name another folder"
        )
    failures: list[str] = []
    paths = list(find_pictures(folder, failures))
    class_names, labels, notices = _classes(folder, paths)
    notices += [f"A folder was left out: {failure}." for failure in failures]
    chosen = _choose(folder, class_names, labels, wish)
    broken: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Pillow warns of is either refused here or harmless
        found = [picture for number in chosen if (picture := _look(paths[number], labels[number], broken))]
        images, kept = _read(folder, found, wish, broken)
    if broken:
        notices.append(f"{len(broken)} of {len(chosen)} pictures could not be read: {_first(broken)}.")
    values = np.array(kept, np.uint8) if class_names else None
    return make_image_set(images, values, class_names, "pictures", folder, notices)


def _read(folder: Path, pictures: list[_Picture], wish: Wish, broken: list[str]) -> tuple[np.ndarray, list[int]]:
    """Return the pixels and labels of all pictures that can be decoded; the others are added to `broken`."""
    if not pictures:
        raise UserError(_nothing_readable(folder, broken))
    size = wish.size or _common_edge(folder, pictures)
    channels = wish.channels or (1 if all(picture.grey for picture in pictures) else 3)
    images = allocate(len(pictures), channels, size, (channels, size, size), folder)
    kept = []
    for picture in pictures:
        pixels = _decode(picture.path, size, channels, broken)
        if pixels is not None:
            images[len(kept)] = pixels
            kept.append(picture.label)
    if not kept:
        raise UserError(_nothing_readable(folder, broken))
    return images[: len(kept)], kept


def _classes(folder: Path, paths: list[Path]) -> tuple[tuple[str, ...], list[int], list[str]]:
    """Return class names, the number of each path's class (0 without classes), and notices."""
    tops = [path.relative_to(folder).parts[0] if path.parent != folder else None for path in paths]
    if None in tops:
        return (), [0] * len(paths), []
    tops = [_shown(top) for top in tops]
    names = sorted(set(tops))
    if len(names) > 256:
        notice = f"{folder} has {len(names)} sub-folders, more than 256 classes, so the pictures have no labels."
        return (), [0] * len(paths), [notice]
    numbers = {name: number for number, name in enumerate(names)}
    return tuple(names), [numbers[top] for top in tops], []


def _choose(folder: Path, class_names: tuple[str, ...], labels: list[int], wish: Wish) -> list[int]:
    if not wish.classes:
        return list(range(len(labels)))
    if not class_names:
        raise UserError(f"{folder}: the pictures have no classes (sub-folders), so leave out --classes")
    wanted = set(class_numbers(wish.classes, class_names, f"classes of {folder}"))
    return [index for index, label in enumerate(labels) if label in wanted]


def _look(path: Path, label: int, broken: list[str]) -> _Picture | None:
    """Read the header of a picture; None, and a line in `broken`, if that fails."""
    try:
        with _open(path) as picture:
            grey = picture.mode in _GREY_MODES or picture.mode.startswith("I;")
            return _Picture(path, label, min(picture.size), grey)
    except Exception as error:  # Pillow's readers raise many kinds for broken files
        broken.append(_why(path, error))
        return None


def _decode(path: Path, size: int, channels: int, broken: list[str]) -> np.ndarray | None:
    """Return the picture as uint8 (C, size, size); None, and a line in `broken`, if it cannot be decoded."""
    try:
        with _open(path) as picture:
            # JPEG decodes to a smaller size much faster; twice the size leaves the filter work to do.
            picture.draft(None, (2 * size, 2 * size))
            ImageOps.exif_transpose(picture, in_place=True)
            plain = _on_white(fit_square(_smooth(picture), size)).convert("L" if channels == 1 else "RGB")
            pixels = np.asarray(plain)
    except Exception as error:  # as above
        broken.append(_why(path, error))
        return None
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def _open(path: Path) -> Image.Image:
    Image.init()
    # Only these formats: Pillow would run Ghostscript for a PostScript file that calls itself .png.
    picture = Image.open(path, formats=[name for name in _FORMATS if name in Image.OPEN])
    if picture.width * picture.height > LARGEST_PICTURE:
        picture.close()
        raise ValueError(f"{picture.width}x{picture.height} pixels are too many")
    if min(picture.size) < 1:
        raise ValueError("it has no pixels")
    return picture


def _smooth(picture: Image.Image) -> Image.Image:
    """Return the picture with 8 bits a channel, in a mode that Pillow can average when it resizes."""
    if picture.mode == "F":
        raise ValueError("pixels are floating-point numbers, whose range is unknown")
    # Of PNG and PPM they are 16 bits, which Pillow makes 32 of.
    if picture.mode == "I" and picture.format not in ("PNG", "PPM"):
        raise ValueError("pixels are signed or 32-bit whole numbers, whose range is unknown")
    if picture.mode.startswith("I"):
        # Pillow would clip 16-bit grey to white. Of 12-bit TIFF it leaves the numbers as they are.
        twelve = picture.format == "TIFF" and picture.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE) == (12,)
        return Image.fromarray((np.asarray(picture).clip(0, 65535) // (16 if twelve else 257)).astype(np.uint8))
    if picture.mode == "1":
        return picture.convert("L")
    if picture.mode in ("P", "PA") or "transparency" in picture.info:
        return picture.convert("RGBA")
    return picture


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode not in ("RGBA", "RGBa", "LA", "La"):
        return picture
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)


def _common_edge(folder: Path, pictures: list[_Picture]) -> int:
    edges = {picture.edge: picture.path.name for picture in pictures}
    if len(edges) > 1:
        small, large = min(edges), max(edges)
        raise UserError(
            f"{folder}: the pictures differ in size (the central square of {edges[small]} has {small} pixels "
            f"a side, that of {edges[large]} {large}); give the size to use, for example {resizing(64)}"
        )
    return next(iter(edges))


def _why(path: Path, error: Exception) -> str:
    if isinstance(error, Image.DecompressionBombError):
        reason = "too many pixels"
    elif isinstance(error, Image.UnidentifiedImageError):
        reason = "not a picture in a known format"
    else:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{_shown(path)} ({_shown(reason)[:80] or type(error).__name__})"


def _shown(text: object) -> str:
    """Return `text` on one line, without what a terminal cannot print (file names can hold any byte)."""
    return " ".join(str(text).encode(errors="replace").decode().split())


def _first(broken: list[str]) -> str:
    rest = f" and {len(broken) - _NAMED} more" if len(broken) > _NAMED else ""
    return ", ".join(broken[:_NAMED]) + rest


def _nothing_readable(folder: Path, broken: list[str]) -> str:
    if not broken:
        return f"{folder}: no pictures found; name a folder of pictures ({' '.join(sorted(SUFFIXES))})"
    return f"{folder}: none of its {len(broken)} pictures can be read: {_first(broken)}; name another folder"
