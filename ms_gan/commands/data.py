"""`ms-gan data show`: labelled examples of a data set."""

from collections.abc import Callable, Sequence
from pathlib import Path

from ms_gan.data.sources import TITLES, load_images
from ms_gan.data.stream import check_seed, generator_for
from ms_gan.errors import UserError
from ms_gan.pictures.grid import save_labelled_examples
from ms_gan.wording import plural


def show_data(
    out: str | Path,
    *,
    source: str = "auto",
    folder: str | None = None,
    split: str = "train",
    classes: Sequence[str] = (),
    size: int | None = None,
    channels: int | None = None,
    grid: tuple[int, int] = (3, 3),
    seed: int = 1,
    announce: Callable[[str], None] = print,
) -> Path:
    """Draw random examples with their labels (recipe dense shows 9) and say what the data are.

    Parameters
    ----------
    out : path-like
        The PNG file to write.
    source, folder, split, classes, size, channels
        As for :func:`ms_gan.data.sources.load_images`.
    grid : (int, int)
        Rows and columns.
    seed : int
        Which examples are drawn.
    announce : callable
        Where the lines go.

    Returns
    -------
    Path
        The picture.
    """
    if Path(out).suffix.lower() != ".png":
        raise UserError(f"--out {out}: the picture's name must end in .png")
    check_seed(seed)
    images = load_images(source, folder, split, classes, size, channels, announce=announce)
    count = min(grid[0] * grid[1], len(images.images))
    chosen = generator_for(seed).permutation(len(images.images))[:count]
    labels = [""] * count if images.labels is None else [images.class_names[k] for k in images.labels[chosen]]
    number, depth, height, width = images.images.shape
    kind = "colour" if depth == 3 else "grey"
    announce(f"{TITLES[images.source]}: {plural(number, 'image')} of {width}x{height} {kind}, from {images.location}")
    for notice in images.notices:
        announce(notice)
    save_labelled_examples(out, images.images[chosen], labels, *grid, title=f"{TITLES[images.source]}, {split}")
    return Path(out)
