"""The networks that a configuration describes."""

import json

from mindspore import nn

from ms_gan.config import Config
from ms_gan.networks.registry import ImageShape, build_discriminator, build_generator, options_in_force


def image_shape(config: Config) -> ImageShape:
    """Return the image shape of a configuration; where it leaves it to the data, that of the preferred data set."""
    cifar = config.data.prefer == "cifar10"
    return ImageShape(config.data.channels or (3 if cifar else 1), config.data.size or (32 if cifar else 28))


def latent_length(config: Config) -> int:
    """Return the length of what G is given: a latent vector, and behind it the class asked for, if it is asked."""
    return config.latent.size + len(config.class_names)


def generator_of(config: Config, image: ImageShape) -> nn.Cell:
    """Build the generator of a configuration; it raises what :func:`build_generator` raises."""
    return build_generator(config.generator.name, latent_length(config), image, config.generator.options)


def discriminator_of(config: Config, image: ImageShape) -> nn.Cell:
    """Build the discriminator of a configuration; it raises what :func:`build_discriminator` raises.

    That of a conditional run has a score of its own for every class, which is added to the first one: a projection of
    the features on a vector for each class (Miyato and Koyama 2018).
    """
    outputs = 1 + len(config.class_names)
    return build_discriminator(config.discriminator.name, image, config.discriminator.options, outputs)


def options_text(config: Config, role: str) -> str:
    """Return all options of the network in a role, with the values in force, as `--set` takes them."""
    section = getattr(config, role)
    options = options_in_force(role, section.name, section.options).items()
    return " ".join(f"{role}.options.{key}={json.dumps(value, separators=(',', ':'))}" for key, value in options)
