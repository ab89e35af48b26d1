"""Images out of a generator."""

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn

from ms_gan.exported.reading import BATCH, draw_in_batches


def draw_images(generator: nn.Cell, latents: np.ndarray, *, batch_statistics: bool = False) -> np.ndarray:
    """Let a generator draw, in batches.

    Parameters
    ----------
    generator : nn.Cell
        The generator.
    latents : array, float32 (N, n)
        One latent vector per image.
    batch_statistics : bool
        Normalise by the statistics of all N images at once, as in training, rather than by the moving ones.

    Returns
    -------
    array, float32 (N, C, S, S), in [-1, 1]

    Raises
    ------
    UserError
        If so many images are too much for memory.
    """
    # Copies: asnumpy shares the parameter's memory.
    moving = [parameter.asnumpy().copy() for parameter in _statistics(generator)] if batch_statistics else []
    generator.set_train(batch_statistics)
    try:
        return draw_in_batches(
            lambda batch: generator(Tensor(batch)).asnumpy(), latents, len(latents) if batch_statistics else BATCH
        )
    finally:
        generator.set_train()
        for parameter, value in zip(_statistics(generator) if moving else (), moving, strict=True):
            parameter.set_data(Tensor(value))


def _statistics(network: nn.Cell) -> list[ms.Parameter]:
    """Return what batch normalisation moves along."""
    return [parameter for parameter in network.get_parameters() if not parameter.requires_grad]
