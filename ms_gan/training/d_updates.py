"""One update of D: from real and fake images together, or from the real, then from the fake."""

from collections.abc import Callable

import mindspore as ms
from mindspore import Tensor, nn, ops

from ms_gan.config import Config
from ms_gan.objectives import LOSSES, PAIRED_LOSSES
from ms_gan.training.accumulation import in_parts
from ms_gan.training.augmentation import make_augment
from ms_gan.training.clipping import clipped
from ms_gan.training.conditions import choice_of, make_judge
from ms_gan.training.judgement import make_judgement
from ms_gan.training.players import Players

# (loss without the penalty, penalty, D's logits of the real images (N, 1), of the fakes (N, 1)): what a D step returns.
# They are read, and the numbers of the history made of them (`training.numbers`), only when they are logged.
DRecord = tuple[Tensor, Tensor, Tensor, Tensor]
# (real, fake, penalty noise, and what was drawn for the step) -> what a D step returns; updates D.
DUpdate = Callable[..., DRecord]
# Makes an optimizer's update from gradients: the optimizer itself, unless they are averaged over workers first.
Updater = Callable[[nn.Cell], Callable[[tuple[Tensor, ...]], object]]


def make_d_update(players: Players, config: Config, updater: Updater) -> DUpdate:
    """Return the update of D that the configuration asks for."""
    in_turn = config.updates.real_and_fake == "in_turn"
    return (_update_in_turn if in_turn else _update_together)(players, config, updater)


def _update_together(players: Players, config: Config, updater: Updater) -> DUpdate:
    critic, optimizer = players.discriminator, players.discriminator_optimizer
    update = updater(clipped(optimizer, config.discriminator_optimizer.clip_norm))
    objective, augment, choice_in = config.objective, make_augment(config.augmentation), choice_of(config)
    loss, judge = _loss_of_logits(objective.loss), make_judgement(critic, objective.penalty)
    penalised, weight, every = objective.penalty != "none", objective.penalty_weight, objective.penalty_every
    clip = _clipper(critic, objective.clip)

    def d_loss(real: Tensor, fake: Tensor, noise: Tensor, *choice: Tensor) -> tuple[Tensor, ...]:
        real_logits, fake_logits, penalty = judge(real, fake, noise, *choice)
        value = loss(real_logits, fake_logits)
        if not penalised:
            return value, value, penalty, real_logits, fake_logits
        extra = weight * penalty
        # The record has the penalty as it would be in every step.
        total = value + (extra if every == 1 else every * extra)
        return total, value, extra, real_logits, fake_logits

    differentiate = ms.value_and_grad(d_loss, None, optimizer.parameters, has_aux=True)
    differentiate = in_parts(differentiate, config.updates.accumulate)

    def update_d(real: Tensor, fake: Tensor, noise: Tensor, *drawn: Tensor) -> DRecord:
        # The penalty is of the images that D sees.
        (_, *record), gradients = differentiate(augment(real, *drawn), augment(fake, *drawn), noise, *choice_in(drawn))
        update(gradients)
        clip()
        return tuple(record)

    return update_d


def _loss_of_logits(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    """Return D's loss as a function of its logits of real and of fake images."""
    if name in PAIRED_LOSSES:
        return PAIRED_LOSSES[name].discriminator
    loss_of_real, loss_of_fake = LOSSES[name].real, LOSSES[name].fake

    def loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return loss_of_real(real_logits) + loss_of_fake(fake_logits)

    return loss


def _update_in_turn(players: Players, config: Config, updater: Updater) -> DUpdate:
    critic, optimizer, parts = players.discriminator, players.discriminator_optimizer, config.updates.accumulate
    update = updater(clipped(optimizer, config.discriminator_optimizer.clip_norm))
    real_loss, fake_loss = LOSSES[config.objective.loss].real, LOSSES[config.objective.loss].fake
    clip, nothing = _clipper(critic, config.objective.clip), Tensor(0.0, ms.float32)
    augment, choice_in, judge = make_augment(config.augmentation), choice_of(config), make_judge(critic)

    def loss_of_real(real: Tensor, *choice: Tensor) -> tuple[Tensor, Tensor]:
        logits = judge(real, *choice)
        return real_loss(logits), logits

    def loss_of_fake(fake: Tensor, *choice: Tensor) -> tuple[Tensor, Tensor]:
        logits = judge(fake, *choice)
        return fake_loss(logits), logits

    differentiate_real = ms.value_and_grad(loss_of_real, None, optimizer.parameters, has_aux=True)
    differentiate_fake = ms.value_and_grad(loss_of_fake, None, optimizer.parameters, has_aux=True)
    differentiate_real, differentiate_fake = in_parts(differentiate_real, parts), in_parts(differentiate_fake, parts)

    def update_d(real: Tensor, fake: Tensor, noise: Tensor, *drawn: Tensor) -> DRecord:
        (real_value, real_logits), gradients = differentiate_real(augment(real, *drawn), *choice_in(drawn))
        update(gradients)
        clip()
        (fake_value, fake_logits), gradients = differentiate_fake(augment(fake, *drawn), *choice_in(drawn))
        update(gradients)
        clip()
        # The source reports the mean of the two updates; no penalty goes with this order.
        return 0.5 * (real_value + fake_value), nothing, real_logits, fake_logits

    return update_d


def _clipper(critic: nn.Cell, bound: float | None) -> Callable[[], None]:
    """Return a function that clips the trainable weights; BatchNorm's moving statistics are left alone."""
    weights = tuple(critic.trainable_params()) if bound is not None else ()

    def clip() -> None:
        for weight in weights:
            ops.assign(weight, ops.clip_by_value(weight, -bound, bound))

    return clip
