"""From a configuration to players and steps that are ready to run."""

from collections.abc import Callable

import mindspore as ms

from ms_gan.config import Config
from ms_gan.networks import ImageShape, build_discriminator, build_generator
from ms_gan.training.optimizers import build_optimizer
from ms_gan.training.steps import Players, Steps, build_steps


def build_players(config: Config, image: ImageShape) -> Players:
    """Build both networks, initialised from `config.seed`, and their optimizers.

    Parameters
    ----------
    config : Config
        The run.
    image : ImageShape
        Shape of the images.
    """
    g, d = config.generator, config.discriminator
    g_rate, d_rate = config.generator_optimizer, config.discriminator_optimizer
    # Each network's start depends on the seed alone, not on how the other was built.
    ms.set_seed(2 * config.seed % 2**32)
    generator = build_generator(g.name, config.latent.size, image, g.options).set_train()
    ms.set_seed((2 * config.seed + 1) % 2**32)
    discriminator = build_discriminator(d.name, image, d.options).set_train()
    d_updates = config.updates.d_steps * (2 if config.updates.real_and_fake == "in_turn" else 1)
    return Players(
        generator,
        discriminator,
        build_optimizer("generator", generator.trainable_params(), g_rate, 1),
        build_optimizer("discriminator", discriminator.trainable_params(), d_rate, d_updates),
    )


def prepare_steps(players: Players, config: Config, announce: Callable[[str], None]) -> Steps:
    """Make the steps in the mode that the configuration asks for."""
    steps = build_steps(players, config)
    if config.mode == "pynative":
        return steps
    return Steps(ms.jit(steps.d_step), ms.jit(steps.g_step))
