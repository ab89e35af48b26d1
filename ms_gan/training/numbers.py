"""The numbers of the log and the history, worked out on the host from what the steps return."""

import numpy as np
from mindspore import Tensor

from ms_gan.config.schema import LOSS_KINDS
from ms_gan.objectives import LOSSES, PAIRED_LOSSES


def d_numbers(loss: str, record: tuple[Tensor, ...]) -> dict[str, float]:
    """Return what a D step tells.

    Parameters
    ----------
    loss : str
        A key of `LOSSES` or `PAIRED_LOSSES`.
    record : tuple of Tensor
        What the D step returned; reading it waits for the device.

    Returns
    -------
    dict
        ``d_loss``; ``d_real`` and ``d_fake``, the means of D's output, as probabilities where the loss has them;
        ``d_accuracy`` in [0, 1]; ``penalty``, with its weight. Of a loss of pairs the zero of the scores means
        nothing: ``d_accuracy`` is the share of pairs whose real image has the higher score.
    """
    value, penalty, real, fake = (part.asnumpy().astype(np.float64) for part in record)
    if loss in PAIRED_LOSSES:
        accuracy = (real > fake).mean()
    else:
        boundary = LOSSES[loss].boundary
        accuracy = 0.5 * ((real > boundary).mean() + (fake < boundary).mean())
    if LOSS_KINDS[loss] == "gan":
        real, fake = _sigmoid(real), _sigmoid(fake)
    numbers = {"d_loss": value, "d_real": real.mean(), "d_fake": fake.mean(), "d_accuracy": accuracy}
    return {name: float(number) for name, number in (numbers | {"penalty": penalty}).items()}


def g_numbers(record: tuple[Tensor, ...]) -> dict[str, float]:
    """Return what a G step tells: ``g_loss``."""
    return {"g_loss": float(record[0].asnumpy())}


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    # By way of tanh: exp of a large logit would overflow.
    return 0.5 * (1.0 + np.tanh(0.5 * logits))
