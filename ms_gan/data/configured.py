"""The images that a configuration asks for."""

from collections.abc import Callable

from ms_gan.config.schema import DataConfig
from ms_gan.data.images import ImageSet
from ms_gan.data.sources import load_images


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
        If they cannot be loaded.
    """
    return load_images(
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
