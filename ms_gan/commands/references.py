"""The real images of an evaluation: what is compared with, what gives the floor, what the generator has seen."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ms_gan.config.schema import DataConfig
from ms_gan.data.classes import names_of, numbers_of
from ms_gan.data.configured import configured_images
from ms_gan.data.images import ImageSet, make_image_set
from ms_gan.data.stream import generator_for
from ms_gan.errors import NoSuchPart, UserError

_HALVES, _REFERENCE, _OTHER, _ASKED = range(4)


@dataclass(frozen=True)
class RealImages:
    """The real images of an evaluation.

    Attributes
    ----------
    train : ImageSet
        The data set's training part; of data without parts, a random half.
    test : ImageSet or None
        Its held-out part; None where there is none.
    reference, other : ImageSet
        Generated images are compared with the first, and so is the second, for the floor.
    seen : ImageSet
        What the generator was trained on.
    unseen : bool
        Whether the generator has not seen the reference.
    notices : tuple of str
        What a reader of the numbers should know.
    """

    train: ImageSet
    test: ImageSet | None
    reference: ImageSet
    other: ImageSet
    seen: ImageSet
    unseen: bool
    notices: tuple[str, ...]


def load_real_images(
    data: DataConfig, trained_on: str | None, announce: Callable[[str], None], seed: int
) -> RealImages:
    """Load the images that an evaluation needs.

    Parameters
    ----------
    data : DataConfig
        Where they come from; its `split` is what the generator was trained on.
    trained_on : str, optional
        SHA-256 of the images that it was trained on, as the run has it.
    announce : callable
        Takes lines about downloads and fallbacks.
    seed : int
        Of the halves, where the data have no parts.

    Raises
    ------
    UserError
        If the data cannot be loaded.
    """
    seen = configured_images(data, announce)
    notices = list(seen.notices)
    if trained_on is not None and trained_on != seen.sha256:
        notices.append(
            f"These data ({seen.location}) are not those that the run was trained on: distances are to other data, "
            "and copies of its training images are not found."
        )
    try:
        parts = {
            split: seen
            if split == data.split
            else configured_images(dataclasses.replace(data, split=split), lambda line: None)
            for split in ("test", "train")
        }
    except NoSuchPart:
        first, second = _halves(seen, seed)
        notices.append(
            "The data have no held-out part: the reference is a random half of the training images, the floor is that "
            "of the other half, and the distances are those to images that the generator has seen."
        )
        return RealImages(second, None, first, second, seen, False, tuple(notices))
    train, test = parts["train"], parts["test"]
    reference, other = (train, test) if data.split == "test" else (test, train)
    if data.split == "both":
        notices.append(
            f"The generator was trained on both parts of the data, so the {len(test.images):,} test images of the "
            "reference are no unseen ones."
        )
    return RealImages(train, test, reference, other, seen, data.split != "both", tuple(notices))


def draw_sample(images: np.ndarray, count: int, seed: int, other: bool = False) -> np.ndarray:
    """Return `count` random ones of images (N, ...), in their order, the same for the same seed.

    `other` draws independently, for the second set of an evaluation.
    """
    random = generator_for(seed, _OTHER if other else _REFERENCE)
    return images[np.sort(random.permutation(len(images))[:count])]


def classes_to_ask(images: ImageSet, names: tuple[str, ...], count: int, seed: int) -> np.ndarray:
    """Return the classes of `count` random images, as places in `names`: int (count,).

    A generator that is asked for these is judged by its pictures. Asked for its classes in turn, a perfect one would be
    away from data whose classes are not of one size (MNIST's test images: 8.9 to 11.4 %).

    Raises
    ------
    UserError
        If the images have no classes, or one that is not among `names`.
    """
    known = () if images.labels is None else names_of(images)
    if not known or set(known) - set(names):
        raise UserError(
            f"evaluate: the generator is asked for classes ({', '.join(names[:3])}, ...) as often as real images are "
            f"of them, and those of {images.location} have {'others' if known else 'none'}; give data with these "
            "classes, or draw a file with `ms-gan generate RUN --num 10000 --out samples.npy` and evaluate that with "
            "--data-dir"
        )
    numbers = numbers_of(images, names)
    return numbers[generator_for(seed, _ASKED).integers(len(numbers), size=count)]


def _halves(images: ImageSet, seed: int) -> tuple[ImageSet, ImageSet]:
    """Split a set at random."""
    order = generator_for(seed, _HALVES).permutation(len(images.images))
    if len(order) < 4:
        raise UserError(f"{images.location}: {len(order)} images are too few to evaluate with; give at least 4")
    return tuple(_rows(images, np.sort(half)) for half in np.array_split(order, 2))


def _rows(images: ImageSet, rows: np.ndarray) -> ImageSet:
    # With a hash of its own: a kept extractor belongs to one half.
    labels = None if images.labels is None else images.labels[rows]
    return make_image_set(
        images.images[rows], labels, images.class_names, images.source, Path(images.location), images.notices
    )
