"""What `ms-gan evaluate` is given: a run, a checkpoint, or a file of images; and the data that go with it."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ms_gan.commands.arrays import read_array
from ms_gan.commands.generate import find_generator, load_generator
from ms_gan.commands.references import classes_to_ask
from ms_gan.config import build_config, to_mapping
from ms_gan.config.load import overlay
from ms_gan.config.schema import DataConfig
from ms_gan.data.classes import drawing_latents
from ms_gan.data.images import ImageSet
from ms_gan.errors import UserError
from ms_gan.pictures.grid import to_pixels
from ms_gan.runs.folder import RunFolder
from ms_gan.runs.sealed import file_digest

FEWEST, MOST = 10, 100_000  # images of an evaluation


@dataclass(frozen=True)
class Source:
    """What is evaluated."""

    path: Path
    """A checkpoint of a generator, or a .npy file of images."""
    data: DataConfig
    """The data that go with it."""
    run: RunFolder | None
    """The run it belongs to."""
    samples: np.ndarray | None
    """The images of a .npy file, uint8 (N, C, S, S)."""


def find_source(path: Path, data: dict[str, Any], config: str | None) -> Source:
    """Return what `path` means, and the data that go with it; see :func:`evaluate`."""
    if path.suffix.lower() == ".npy":
        if config:
            raise UserError(f"--config {config}: {path} holds images and no generator; leave it out")
        if not data.get("source") and not data.get("folder"):
            raise UserError(f"{path}: name the real images to compare it with: --data NAME, or --data-dir DIR")
        samples = read_samples(path)
        shape = {"size": samples.shape[2], "channels": samples.shape[1]}
        return Source(path, _changed(DataConfig(**shape), data), None, samples)
    checkpoint, settings = find_generator(path, config)
    home = checkpoint.resolve().parent.parent
    run = RunFolder(home) if not config and RunFolder(home).config_file.is_file() else None
    return Source(checkpoint, _changed(settings.data, data), run, None)


def draw_to_judge(
    checkpoint: Path, config: str | None, seen: ImageSet, count: int, seed: int
) -> tuple[np.ndarray, list[str]]:
    """Draw images that a generator is judged by.

    Parameters
    ----------
    checkpoint : Path
        A checkpoint of a generator.
    config : str, optional
        Its recipe, if it is outside a run folder.
    seen : ImageSet
        The images that it was trained on; a conditional one is asked for their classes, as often as they have them.
    count : int
        How many images.
    seed : int
        Latents and classes follow from it.

    Returns
    -------
    ndarray of uint8, shape (count, C, S, S)
        The images.
    list of str
        The class that was asked for with each; empty if the generator knows none.

    Raises
    ------
    UserError
        If the checkpoint cannot be loaded, or `seen` has not the classes of the generator.
    """
    # Not above: it imports MindSpore, whose settings have to be made first.
    from ms_gan.commands.drawing import draw_images

    generator, settings = load_generator(checkpoint, config)
    names = settings.class_names
    numbers = classes_to_ask(seen, names, count, seed) if names else None
    images = draw_images(generator, drawing_latents(settings, seed, count, numbers))
    asked = [] if numbers is None else [names[number] for number in numbers]
    return np.ascontiguousarray(to_pixels(images).transpose(0, 3, 1, 2)), asked


def read_samples(path: Path) -> np.ndarray:
    """Read a .npy file of images as uint8 (N, C, S, S)."""
    images = read_array(path, str(path))
    square = images.ndim == 4 and images.shape[1] in (1, 3) and images.shape[2] == images.shape[3] > 0
    if not square or len(images) < FEWEST:
        raise UserError(
            f"{path}: must hold at least {FEWEST} images (N, C, S, S), C 1 or 3; its shape is {images.shape}"
        )
    if images.dtype == np.uint8:
        return images
    if not np.issubdtype(images.dtype, np.floating):
        raise UserError(f"{path}: images must be uint8, or floating point in [-1, 1], not {images.dtype}")
    if np.abs(images).max() > 1.5:
        raise UserError(f"{path}: values up to {np.abs(images).max():.4g} are no images in [-1, 1]; scale them")
    return np.ascontiguousarray(to_pixels(images).transpose(0, 3, 1, 2))


def _changed(data: DataConfig, changes: dict[str, Any]) -> DataConfig:
    """Lay changes over the data section, checked as in a configuration file."""
    given = {f"data.{key}": value for key, value in changes.items() if value is not None}
    # Another source is not to be looked for in the folder of the first.
    cleared = {"folder": None} if "data.source" in given else {}
    values = {"data": to_mapping(build_config({}))["data"] | dataclasses.asdict(data) | cleared}
    values["data"] = {key: list(value) if isinstance(value, tuple) else value for key, value in values["data"].items()}
    return build_config(overlay(values, (), given)).data


def described(source: Source) -> dict[str, Any]:
    """Return what was evaluated, for the result."""
    told: dict[str, Any] = {"file": source.path.name, "sha256": file_digest(source.path)}
    if source.run:
        index = source.run.network_index()
        steps = [step for step, names in index.items() if source.path.name in names]
        best = source.run.best()
        best = best if best and source.path.name in best["files"] else None
        told |= {"run": source.run.path.name, "step": best["step"] if best else next(iter(steps), None)}
    return told
