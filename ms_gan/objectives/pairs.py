"""Losses of pairs: D compares a real with a generated image, and so does G; each returns the mean over the pairs."""

from collections.abc import Callable
from dataclasses import dataclass

from mindspore import Tensor

from ms_gan.objectives.losses import cross_entropy_real

PairFunction = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class PairedLoss:
    """A loss of D's logits of real and of fake images, both (N, 1); row i of either makes a pair."""

    discriminator: PairFunction
    """(real logits, fake logits) -> what D minimises."""
    generator: PairFunction
    """(real logits, fake logits) -> what G minimises."""
    reading: str
    """What a user should make of the printed numbers."""


def real_above_fake(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Mean of softplus(-(D(real) - D(fake))) (Jolicoeur-Martineau 2019, RpGAN; Huang et al. 2024, R3GAN)."""
    return cross_entropy_real(real_logits - fake_logits)


def fake_above_real(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Mean of softplus(-(D(fake) - D(real))), the same game seen from the other side."""
    return cross_entropy_real(fake_logits - real_logits)


PAIRED_LOSSES: dict[str, PairedLoss] = {
    "relativistic": PairedLoss(
        real_above_fake,
        fake_above_real,
        "margin: by how much D scores real images above generated ones, in the mean; accuracy: in how many pairs. "
        "At the equilibrium margin 0, accuracy 50 %, both losses 0.69; loss_d near 0 for long means that D wins.",
    ),
}
