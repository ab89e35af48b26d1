"""Nearest training images: how close generated images come to them, and how many are copies."""

from dataclasses import dataclass

import numpy as np

from ms_gan.errors import UserError
from ms_gan.evaluation.distances import nearest

NEIGHBOURS = 20
ALARM = 0.01  # share of unseen real images that count as copies, by which the threshold is set


@dataclass(frozen=True)
class Nearness:
    """How close a set of images comes to the training images, in grey levels (0 to 255) per pixel.

    Attributes
    ----------
    distances : ndarray, shape (N,)
        Root mean square difference to the nearest training image.
    ratios : ndarray, shape (N,)
        That distance over the mean distance to the 20 nearest: 0 for a copy, near 1 for an image with no special
        relation to one training image, whether it is a simple one (all training images near) or not.
    indices : ndarray of int, shape (N,)
        Which training image is the nearest.
    """

    distances: np.ndarray
    ratios: np.ndarray
    indices: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> "Nearness":
        """Return that of some of the images."""
        return Nearness(self.distances[rows], self.ratios[rows], self.indices[rows])


def nearness(images: np.ndarray, training: np.ndarray) -> Nearness:
    """Find the nearest training image of each image, pixel by pixel.

    Parameters
    ----------
    images, training : ndarray of uint8, shapes (N, C, H, W) and (M, C, H, W)
        The images, and all that the generator was trained on; M is at least 2.

    Raises
    ------
    UserError
        If there are too few training images, or the shapes differ.
    """
    if len(training) < 2:
        raise UserError("nearest training images: there must be at least 2 training images")
    if images.shape[1:] != training.shape[1:]:
        raise UserError(f"nearest training images: images of {images.shape[1:]} against {training.shape[1:]}")
    pixels = int(np.prod(images.shape[1:]))
    found, index = nearest(_flat(images), _flat(training), min(NEIGHBOURS, len(training)))
    mean = found.mean(axis=1)
    ratios = np.divide(found[:, 0], mean, out=np.zeros_like(mean), where=mean > 0)
    return Nearness(found[:, 0] / np.sqrt(pixels), ratios, index[:, 0])


def copy_threshold(unseen: Nearness) -> float:
    """Return the ratio below which an image counts as a copy: 1 % of the unseen real images lie below it."""
    return float(np.quantile(unseen.ratios, ALARM))


def copy_rate(nearness: Nearness, threshold: float) -> float:
    """Return the share of images that count as copies of a training image."""
    return float((nearness.ratios < threshold).mean())


def _flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1)
