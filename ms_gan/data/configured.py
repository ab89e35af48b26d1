"""The images that a configuration asks for."""

import dataclasses
from collections.abc import Callable

from ms_gan.config.schema import Config, DataConfig
from ms_gan.data.classes import names_of, numbers_of
from ms_gan.data.images import ImageSet
from ms_gan.data.sources import load_images
from ms_gan.data.stream import BatchStream
from ms_gan.errors import UserError, resizing


def configured_images(data: DataConfig, announce: Callable[[str], object]) -> ImageSet:
    """Load the images of section `data` of a configuration.

    Parameters
    ----------
    data : DataConfig
        Where they come from, which of them, and their shape.
    announce : callable
        Takes lines about downloads and fallbacks.

    Returns
    -------
    ImageSet
        uint8 (N, C, S, S).

    Raises
    ------
    UserError
        If they cannot be loaded, or are not square and no size is asked for.
    """
    try:
        images = load_images(
            source=data.source,
            folder=data.folder,
            split=data.split,
            classes=data.classes,
            size=data.size,
            channels=data.channels,
            prefer=data.prefer,
            prefer_classes=data.prefer_classes,
            announce=announce,
        )
    except MemoryError:
        raise UserError("the images do not fit into memory; take fewer (--classes) or smaller ones (--size)") from None
    height, width = images.images.shape[2:]
    if height != width:
        raise UserError(
            f"{images.location}: images of {width}x{height} are not square; give "
            f"{resizing(min(height, width))}, or another number of pixels, to take the square in the middle of each"
        )
    return images


def check_class_names(config: Config) -> None:
    """Raise UserError where classes are named for a run that is not conditional.

    Not where configurations are made: the section `data` of a conditional run is read alone too.
    """
    if config.data.class_names and not config.conditional:
        raise UserError("config data.class_names: goes with conditional: true; leave one out or set the other")


def fitted(config: Config, images: ImageSet) -> tuple[Config, BatchStream]:
    """Return the configuration completed by what the images are, and the stream of their batches.

    Parameters
    ----------
    config : Config
        The run.
    images : ImageSet
        uint8 (N, C, S, S).

    Returns
    -------
    config : Config
        With edge length and channels and, of a conditional run, the names of the classes.
    stream : BatchStream
        Batches of the images, with their classes where the run is conditional.

    Raises
    ------
    UserError
        If there are fewer images than a batch needs, a conditional run has images without classes or of others, or
        classes are named for one that is not.
    """
    check_class_names(config)
    channels, size = images.images.shape[1:3]
    data = dataclasses.replace(config.data, size=size, channels=channels)
    numbers = None
    if config.conditional:
        data = dataclasses.replace(data, class_names=data.class_names or names_of(images))
        numbers = numbers_of(images, data.class_names)
    stream = BatchStream(images, config.batch_size, data.images_per_epoch, config.seed, numbers)
    return dataclasses.replace(config, data=data), stream
