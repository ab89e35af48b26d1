"""Classes of a conditional run: numbers of the images, and latents that ask for a class."""

import math
from collections.abc import Sequence

import numpy as np

from ms_gan.config.schema import Config
from ms_gan.data.images import ImageSet, class_numbers
from ms_gan.data.stream import fixed_latents
from ms_gan.errors import UserError


def names_of(images: ImageSet) -> tuple[str, ...]:
    """Return the names of the classes that there are images of.

    Raises
    ------
    UserError
        If the images have no classes.
    """
    if images.labels is None:
        raise UserError(
            f"config conditional: the images of {images.location} have no classes; add --set conditional=false, or "
            "give data that have some: MNIST, CIFAR-10, the built-in digits, pictures in a sub-folder for each class"
        )
    return tuple(images.class_names[number] for number in np.unique(images.labels))


def numbers_of(images: ImageSet, names: tuple[str, ...]) -> np.ndarray:
    """Return the class of each image as its place in `names`, int (N,).

    Raises
    ------
    UserError
        If the images have no classes, or one that is not among `names`.
    """
    strange = [name for name in names_of(images) if name not in names]
    if strange:
        raise UserError(
            f"config data.class_names: the images of {images.location} are of other classes as well "
            f"({', '.join(strange[:3])}); known are {', '.join(names)}"
        )
    places = np.zeros(256, np.int64)
    for number, name in enumerate(images.class_names):
        places[number] = names.index(name) if name in names else 0
    return places[images.labels]


def one_hot(numbers: np.ndarray, count: int) -> np.ndarray:
    """Return a row for each number, 1 at its place and 0 elsewhere: float32 (N, count)."""
    return (np.asarray(numbers)[:, None] == np.arange(count)).astype(np.float32)


def asking(latents: np.ndarray, numbers: np.ndarray, count: int) -> np.ndarray:
    """Return what G is given: latents (N, n) and behind them the classes asked for, float32 (N, n + count).

    A class is the square root of n at its place and 0 elsewhere, as long as a latent on the average: a new G hears both
    alike. Without classes (`count` 0) these are the latents.
    """
    if not count:
        return latents
    return np.concatenate([latents, np.float32(math.sqrt(latents.shape[1])) * one_hot(numbers, count)], axis=1)


def asked_classes(words: Sequence[str], names: Sequence[str], where: str = "--class") -> list[int]:
    """Return the places in `names` of classes that a generator is asked for, by name or by this place, from 0.

    `where` they were asked for begins the message of an error.

    Raises
    ------
    UserError
        If the generator knows no classes, or not one of these, or one of them is named twice.
    """
    if not names:
        raise UserError(f"{where}: this generator draws no classes on request; train with --set conditional=true")
    numbers = class_numbers(words, names, where)
    for place, number in enumerate(numbers):
        if number in numbers[:place]:
            raise UserError(f"{where}: {names[number]} is asked for twice; name each class once")
    return numbers


def drawing_latents(config: Config, seed: int, count: int, numbers: np.ndarray | None = None) -> np.ndarray:
    """Return what pictures are drawn from: latents that follow from the seed, and the classes to ask for.

    These are `numbers`, int (count,), or without them one class after the other in turn.
    """
    classes = len(config.class_names)
    if numbers is None:
        numbers = np.arange(count) % max(1, classes)
    return asking(fixed_latents(seed, count, config.latent.size), numbers, classes)
