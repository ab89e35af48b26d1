"""The training loop, on one screen; what is done with its numbers is the listener's business."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mindspore import Tensor

from ms_gan.config import Config
from ms_gan.data.augmenting import draw_augmentation
from ms_gan.data.classes import asking
from ms_gan.data.stream import BatchStream, d_latents, g_latents, penalty_noise
from ms_gan.objectives import noise_shape
from ms_gan.training.conditions import choice_for
from ms_gan.training.numbers import d_numbers, g_numbers
from ms_gan.training.parallel import Alone
from ms_gan.training.plan import Plan, updates_jointly
from ms_gan.training.steps import Steps, is_paired

_ALONE = Alone()


@dataclass
class Position:
    """Where a run is: what, with the configuration and the parameters, is all that resuming needs."""

    step: int = 0
    """Steps done."""
    seconds: float = 0.0
    """Seconds spent in the loop so far, over all its starts."""
    rollbacks: int = 0
    """How often the run went back to an earlier state; the order of the data follows from it."""


class Listener(Protocol):
    """What happens beside the training; each is called after `position.step` steps, when the plan says so."""

    def on_step(self, position: Position) -> None:
        """After every step; must be quick."""

    def on_record(self, position: Position, numbers: dict[str, float]) -> None:
        """Log `numbers`."""

    def on_samples(self, position: Position) -> None:
        """Draw the grid."""

    def on_networks(self, position: Position) -> None:
        """Save the networks."""

    def on_state(self, position: Position) -> None:
        """Save everything that resuming needs."""


def run_loop(
    config: Config,
    plan: Plan,
    stream: BatchStream,
    steps: Steps,
    position: Position,
    listener: Listener,
    interrupted: Callable[[], bool],
    worker: Alone = _ALONE,
) -> None:
    """Train from `position` (which is moved along) until the plan is done or `interrupted()` is true."""
    rows = worker.rows(config.batch_size)
    stream = stream.part(rows)
    began = time.perf_counter() - position.seconds
    while not plan.done(position.step, position.seconds) and not interrupted():
        record = _one_step(config, stream, steps, position.step, rows)
        position.step += 1
        position.seconds = worker.seconds(position.step, time.perf_counter() - began)
        last = plan.done(position.step, position.seconds)
        listener.on_step(position)
        if last or plan.record_due(position.step):
            listener.on_record(position, _read(config, record, worker))
        if last or plan.samples_due(position.step):
            listener.on_samples(position)
        if last or plan.networks_due(position.step):
            listener.on_networks(position)
        if last or plan.state_due(position.step) or interrupted():
            listener.on_state(position)


def _one_step(config: Config, stream: BatchStream, steps: Steps, step: int, rows: slice) -> tuple[Tensor, ...]:
    """Do the D steps of one step and its G step; return what the last D step and the G step return."""
    last = (step + 1) * config.updates.d_steps - 1
    for index in range(step * config.updates.d_steps, last):
        steps.at(config, index).d_step(*d_inputs(config, stream, step, index, rows))
    inputs = d_inputs(config, stream, step, last, rows)
    if updates_jointly(config):
        return steps.at(config, last).joint_step(*inputs)
    return *steps.at(config, last).d_step(*inputs), *steps.g_step(*g_inputs(config, stream, step, inputs, rows))


def d_inputs(config: Config, stream: BatchStream, step: int, index: int, rows: slice) -> tuple[Tensor, ...]:
    """Return the `rows` of what D step `index`, in step `step` of the run, takes; see `Steps.d_step`."""
    of_batch = index if config.updates.fresh_batch else step
    batch, count = stream.batch(of_batch), config.batch_size
    latents = d_latents(config.seed, index, count, config.latent.size)
    noise = penalty_noise(config.seed, index, noise_shape(config.objective.penalty, (count, *batch.shape[1:])))
    drawn = draw_augmentation(config.augmentation, config.augmentation_share, config.seed, index, count, batch.shape[2])
    if config.conditional:
        numbers, classes = stream.classes(of_batch), len(config.class_names)
        latents = asking(latents, numbers, classes)
        drawn += (choice_for(numbers, classes),)
    return Tensor(batch), Tensor(latents[rows]), Tensor(noise[rows]), *(Tensor(array[rows]) for array in drawn)


def g_inputs(
    config: Config, stream: BatchStream, step: int, of_d: tuple[Tensor, ...], rows: slice
) -> tuple[Tensor, ...]:
    """Return the `rows` of what the G step of step `step` takes after a D step that took `of_d`; see `Steps.g_step`."""
    real, latents, _, *drawn = of_d
    if not config.latent.shared:
        fresh = g_latents(config.seed, step, config.batch_size, config.latent.size)
        if config.conditional:
            last = (step + 1) * config.updates.d_steps - 1
            fresh = asking(fresh, stream.classes(last if config.updates.fresh_batch else step), len(config.class_names))
        latents = Tensor(fresh[rows])
    return latents, *((real,) if is_paired(config) else ()), *drawn


def _read(config: Config, record: tuple[Tensor, ...], worker: Alone) -> dict[str, float]:
    """Fetch the numbers from the device; this waits for it, so it is done for the log only."""
    numbers = d_numbers(config.objective.loss, record[:-1]) | g_numbers(record[-1:])
    return dict(zip(numbers, worker.average(list(numbers.values())), strict=True))
