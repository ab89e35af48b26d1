"""Differentiable augmentation: real and fake images are changed in the same way before D sees them.

So D cannot learn few images by heart, and G, whose gradient passes through, does not learn to make changed images
(Zhao et al. 2020, DiffAugment). The random numbers are those of `ms_gan.data.augmenting`.
"""

from collections.abc import Callable, Iterable

from mindspore import Tensor, ops


def make_augment(kinds: Iterable[str]) -> Callable[..., Tensor]:
    """Return the function (images (N, C, S, S), what was drawn) -> images; with no kinds it returns its images.

    What was drawn may go on with what is not for it.
    """
    colour, translation, cutout = (kind in kinds for kind in ("colour", "translation", "cutout"))

    moves = 3 if colour else 0
    mask = moves + (2 if translation else 0)

    def augment(images: Tensor, *drawn: Tensor) -> Tensor:
        if colour:
            images = recolour(images, drawn[0], drawn[1], drawn[2])
        if translation:
            images = ops.matmul(ops.matmul(drawn[moves], images), drawn[moves + 1])
        if cutout:
            images = images * drawn[mask]
        return images

    return augment


def recolour(images: Tensor, brightness: Tensor, saturation: Tensor, contrast: Tensor) -> Tensor:
    """Add to all values, then scale their distance from the pixel's grey, then that from the image's mean."""
    images = images + brightness
    if images.shape[1] > 1:
        grey = images.mean(axis=1, keep_dims=True)
        images = grey + (images - grey) * saturation
    mean = images.mean(axis=(1, 2, 3), keep_dims=True)
    return mean + (images - mean) * contrast
