"""`ms-gan generate`: pictures from a trained generator."""

import math
import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ms_gan.config import Config, load_config
from ms_gan.data.classes import asked_classes, drawing_latents
from ms_gan.data.stream import check_seed
from ms_gan.errors import UserError
from ms_gan.files import atomic_file, check_writable
from ms_gan.pictures.grid import save_grid, save_labelled
from ms_gan.runs.folder import RunFolder

_MOST_IMAGES = 1_000_000
_FILES = (".png", ".npy")
_RANGE = re.compile(r"(\d{1,8})-(\d{1,8})")


def load_generator(source: str | Path, config: str | None = None):
    """Load a trained generator, ready to draw.

    Parameters
    ----------
    source : path-like
        A run folder (its newest checkpoint is taken, of the average of G where the run has one) or a checkpoint
        of a generator.
    config : str, optional
        The recipe that a checkpoint outside a run folder belongs to.

    Returns
    -------
    generator : mindspore.nn.Cell
        Latents (N, n) to images (N, C, S, S) in [-1, 1]; in training mode it normalises by the batch, after
        ``set_train(False)`` by the moving statistics.
    config : Config
        What it was trained with.

    Raises
    ------
    UserError
        If there is no checkpoint, or it is of another network.
    """
    from ms_gan.networks.configured import generator_of, image_shape
    from ms_gan.runs.checkpoints import load_network

    path, settings = find_generator(source, config)
    generator = generator_of(settings, image_shape(settings))
    load_network(path, generator)
    return generator.set_train(), settings


def find_generator(source: str | Path, config: str | None = None) -> tuple[Path, Config]:
    """Return the checkpoint and the configuration that `source` means; see :func:`load_generator`."""
    path = Path(source)
    if os.path.isdir(path):
        run = RunFolder.open(path)
        return run.generator_file(), load_config(config) if config else run.config()
    if not os.path.isfile(path):
        raise UserError(f"{path}: no such run folder or checkpoint")
    if config:
        return path, load_config(config)
    if path.suffix.lower() != ".ckpt":
        raise UserError(f"{path}: is no checkpoint of a generator (Generator*.ckpt); name one, or a run folder")
    home = path.resolve().parent.parent
    if not os.path.isfile(RunFolder(home).config_file):
        raise UserError(f"{path}: lies in no run folder; say with --config which recipe it belongs to")
    return path, RunFolder(home).config()


def generate(
    source: str | Path,
    *,
    num: int = 25,
    grid: tuple[int, int] | None = None,
    seed: int = 1,
    out: str | Path = "generated.png",
    config: str | None = None,
    training_grid: bool = False,
    latent_scales: Sequence[float] = (),
    batch_statistics: bool = False,
    classes: Sequence[str] = (),
) -> list[Path]:
    """Draw images from a generator and write them.

    Parameters
    ----------
    source : path-like
        A run folder or a checkpoint.
    num : int
        Number of images, of each class where `classes` are given.
    grid : (int, int), optional
        Rows and columns of the picture; None: as square as possible.
    seed : int
        The latents follow from it.
    out : path-like
        ``*.png``: one grid; ``*.npy``: the images, float32 (num, C, S, S) in [-1, 1]; else a folder that
        gets one PNG file per image.
    config : str, optional
        The recipe of a checkpoint outside a run folder.
    training_grid : bool
        Draw again exactly the grid that the training draws, from its latents.
    latent_scales : sequence of float
        Draw one labelled picture with a grid for each factor of the same latents.
    batch_statistics : bool
        Normalise by the statistics of the whole drawing, as in training, rather than by the moving ones.
    classes : sequence of str
        Draw these classes of a conditional run, by name or number (see
        :func:`ms_gan.data.classes.asked_classes`), all from the same latents; several as one labelled picture. Empty:
        the classes in turn.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    UserError
        If something that was given is wrong.
    """
    check_wish(num, seed, len(classes) or 1)
    if not all(math.isfinite(scale) for scale in latent_scales):
        raise UserError(f"--latent-scale {' '.join(map(str, latent_scales))}: must be finite numbers")
    if latent_scales and batch_statistics:
        raise UserError("--latent-scale: draws by both statistics; leave out --batch-statistics")
    out = Path(out)
    check_out(out, panels=bool(latent_scales))
    from ms_gan.commands.drawing import draw_images

    generator, settings = load_generator(source, config)
    if training_grid:
        samples = settings.samples
        num, grid, seed = samples.rows * samples.columns, (samples.rows, samples.columns), samples.seed
    rows, columns = layout(num, grid)
    latents = drawing_latents(settings, seed, num)
    if classes:
        numbers = asked_classes(classes, settings.class_names, "classes")
        latents = np.concatenate([drawing_latents(settings, seed, num, np.full(num, number)) for number in numbers])
    if latent_scales and len(classes) > 1:
        raise UserError("--latent-scale: goes with one --class, not with several --classes")
    check_place(out)
    if latent_scales:
        size = settings.latent.size
        scaled = [np.concatenate([np.float32(s) * latents[:, :size], latents[:, size:]], axis=1) for s in latent_scales]
        return [_scales(generator, scaled, latent_scales, rows, columns, out)]
    images = draw_images(generator, latents, batch_statistics=batch_statistics)
    if len(classes) > 1 and out.suffix.lower() == ".png":
        names = [settings.class_names[number] for number in numbers]
        panels = list(zip(names, np.split(images, len(classes)), strict=True))
        save_labelled(out, panels, rows, columns, title="Drawn as asked: one class a panel, from the same latents")
        return [out]
    return write_images(out, images, rows, columns)


def classes_of(words: Sequence[str], names: Sequence[str], option: str) -> list[str]:
    """Return which of the classes `names` are meant by words as given after `option`.

    These are names, numbers, and ranges of numbers such as 0-9. UserError for a word that is none of them, and for a
    class that is meant twice.
    """
    found = []
    for word in words:
        # Names may look like ranges, '1-2' of ages.
        match = None if word in names else _RANGE.fullmatch(word)
        numbers = range(int(match[1]), int(match[2]) + 1) if match else ()
        asked = [str(number) for number in numbers] if 0 < len(numbers) <= 1000 else [word]
        found += [names[number] for number in asked_classes(asked, names, f"{option} {word}")]
    if found:
        asked_classes(found, names, option)
    return found


def check_wish(num: int, seed: int, classes: int = 1) -> None:
    """Raise UserError for a number of images, of each of so many classes, or a seed that cannot be."""
    if not 1 <= num <= _MOST_IMAGES:
        raise UserError(f"--num {num}: must be from 1 to {_MOST_IMAGES:,}")
    if num * classes > _MOST_IMAGES:
        raise UserError(
            f"--num {num}: of each of {classes} classes are {num * classes:,} images, more than {_MOST_IMAGES:,}; give "
            "fewer of either"
        )
    check_seed(seed)


def check_out(out: Path, *, panels: bool = False) -> None:
    """Raise UserError if `out` is not what :func:`generate` can write: one picture (.png), an array (.npy), a folder.

    `panels` stands for --latent-scale, which draws one picture.
    """
    if panels and out.suffix.lower() != ".png":
        raise UserError(f"--out {out}: --latent-scale draws one picture; its name must end in .png")
    if out.suffix and out.suffix.lower() not in _FILES and not out.is_dir():
        raise UserError(f"--out {out}: must end in .png or .npy, or be a folder")


def check_place(out: Path) -> None:
    """Raise UserError if nothing can be written as `out`; its folder is made."""
    check_writable(out if out.suffix.lower() in _FILES else out / "0.png")


def layout(num: int, grid: tuple[int, int] | None) -> tuple[int, int]:
    """Return rows and columns for `num` images, as square as possible where `grid` is None."""
    if grid is None:
        columns = math.ceil(math.sqrt(num))
        return math.ceil(num / max(1, columns)), columns
    rows, columns = grid
    if rows * columns < num:
        raise UserError(f"--num {num}: {num} images do not fit a grid of {rows} x {columns}; give a larger --grid")
    return grid


def write_images(out: Path, images: np.ndarray, rows: int, columns: int) -> list[Path]:
    """Write images as the end of `out` says: a grid (.png), an array (.npy), or a folder; see :func:`generate`."""
    if out.suffix.lower() == ".png":
        save_grid(out, images, rows, columns)
        return [out]
    if out.suffix.lower() == ".npy":
        with atomic_file(out) as stream:
            np.save(stream, images)
        return [out]
    paths = [out / f"{index:0{len(str(len(images) - 1))}d}.png" for index in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        save_grid(path, image[None], 1, 1, scale=1, gap=0)
    return paths


def _scales(generator, scaled, scales: Sequence[float], rows: int, columns: int, out: Path) -> Path:
    """Draw recipe dcgan's study: the same latents scaled, normalised by the batch and by the moving statistics."""
    from ms_gan.commands.drawing import draw_images

    panels = []
    for statistics, batch in (("batch", True), ("moving", False)):
        for scale, latents in zip(scales, scaled, strict=True):
            images = draw_images(generator, latents, batch_statistics=batch)
            panels.append((f"z x {scale:g}\n{statistics} statistics", images))
    save_labelled(out, panels, rows, columns, title="Latents z from N(0, 1), scaled before the generator sees them")
    return out
