"""Batches and latents as pure functions of (seed, index): no state to save, nothing to lose on resume."""

import copy

import numpy as np

from ms_gan.data.images import ImageSet
from ms_gan.errors import UserError
from ms_gan.wording import plural

# What a random stream is for; each purpose has numbers of its own, so none depends on how often another was drawn.
_ORDER, _D_LATENTS, _G_LATENTS, _PENALTY, _ROLLBACK, AUGMENTATION = range(1, 7)


def check_seed(seed: int, option: str = "--seed") -> None:
    """Raise UserError for a seed, given after `option`, that is not from 0 to 2**32 - 1."""
    if not 0 <= seed < 2**32:
        raise UserError(f"{option} {seed}: must be from 0 to {2**32 - 1}")


def generator_for(*key: int) -> np.random.Generator:
    """Return the random generator that belongs to a key of whole numbers."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))


def data_seed(seed: int, rollbacks: int) -> int:
    """Return the seed of batches, latents and noise after so many rollbacks: at first that of the run itself."""
    return int(generator_for(seed, _ROLLBACK, rollbacks).integers(2**32)) if rollbacks else seed


class BatchStream:
    """Real images in random order, pass after pass, each image once a pass.

    Parameters
    ----------
    images : ImageSet
        The data; they stay uint8 in memory.
    batch_size : int
        Images in a batch; what is left over at the end of a pass is dropped.
    images_per_epoch : int or None
        Images drawn for a pass; None: all.
    seed : int
        The order follows from it.
    numbers : array of int, shape (N,), optional
        The class of each image.

    Raises
    ------
    UserError
        If there are fewer images than a batch needs.
    """

    def __init__(
        self,
        images: ImageSet,
        batch_size: int,
        images_per_epoch: int | None,
        seed: int,
        numbers: np.ndarray | None = None,
    ):
        available = len(images.images)
        drawn = min(available, images_per_epoch or available)
        if drawn < batch_size:
            raise UserError(
                f"batch_size {batch_size} is more than the {plural(drawn, 'image')} of an epoch "
                f"({images.location}); set a smaller batch_size or give more images"
            )
        self.batches_per_epoch = drawn // batch_size
        self._images = images.images
        self._numbers = numbers
        self._batch_size = batch_size
        self._seed = seed
        self._rows = slice(None)
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))
        self._to_float = ((np.arange(256) - 127.5) / 127.5).astype(np.float32)

    def reseeded(self, seed: int) -> "BatchStream":
        """Return the same images in the order that follows from another seed."""
        other = copy.copy(self)
        other._seed, other._order = seed, (-1, np.empty(0, np.int64))
        return other

    def part(self, rows: slice) -> "BatchStream":
        """Return a stream that gives these rows of each batch: the share of one of several workers."""
        other = copy.copy(self)
        other._rows = rows
        return other

    def batch(self, index: int) -> np.ndarray:
        """Return batch `index` (from 0, counted over all passes): float32 (N, C, H, W) in [-1, 1]."""
        return self._to_float[self._images[self._chosen(index)[self._rows]]]

    def classes(self, index: int) -> np.ndarray:
        """Return the classes of all images of batch `index`, of which `batch` may give a part: int (N,)."""
        return self._numbers[self._chosen(index)]

    def _chosen(self, index: int) -> np.ndarray:
        epoch, place = divmod(index, self.batches_per_epoch)
        if self._order[0] != epoch:
            order = generator_for(self._seed, _ORDER, epoch).permutation(len(self._images))
            self._order = (epoch, order)
        chosen = self._order[1][place * self._batch_size : (place + 1) * self._batch_size]
        # Sorted rows are read faster; `training.accumulation` takes each of its parts from the whole batch.
        return np.sort(chosen)


def d_latents(seed: int, index: int, count: int, size: int) -> np.ndarray:
    """Return the latents of D step `index` (counted over the run): float32 (count, size) from N(0, 1)."""
    return generator_for(seed, _D_LATENTS, index).standard_normal((count, size), dtype=np.float32)


def g_latents(seed: int, step: int, count: int, size: int) -> np.ndarray:
    """Return fresh latents for the G step of step `step`: float32 (count, size) from N(0, 1)."""
    return generator_for(seed, _G_LATENTS, step).standard_normal((count, size), dtype=np.float32)


def fixed_latents(seed: int, count: int, size: int) -> np.ndarray:
    """Return latents for pictures: float32 (count, size) from N(0, 1); the first rows do not depend on `count`."""
    return generator_for(seed).standard_normal((count, size), dtype=np.float32)


def penalty_noise(seed: int, index: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return the noise of the penalty in D step `index`: float32 of `shape` from U[0, 1)."""
    return generator_for(seed, _PENALTY, index).random(shape, dtype=np.float32)
