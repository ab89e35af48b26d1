"""Losses and penalties."""

from ms_gan.objectives.losses import LOSSES, Loss
from ms_gan.objectives.pairs import PAIRED_LOSSES, PairedLoss
from ms_gan.objectives.penalties import PENALTIES, Penalty, noise_shape

__all__ = ["LOSSES", "PAIRED_LOSSES", "PENALTIES", "Loss", "PairedLoss", "Penalty", "noise_shape"]
