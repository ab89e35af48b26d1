"""The D step and the G step: plain functions, jitted in graph mode, called as they are in PyNative."""

from collections.abc import Callable
from dataclasses import dataclass

import mindspore as ms
from mindspore import Tensor, nn, ops

from ms_gan.config import Config
from ms_gan.objectives import LOSSES, PAIRED_LOSSES
from ms_gan.training.d_updates import DRecord, DUpdate, Updater, make_d_update
from ms_gan.training.players import Players


@dataclass(frozen=True)
class Steps:
    """One update of each player."""

    d_step: Callable[[Tensor, Tensor, Tensor], DRecord]
    """(real (N, C, H, W), latents (N, n), penalty noise) -> `DRecord`."""
    g_step: Callable[..., tuple[Tensor]]
    """(latents (N, n), and where the loss is one of pairs the real images (N, C, H, W)) -> (G's loss,)."""
    joint_step: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, ...]]
    """d_step, then g_step with the same latents, whose images are made once -> both their results."""


def _itself(optimizer: nn.Cell) -> nn.Cell:
    return optimizer


def build_steps(players: Players, config: Config, compiled: bool, updater: Updater = _itself) -> Steps:
    """Make the steps of a run, undecorated, for graph mode (`compiled`) or PyNative."""
    update_d = make_d_update(players, config, updater)
    joint = (_joint_step if compiled else _joint_step_in_pynative)(players, config, updater, update_d)
    return Steps(_d_step(players, update_d), _g_step(players, config, updater), joint)


def is_paired(config: Config) -> bool:
    """Whether G's loss compares its images with real ones, so that a G step takes these too."""
    return config.objective.loss in PAIRED_LOSSES


def _judge(critic: nn.Cell, config: Config) -> Callable[..., Tensor]:
    """Return G's loss as a function of its images, and of the real ones where the loss is one of pairs."""
    name = config.objective.loss
    if name not in PAIRED_LOSSES:
        loss = LOSSES[name].generator

        def judge(fake: Tensor) -> Tensor:
            return loss(critic(fake))

        return judge
    loss_of_pairs = PAIRED_LOSSES[name].generator

    def judge_pairs(fake: Tensor, real: Tensor) -> Tensor:
        return loss_of_pairs(critic(real), critic(fake))

    return judge_pairs


def _d_step(players: Players, update_d: DUpdate) -> Callable[[Tensor, Tensor, Tensor], DRecord]:
    generator = players.generator

    def d_step(real: Tensor, latents: Tensor, noise: Tensor) -> DRecord:
        # G is not differentiated here.
        return update_d(real, ops.stop_gradient(generator(latents)), noise)

    return d_step


def _g_step(players: Players, config: Config, updater: Updater) -> Callable[..., tuple[Tensor]]:
    generator, optimizer, judge = players.generator, players.generator_optimizer, _judge(players.discriminator, config)
    update, follow = updater(optimizer), _follower(players)

    def g_loss(latents: Tensor, *real: Tensor) -> Tensor:
        return judge(generator(latents), *real)

    differentiate = ms.value_and_grad(g_loss, None, optimizer.parameters)

    def g_step(latents: Tensor, *real: Tensor) -> tuple[Tensor]:
        value, gradients = differentiate(latents, *real)
        update(gradients)
        follow()
        return (value,)

    return g_step


def _joint_step(
    players: Players, config: Config, updater: Updater, update_d: DUpdate
) -> Callable[[Tensor, Tensor, Tensor], tuple[Tensor, ...]]:
    generator, optimizer, judge = players.generator, players.generator_optimizer, _judge(players.discriminator, config)
    update, follow = updater(optimizer), _follower(players)
    paired, differentiate = is_paired(config), ms.value_and_grad(judge)

    def joint_step(real: Tensor, latents: Tensor, noise: Tensor) -> tuple[Tensor, ...]:
        fake, pull_back = ms.vjp(generator, latents, weights=optimizer.parameters)
        fake = ops.stop_gradient(fake)
        record = update_d(real, fake, noise)
        value, gradient = differentiate(fake, *((real,) if paired else ()))
        update(pull_back(gradient)[1])
        follow()
        return (*record, value)

    return joint_step


def _joint_step_in_pynative(
    players: Players, config: Config, updater: Updater, update_d: DUpdate
) -> Callable[[Tensor, Tensor, Tensor], tuple[Tensor, ...]]:
    """Return the same step for PyNative, where vjp would run G twice (and does so in MindSpore 2.7)."""
    generator, optimizer, judge = players.generator, players.generator_optimizer, _judge(players.discriminator, config)
    update, follow = updater(optimizer), _follower(players)
    paired = is_paired(config)

    def g_loss(real: Tensor, latents: Tensor, noise: Tensor) -> tuple[Tensor, ...]:
        fake = generator(latents)
        # D's update is a side effect in between: the loss below is that of the updated D.
        record = update_d(real, ops.stop_gradient(fake), noise)
        return judge(fake, *((real,) if paired else ())), *record

    differentiate = ms.value_and_grad(g_loss, None, optimizer.parameters, has_aux=True)

    def joint_step(real: Tensor, latents: Tensor, noise: Tensor) -> tuple[Tensor, ...]:
        (value, *record), gradients = differentiate(real, latents, noise)
        update(gradients)
        follow()
        return (*record, value)

    return joint_step


def _follower(players: Players) -> Callable[[], None]:
    """Return what brings the average of G up to date; nothing where there is none."""
    if players.average is not None:
        return players.average.follower(players.generator)

    def nothing() -> None:
        pass

    return nothing
