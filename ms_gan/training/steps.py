"""The D step and the G step: plain functions, jitted in graph mode, called as they are in PyNative."""

from collections.abc import Callable
from dataclasses import dataclass

import mindspore as ms
from mindspore import Tensor, nn, ops

from ms_gan.config import Config
from ms_gan.objectives import LOSSES, PENALTIES
from ms_gan.training.average import MovingAverage

# (loss without the penalty, penalty, D's logits of the real images (N, 1), of the fakes (N, 1)): what a D step returns.
# They are read, and the numbers of the history made of them (`training.numbers`), only when they are logged.
DRecord = tuple[Tensor, Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Players:
    """The two networks and their optimizers, and the average of G where the run has one."""

    generator: nn.Cell
    discriminator: nn.Cell
    generator_optimizer: nn.Cell
    discriminator_optimizer: nn.Cell
    average: MovingAverage | None = None

    def networks(self) -> dict[str, nn.Cell]:
        """Return the networks that are saved, by the names of their checkpoints."""
        found = {"Generator": self.generator, "Discriminator": self.discriminator}
        return found | ({"GeneratorEMA": self.average.network} if self.average else {})

    def drawing(self) -> nn.Cell:
        """Return the generator that pictures are drawn with."""
        return self.average.network if self.average else self.generator

    def cells(self) -> tuple[nn.Cell, ...]:
        """Return everything that holds parameters."""
        cells = (self.generator, self.discriminator, self.generator_optimizer, self.discriminator_optimizer)
        return (*cells, self.average) if self.average else cells


@dataclass(frozen=True)
class Steps:
    """One update of each player."""

    d_step: Callable[[Tensor, Tensor, Tensor], DRecord]
    """(real (N, C, H, W), latents (N, n), penalty noise) -> `DRecord`."""
    g_step: Callable[[Tensor], tuple[Tensor]]
    """(latents (N, n)) -> (G's loss,)."""
    joint_step: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, ...]]
    """d_step, then g_step with the same latents, whose images are made once -> both their results."""


# (real, fake, penalty noise) -> what a D step returns; updates D.
DUpdate = Callable[[Tensor, Tensor, Tensor], DRecord]
# Makes an optimizer's update from gradients: the optimizer itself, unless they are averaged over workers first.
Updater = Callable[[nn.Cell], Callable[[tuple[Tensor, ...]], object]]


def _itself(optimizer: nn.Cell) -> nn.Cell:
    return optimizer


def build_steps(players: Players, config: Config, compiled: bool, updater: Updater = _itself) -> Steps:
    """Make the steps of a run, undecorated, for graph mode (`compiled`) or PyNative."""
    in_turn = config.updates.real_and_fake == "in_turn"
    update_d = (_update_in_turn if in_turn else _update_together)(players, config, updater)
    joint = (_joint_step if compiled else _joint_step_in_pynative)(players, config, updater, update_d)
    return Steps(_d_step(players, update_d), _g_step(players, config, updater), joint)


def _update_together(players: Players, config: Config, updater: Updater) -> DUpdate:
    critic, optimizer = players.discriminator, players.discriminator_optimizer
    update = updater(optimizer)
    real_loss, fake_loss = LOSSES[config.objective.loss].real, LOSSES[config.objective.loss].fake
    penalty, weight = PENALTIES.get(config.objective.penalty), config.objective.penalty_weight
    clip, nothing = _clipper(critic, config.objective.clip), Tensor(0.0, ms.float32)

    def d_loss(real: Tensor, fake: Tensor, noise: Tensor) -> tuple[Tensor, ...]:
        real_logits, fake_logits = critic(real), critic(fake)
        value = real_loss(real_logits) + fake_loss(fake_logits)
        if penalty is None:
            return value, value, nothing, real_logits, fake_logits
        extra = weight * penalty(critic, real, fake, noise)
        return value + extra, value, extra, real_logits, fake_logits

    differentiate = ms.value_and_grad(d_loss, None, optimizer.parameters, has_aux=True)

    def update_d(real: Tensor, fake: Tensor, noise: Tensor) -> DRecord:
        (_, *record), gradients = differentiate(real, fake, noise)
        update(gradients)
        clip()
        return tuple(record)

    return update_d


def _update_in_turn(players: Players, config: Config, updater: Updater) -> DUpdate:
    critic, optimizer = players.discriminator, players.discriminator_optimizer
    update = updater(optimizer)
    real_loss, fake_loss = LOSSES[config.objective.loss].real, LOSSES[config.objective.loss].fake
    clip, nothing = _clipper(critic, config.objective.clip), Tensor(0.0, ms.float32)

    def loss_of_real(real: Tensor) -> tuple[Tensor, Tensor]:
        logits = critic(real)
        return real_loss(logits), logits

    def loss_of_fake(fake: Tensor) -> tuple[Tensor, Tensor]:
        logits = critic(fake)
        return fake_loss(logits), logits

    differentiate_real = ms.value_and_grad(loss_of_real, None, optimizer.parameters, has_aux=True)
    differentiate_fake = ms.value_and_grad(loss_of_fake, None, optimizer.parameters, has_aux=True)

    def update_d(real: Tensor, fake: Tensor, noise: Tensor) -> DRecord:
        (real_value, real_logits), gradients = differentiate_real(real)
        update(gradients)
        clip()
        (fake_value, fake_logits), gradients = differentiate_fake(fake)
        update(gradients)
        clip()
        # The source reports the mean of the two updates; no penalty goes with this order.
        return 0.5 * (real_value + fake_value), nothing, real_logits, fake_logits

    return update_d


def _d_step(players: Players, update_d: DUpdate) -> Callable[[Tensor, Tensor, Tensor], DRecord]:
    generator = players.generator

    def d_step(real: Tensor, latents: Tensor, noise: Tensor) -> DRecord:
        # G is not differentiated here.
        return update_d(real, ops.stop_gradient(generator(latents)), noise)

    return d_step


def _g_step(players: Players, config: Config, updater: Updater) -> Callable[[Tensor], tuple[Tensor]]:
    generator, critic, optimizer = players.generator, players.discriminator, players.generator_optimizer
    update, follow = updater(optimizer), _follower(players)
    generator_loss = LOSSES[config.objective.loss].generator

    def g_loss(latents: Tensor) -> Tensor:
        return generator_loss(critic(generator(latents)))

    differentiate = ms.value_and_grad(g_loss, None, optimizer.parameters)

    def g_step(latents: Tensor) -> tuple[Tensor]:
        value, gradients = differentiate(latents)
        update(gradients)
        follow()
        return (value,)

    return g_step


def _joint_step(
    players: Players, config: Config, updater: Updater, update_d: DUpdate
) -> Callable[[Tensor, Tensor, Tensor], tuple[Tensor, ...]]:
    generator, critic, optimizer = players.generator, players.discriminator, players.generator_optimizer
    update, follow = updater(optimizer), _follower(players)
    generator_loss = LOSSES[config.objective.loss].generator

    def g_loss(fake: Tensor) -> Tensor:
        return generator_loss(critic(fake))

    differentiate = ms.value_and_grad(g_loss)

    def joint_step(real: Tensor, latents: Tensor, noise: Tensor) -> tuple[Tensor, ...]:
        fake, pull_back = ms.vjp(generator, latents, weights=optimizer.parameters)
        fake = ops.stop_gradient(fake)
        record = update_d(real, fake, noise)
        value, gradient = differentiate(fake)
        update(pull_back(gradient)[1])
        follow()
        return (*record, value)

    return joint_step


def _joint_step_in_pynative(
    players: Players, config: Config, updater: Updater, update_d: DUpdate
) -> Callable[[Tensor, Tensor, Tensor], tuple[Tensor, ...]]:
    """Return the same step for PyNative, where vjp would run G twice (and does so in MindSpore 2.7)."""
    generator, critic, optimizer = players.generator, players.discriminator, players.generator_optimizer
    update, follow = updater(optimizer), _follower(players)
    generator_loss = LOSSES[config.objective.loss].generator

    def g_loss(real: Tensor, latents: Tensor, noise: Tensor) -> tuple[Tensor, ...]:
        fake = generator(latents)
        # D's update is a side effect in between: the loss below is that of the updated D.
        record = update_d(real, ops.stop_gradient(fake), noise)
        return generator_loss(critic(fake)), *record

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


def _clipper(critic: nn.Cell, bound: float | None) -> Callable[[], None]:
    """Return a function that clips the trainable weights; BatchNorm's moving statistics are left alone."""
    weights = tuple(critic.trainable_params()) if bound is not None else ()

    def clip() -> None:
        for weight in weights:
            ops.assign(weight, ops.clip_by_value(weight, -bound, bound))

    return clip
