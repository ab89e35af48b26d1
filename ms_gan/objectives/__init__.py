"""Losses and penalties."""

from ms_gan.objectives.losses import LOSSES, Loss
from ms_gan.objectives.penalties import PENALTIES, Penalty, noise_shape

__all__ = ["LOSSES", "PENALTIES", "Loss", "Penalty", "noise_shape"]
