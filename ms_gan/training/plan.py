"""When what is due: every cadence of a run, worked out from the configuration and the size of the data."""

from dataclasses import dataclass

from ms_gan.config import Config


@dataclass(frozen=True)
class Plan:
    """The cadences of a run, in steps."""

    config: Config
    steps_per_epoch: int
    """Steps in which the data are seen once (rounded, where several batches go into a step)."""

    @property
    def total_steps(self) -> int | None:
        """Length of the run in steps; None when it is given in minutes."""
        if self.config.epochs is not None:
            return self.config.epochs * self.steps_per_epoch
        return self.config.steps

    def done(self, step: int, seconds: float) -> bool:
        """Whether the run is complete."""
        if self.config.minutes is not None:
            return seconds >= 60 * self.config.minutes
        return step >= self.total_steps

    def epoch_of(self, step: int) -> int:
        """Return the epoch, from 0, that step `step` (from 1) belongs to."""
        return max(step - 1, 0) // self.steps_per_epoch

    def ends_epoch(self, step: int) -> bool:
        """Whether step `step` is the last of its epoch."""
        return step % self.steps_per_epoch == 0

    def record_due(self, step: int) -> bool:
        """Whether the numbers of step `step` are logged: every `log_every` steps, and where something is measured."""
        cadence = step % self.config.log_every == 0 or self.ends_epoch(step)
        return cadence or self.samples_due(step) or self.evaluation_due(step)

    def evaluation_due(self, step: int) -> bool:
        """Whether the cheap measures are taken after step `step`."""
        every = self.config.evaluation.every
        return every is not None and step % every == 0

    def samples_due(self, step: int) -> bool:
        """Whether the grid is drawn after step `step`."""
        return self._due(step, self.config.samples.every)

    def networks_due(self, step: int) -> bool:
        """Whether the networks are saved after step `step`."""
        return self._due(step, self.config.saving.networks_every)

    def state_due(self, step: int) -> bool:
        """Whether the state for resuming is saved after step `step`."""
        return self._due(step, self.config.saving.state_every)

    def _due(self, step: int, every: int | None) -> bool:
        return self.ends_epoch(step) if every is None else step % every == 0


def penalty_due(config: Config, index: int) -> bool:
    """Whether D step `index` (from 0, counted over the run) has the penalty."""
    return config.objective.penalty != "none" and (index + 1) % config.objective.penalty_every == 0


def updates_jointly(config: Config) -> bool:
    """Whether the last D step of a step and its G step are one, with the same images of G."""
    return config.latent.shared and config.updates.accumulate == 1


def make_plan(config: Config, batches_per_epoch: int) -> Plan:
    """Return the plan for data that give so many batches in an epoch."""
    batches_per_step = config.updates.d_steps if config.updates.fresh_batch else 1
    return Plan(config, max(1, round(batches_per_epoch / batches_per_step)))
