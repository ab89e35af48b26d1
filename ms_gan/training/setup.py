"""From a configuration to players and steps that are ready to run."""

import contextlib
import dataclasses
from collections.abc import Callable

import mindspore as ms
from mindspore import nn

from ms_gan.config import Config
from ms_gan.networks import ImageShape
from ms_gan.networks.configured import discriminator_of, generator_of
from ms_gan.networks.kit import plain_layers
from ms_gan.training.average import MovingAverage
from ms_gan.training.judgement import has_batch_norm
from ms_gan.training.optimizers import build_optimizer
from ms_gan.training.parallel import averaged
from ms_gan.training.penalty_check import pynative_is_right
from ms_gan.training.plan import updates_jointly
from ms_gan.training.players import Players
from ms_gan.training.precision import prepare_half, scaled
from ms_gan.training.steps import Steps, build_steps


def build_players(config: Config, image: ImageShape) -> Players:
    """Build both networks, initialised from `config.seed`, and their optimizers.

    Parameters
    ----------
    config : Config
        The run.
    image : ImageShape
        Shape of the images.
    """
    half = config.precision == "fp16"
    g_rate, d_rate = config.generator_optimizer, config.discriminator_optimizer
    # Each network's start depends on the seed alone, not on how the other was built.
    with plain_layers() if half else contextlib.nullcontext():
        ms.set_seed(2 * config.seed % 2**32)
        generator = generator_of(config, image).set_train()
        average = _average(config, image, generator)
        ms.set_seed((2 * config.seed + 1) % 2**32)
        discriminator = discriminator_of(config, image).set_train()
    d_updates = config.updates.d_steps * (2 if config.updates.real_and_fake == "in_turn" else 1)
    players = Players(
        generator,
        discriminator,
        build_optimizer("generator", generator.trainable_params(), g_rate, 1),
        build_optimizer("discriminator", discriminator.trainable_params(), d_rate, d_updates),
        average,
    )
    if half:
        prepare_half(players)
    return players


def _average(config: Config, image: ImageShape, generator: nn.Cell) -> MovingAverage | None:
    """Return the average of G, which begins where G does; None where the run has none."""
    if not config.ema.decay:
        return None
    average = MovingAverage(generator_of(config, image), config.ema.decay)
    average.begin_at(generator)
    return average


def prepare_steps(players: Players, config: Config, image: ImageShape, announce: Callable[[str], None]) -> Steps:
    """Make the steps in the mode that the configuration asks for.

    With a penalty the D step is compiled in PyNative mode too, and this is announced: PyNative rounds the second
    derivatives in another order, and for some critics gets them wrong.

    Raises
    ------
    UserError
        If the penalty's gradient is wrong for this discriminator in graph mode too.
    """
    penalised = config.objective.penalty != "none"
    right = not penalised or pynative_is_right(players.discriminator, config, image)
    if penalised:
        announce(f"Checked: the {config.objective.penalty} penalty's gradient agrees with finite differences")
        if has_batch_norm(players.discriminator):
            announce(
                f"Note: discriminator {config.discriminator.name} has batch normalisation, so the penalty's "
                "gradient at an image is that of the logits of its whole batch. Gulrajani et al. leave it out; to "
                "penalise each image by itself take a discriminator.name that has none, such as wgan or infogan"
            )
    if config.precision == "fp16":
        announce("Products in float16, the loss scaled; on a CPU, MindSpore's own layers, which are slower there")
        players = scaled(players)
    plain = build_steps(players, config, compiled=False, updater=averaged)
    if config.mode == "pynative" and not penalised:
        return plain
    compiled = as_graphs(build_steps(players, config, compiled=True, updater=averaged), config.jit_level)
    if config.mode == "graph":
        return compiled
    what = "D and G step are" if updates_jointly(config) else "D step is"
    why = "round the penalty's gradient otherwise" if right else "give a wrong gradient of the penalty here"
    announce(f"PyNative would {why}, so the {what} compiled in this mode too")
    return dataclasses.replace(compiled, g_step=plain.g_step, between=plain.between)


def as_graphs(steps: Steps, level: str) -> Steps:
    """Return the same steps for graph mode; each is compiled when it is first called. Shown in a notebook."""
    between = as_graphs(steps.between, level) if steps.between else None
    return Steps(*(ms.jit(step, jit_level=level) for step in (steps.d_step, steps.g_step, steps.joint_step)), between)
