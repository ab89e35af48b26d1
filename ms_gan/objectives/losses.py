"""Losses of D and G as pure functions of logits (N, 1); each returns the mean over the batch, a scalar."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from mindspore import Tensor, ops

LossFunction = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Loss:
    """A loss: D minimises `real` of the real logits plus `fake` of the fake ones; G minimises `generator`."""

    real: LossFunction
    fake: LossFunction
    generator: LossFunction
    even: float
    """D's loss, `real` plus `fake`, where it cannot tell real images from fakes."""
    reading: str
    """What a user should make of the printed numbers; ``{loss_d}`` is the printed loss where D cannot tell."""
    boundary: float = 0.0
    """The logit above which D takes an image for a real one, for the printed accuracy."""


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    # On logits, not on a sigmoid: Sigmoid + BCELoss has zero gradient where D is sure.
    ones = ops.ones_like(logits)
    # Not reduction="mean": in PyNative its derivative divides by the batch size that the process used first.
    return ops.binary_cross_entropy_with_logits(logits, target, ones, ones, reduction="none").mean()


def cross_entropy_real(logits: Tensor) -> Tensor:
    """H(1, D): mean of -log sigmoid(logit)."""
    return _cross_entropy(logits, ops.ones_like(logits))


def cross_entropy_fake(logits: Tensor) -> Tensor:
    """H(0, D): mean of -log(1 - sigmoid(logit))."""
    return _cross_entropy(logits, ops.zeros_like(logits))


def minimax_generator(logits: Tensor) -> Tensor:
    """Mean of log(1 - sigmoid(logit)), as the original paper states the game (Goodfellow et al. 2014, eq. 1)."""
    return -cross_entropy_fake(logits)


def mean_score(logits: Tensor) -> Tensor:
    """Mean of the critic's scores."""
    return logits.mean()


def negative_mean_score(logits: Tensor) -> Tensor:
    """Minus the mean of the critic's scores (Arjovsky et al. 2017)."""
    return -logits.mean()


def half_squares_to_one(logits: Tensor) -> Tensor:
    """Half the mean of (logit - 1)^2 (Mao et al. 2017, eq. 9, a = 0, b = c = 1)."""
    return 0.5 * ops.square(logits - 1.0).mean()


def half_squares_to_zero(logits: Tensor) -> Tensor:
    """Half the mean of logit^2 (Mao et al. 2017, eq. 9)."""
    return 0.5 * ops.square(logits).mean()


def hinge_real(logits: Tensor) -> Tensor:
    """Mean of max(0, 1 - logit) (Lim and Ye 2017)."""
    return ops.relu(1.0 - logits).mean()


def hinge_fake(logits: Tensor) -> Tensor:
    """Mean of max(0, 1 + logit) (Lim and Ye 2017)."""
    return ops.relu(1.0 + logits).mean()


LOSSES: dict[str, Loss] = {
    "non_saturating": Loss(
        cross_entropy_real,
        cross_entropy_fake,
        cross_entropy_real,
        2 * math.log(2),
        "D(real), D(fake): D's mean probability of 'real'. At the equilibrium both are 0.5, loss_d {loss_d}, "
        "loss_g 0.693; D(fake) near 0 for long means that D wins and G learns little.",
    ),
    "minimax": Loss(
        cross_entropy_real,
        cross_entropy_fake,
        minimax_generator,
        2 * math.log(2),
        "loss_g is negative: log(1 - D(fake)), -0.69 at the equilibrium; near 0 it saturates and G stops learning.",
    ),
    "wasserstein": Loss(
        negative_mean_score,
        mean_score,
        negative_mean_score,
        0.0,
        "distance: the critic's estimate of how far the fakes are from the data (unscaled); it should rise at first "
        "while the critic learns, then fall. loss_g alone means little.",
    ),
    "least_squares": Loss(
        half_squares_to_one,
        half_squares_to_zero,
        half_squares_to_one,
        0.25,
        "D(real), D(fake): scores that D pulls to 1 and 0; both 0.5 (loss_d {loss_d}, loss_g 0.125) is the "
        "equilibrium.",
        boundary=0.5,
    ),
    "hinge": Loss(
        hinge_real,
        hinge_fake,
        negative_mean_score,
        2.0,
        "D(real), D(fake): scores that D pulls above 1 and below -1; loss_d {loss_d} means that D cannot "
        "tell them apart.",
    ),
}
