"""Metrics as pure functions of arrays; nothing here imports MindSpore."""

from ms_gan.evaluation.sliced_wasserstein import sliced_wasserstein

__all__ = ["sliced_wasserstein"]
