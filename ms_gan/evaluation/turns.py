"""Features without labels: a classifier that tells by how many quarters an image is turned (Gidaris et al. 2018)."""

import dataclasses

import numpy as np

from ms_gan.data.images import ImageSet

VERSION = "turns-v1"
KIND = "classifier of quarter turns"
_MOST = 20_000  # images of either part, or four times as many of large ones would not fit in memory
_HELD_OUT = 10  # one in so many training images, where the data have no held-out part
_NAMES = ("upright", "quarter turn", "half turn", "three quarter turns")


def turned_parts(train: ImageSet, test: ImageSet | None) -> tuple[ImageSet, ImageSet]:
    """Return training and held-out images, each four times, turned by a quarter more each time.

    Of more than 20,000 images, so many are taken at equal distances.

    Parameters
    ----------
    train : ImageSet
        The data set's training part, two images or more.
    test : ImageSet or None
        Its held-out part; None: every tenth training image is held out.

    Returns
    -------
    tuple of ImageSet
        Both parts; the labels are the quarters, 0 to 3, counterclockwise.
    """
    if test is not None:
        return _turned(train, train.images), _turned(train, test.images)
    held_out = np.arange(len(train.images)) % _HELD_OUT == 1
    return _turned(train, train.images[~held_out]), _turned(train, train.images[held_out])


def _turned(source: ImageSet, upright: np.ndarray) -> ImageSet:
    chosen = np.linspace(0, len(upright) - 1, min(len(upright), _MOST)).round().astype(int)
    upright = upright[chosen]
    turns = np.concatenate([np.rot90(upright, quarters, (2, 3)) for quarters in range(len(_NAMES))])
    quarters = np.repeat(np.arange(len(_NAMES), dtype=np.uint8), len(upright))
    return dataclasses.replace(source, images=turns, labels=quarters, class_names=_NAMES)
