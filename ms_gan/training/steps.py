"""The D step and the G step: plain functions, jitted in graph mode, called as they are in PyNative."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import mindspore as ms
from mindspore import Tensor, nn, ops

from ms_gan.config import Config
from ms_gan.objectives import LOSSES, PAIRED_LOSSES
from ms_gan.training.accumulation import drawn_in_parts, in_parts
from ms_gan.training.augmentation import make_augment
from ms_gan.training.clipping import clipped
from ms_gan.training.conditions import choice_of, make_judge
from ms_gan.training.d_updates import DRecord, DUpdate, Updater, make_d_update
from ms_gan.training.plan import penalty_due
from ms_gan.training.players import Players


@dataclass(frozen=True)
class Steps:
    """One update of each player."""

    d_step: Callable[..., DRecord]
    """(real (N, C, H, W), latents (N, n), penalty noise, and what was drawn for the step) -> `DRecord`.

    Drawn is what augmentation draws and, in a conditional run, what tells the classes; the latents ask for them too.
    """
    g_step: Callable[..., tuple[Tensor]]
    """(latents (N, n), the real images where the loss is one of pairs, what was drawn) -> (G's loss,)."""
    joint_step: Callable[..., tuple[Tensor, ...]]
    """d_step, then g_step with the same latents, whose images are made once -> both their results."""
    between: "Steps | None" = None
    """The D steps without a penalty, where only one in so many has it."""

    def at(self, config: Config, index: int) -> "Steps":
        """Return the steps to take at D step `index` (from 0, counted over the run)."""
        return self if self.between is None or penalty_due(config, index) else self.between


def _itself(optimizer: nn.Cell) -> nn.Cell:
    return optimizer


def build_steps(players: Players, config: Config, compiled: bool, updater: Updater = _itself) -> Steps:
    """Make the steps of a run, undecorated, for graph mode (`compiled`) or PyNative."""
    update_d = make_d_update(players, config, updater)
    joint = (_joint_step if compiled else _joint_step_in_pynative)(players, config, updater, update_d)
    steps = Steps(_d_step(players, config, update_d), _g_step(players, config, updater), joint)
    if config.objective.penalty_every == 1:
        return steps
    objective = dataclasses.replace(config.objective, penalty="none", penalty_every=1)
    without = dataclasses.replace(config, objective=objective)
    return dataclasses.replace(steps, between=build_steps(players, without, compiled, updater))


def is_paired(config: Config) -> bool:
    """Whether G's loss compares its images with real ones, so that a G step takes these too."""
    return config.objective.loss in PAIRED_LOSSES


def _judge(critic: nn.Cell, config: Config) -> Callable[..., Tensor]:
    """Return G's loss of its images, the real ones where the loss is one of pairs, and what was drawn."""
    name, augment = config.objective.loss, make_augment(config.augmentation)
    logits_of, choice_in = make_judge(critic), choice_of(config)
    if name not in PAIRED_LOSSES:
        loss = LOSSES[name].generator

        def judge(fake: Tensor, *drawn: Tensor) -> Tensor:
            return loss(logits_of(augment(fake, *drawn), *choice_in(drawn)))

        return judge
    loss_of_pairs = PAIRED_LOSSES[name].generator

    def judge_pairs(fake: Tensor, real: Tensor, *drawn: Tensor) -> Tensor:
        choice = choice_in(drawn)
        return loss_of_pairs(logits_of(augment(real, *drawn), *choice), logits_of(augment(fake, *drawn), *choice))

    return judge_pairs


def _d_step(players: Players, config: Config, update_d: DUpdate) -> Callable[..., DRecord]:
    draw = drawn_in_parts(players.generator, config.updates.accumulate)

    def d_step(real: Tensor, latents: Tensor, noise: Tensor, *drawn: Tensor) -> DRecord:
        # G is not differentiated here.
        return update_d(real, ops.stop_gradient(draw(latents)), noise, *drawn)

    return d_step


def _g_step(players: Players, config: Config, updater: Updater) -> Callable[..., tuple[Tensor]]:
    generator, optimizer, judge = players.generator, players.generator_optimizer, _judge(players.discriminator, config)
    update, follow = _updating(players, config, updater)

    def g_loss(latents: Tensor, *given: Tensor) -> Tensor:
        return judge(generator(latents), *given)

    differentiate = ms.value_and_grad(g_loss, None, optimizer.parameters)
    differentiate = in_parts(differentiate, config.updates.accumulate)

    def g_step(latents: Tensor, *given: Tensor) -> tuple[Tensor]:
        value, gradients = differentiate(latents, *given)
        update(gradients)
        follow()
        return (value,)

    return g_step


def _joint_step(
    players: Players, config: Config, updater: Updater, update_d: DUpdate
) -> Callable[..., tuple[Tensor, ...]]:
    generator, optimizer, judge = players.generator, players.generator_optimizer, _judge(players.discriminator, config)
    update, follow = _updating(players, config, updater)
    paired, differentiate = is_paired(config), ms.value_and_grad(judge)

    def joint_step(real: Tensor, latents: Tensor, noise: Tensor, *drawn: Tensor) -> tuple[Tensor, ...]:
        fake, pull_back = ms.vjp(generator, latents, weights=optimizer.parameters)
        fake = ops.stop_gradient(fake)
        record = update_d(real, fake, noise, *drawn)
        value, gradient = differentiate(fake, *((real, *drawn) if paired else drawn))
        update(pull_back(gradient)[1])
        follow()
        return (*record, value)

    return joint_step


def _joint_step_in_pynative(
    players: Players, config: Config, updater: Updater, update_d: DUpdate
) -> Callable[..., tuple[Tensor, ...]]:
    """Return the same step for PyNative, where vjp would run G twice (and does so in MindSpore 2.7)."""
    generator, optimizer, judge = players.generator, players.generator_optimizer, _judge(players.discriminator, config)
    update, follow = _updating(players, config, updater)
    paired = is_paired(config)

    def g_loss(real: Tensor, latents: Tensor, noise: Tensor, *drawn: Tensor) -> tuple[Tensor, ...]:
        fake = generator(latents)
        # D's update is a side effect in between: the loss below is that of the updated D.
        record = update_d(real, ops.stop_gradient(fake), noise, *drawn)
        return judge(fake, *((real, *drawn) if paired else drawn)), *record

    differentiate = ms.value_and_grad(g_loss, None, optimizer.parameters, has_aux=True)

    def joint_step(real: Tensor, latents: Tensor, noise: Tensor, *drawn: Tensor) -> tuple[Tensor, ...]:
        (value, *record), gradients = differentiate(real, latents, noise, *drawn)
        update(gradients)
        follow()
        return (*record, value)

    return joint_step


def _updating(
    players: Players, config: Config, updater: Updater
) -> tuple[Callable[[tuple[Tensor, ...]], object], Callable[[], None]]:
    """Return the update of G by its gradients, and what brings the average of G up to date after it."""
    update = updater(clipped(players.generator_optimizer, config.generator_optimizer.clip_norm))
    if players.average is not None:
        return update, players.average.follower(players.generator)

    def nothing() -> None:
        pass

    return update, nothing
