"""Generators and discriminators, registered by name; importing this package registers them all."""

from ms_gan.networks import dcgan, dense, infogan, mlp, residual, wgan  # noqa: F401
from ms_gan.networks.registry import (
    DISCRIMINATORS,
    GENERATORS,
    ImageShape,
    build_discriminator,
    build_generator,
)

__all__ = ["DISCRIMINATORS", "GENERATORS", "ImageShape", "build_discriminator", "build_generator"]
