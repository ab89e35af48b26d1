"""Images out of a generator."""

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn


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
    """
    # Copies: asnumpy shares the parameter's memory.
    moving = [parameter.asnumpy().copy() for parameter in _statistics(generator)] if batch_statistics else []
    generator.set_train(batch_statistics)
    size = len(latents) if batch_statistics else 256
    try:
        parts = [generator(Tensor(latents[i : i + size])).asnumpy() for i in range(0, len(latents), size)]
    finally:
        generator.set_train()
        for parameter, value in zip(_statistics(generator) if moving else (), moving, strict=True):
            parameter.set_data(Tensor(value))
    return np.concatenate(parts)


def _statistics(network: nn.Cell) -> list[ms.Parameter]:
    """Return what batch normalisation moves along."""
    return [parameter for parameter in network.get_parameters() if not parameter.requires_grad]
