"""The listener of a training run: its console, history, pictures and checkpoints."""

import math
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn
from tqdm import tqdm

from ms_gan.commands.console import Console, duration
from ms_gan.config import Config
from ms_gan.data.stream import fixed_latents
from ms_gan.errors import TrainingDiverged
from ms_gan.objectives import LOSSES
from ms_gan.pictures.grid import save_grid
from ms_gan.runs.checkpoints import save_network
from ms_gan.runs.folder import RunFolder
from ms_gan.runs.history import append_record, sync_history
from ms_gan.runs.state import save_state
from ms_gan.training.loop import Position
from ms_gan.training.optimizers import learning_rate
from ms_gan.training.plan import Plan
from ms_gan.training.steps import Players


def draw_images(generator: nn.Cell, latents: np.ndarray, *, batch_statistics: bool = False) -> np.ndarray:
    """Let a generator draw, in batches.

    Parameters
    ----------
    generator : nn.Cell
        The generator.
    latents : array, float32 (N, n)
        One latent vector per image.
    batch_statistics : bool
        Normalise by the statistics of all N images at once, as in training, rather than by the moving ones.

    Returns
    -------
    array, float32 (N, C, S, S), in [-1, 1]
    """
    # Copies: asnumpy shares the parameter's memory.
    moving = [parameter.asnumpy().copy() for parameter in _statistics(generator)] if batch_statistics else []
    generator.set_train(batch_statistics)
    size = len(latents) if batch_statistics else 256
    try:
        parts = [generator(Tensor(latents[i : i + size])).asnumpy() for i in range(0, len(latents), size)]
    finally:
        generator.set_train()
        for parameter, value in zip(_statistics(generator) if moving else (), moving, strict=True):
            parameter.set_data(Tensor(value))
    return np.concatenate(parts)


def _statistics(network: nn.Cell) -> list[ms.Parameter]:
    """Return what batch normalisation moves along."""
    return [parameter for parameter in network.get_parameters() if not parameter.requires_grad]


class Recorder:
    """Keeps and shows what a run does; see :class:`ms_gan.training.Listener`."""

    def __init__(self, config: Config, plan: Plan, run: RunFolder, players: Players, console: Console, start: Position):
        self._config, self._plan, self._run, self._players = config, plan, run, players
        self._console = console
        self._latents = fixed_latents(
            config.samples.seed, config.samples.rows * config.samples.columns, config.latent.size
        )
        self._window = (start.step, time.perf_counter())
        self._first_step = start.step + 1
        self._bar = (
            tqdm(total=plan.total_steps, initial=start.step, unit="step", dynamic_ncols=True, smoothing=0.05)
            if sys.stderr.isatty()
            else None
        )
        self.seconds: dict[str, float] = defaultdict(float)
        """Seconds spent on pictures, saving and logging."""
        self.ms_per_step: list[float] = []
        """Milliseconds per step between two records, the first step (compiling) left out."""

    def on_step(self, position: Position) -> None:
        """Move the bar."""
        if position.step == self._first_step:
            # The first step compiles; it would spoil the rate.
            self.seconds["first step"] = time.perf_counter() - self._window[1]
            self._window = (position.step, time.perf_counter())
        if self._bar is not None:
            self._bar.update(position.step - self._bar.n)

    def on_record(self, position: Position, numbers: dict[str, float]) -> None:
        """Write the record to the history and show it."""
        with self._timed("logging"):
            record = self._record(position, numbers)
            append_record(self._run.history_file, record)
            self._show(record)
        if not all(math.isfinite(value) for value in numbers.values()):
            raise TrainingDiverged(
                f"step {position.step}: {_first_bad(numbers)} is not finite, the training has diverged; "
                f"states before it are in {self._run.checkpoints}. Try a smaller learning rate, "
                "for example --set discriminator_optimizer.lr=5e-5"
            )

    def on_samples(self, position: Position) -> None:
        """Draw the grid from the fixed latents."""
        with self._timed("pictures"):
            images = draw_images(self._players.generator, self._latents)
            path = self._run.grid_picture(position.step)
            save_grid(path, images, self._config.samples.rows, self._config.samples.columns)

    def on_networks(self, position: Position) -> None:
        """Save G and D, each alone."""
        with self._timed("saving"):
            epoch = self._plan.epoch_of(position.step) if self._plan.ends_epoch(position.step) else None
            files = self._run.network_files(position.step, epoch)
            save_network(files[0], self._players.generator)
            save_network(files[1], self._players.discriminator)
            self._run.note_networks(position.step, files, self._config.saving.networks_keep)

    def on_state(self, position: Position) -> None:
        """Save all that resuming needs."""
        with self._timed("saving"):
            sync_history(self._run.history_file)
            save_state(self._run.checkpoints, self._players, position)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()

    @contextmanager
    def _timed(self, share: str) -> Iterator[None]:
        """Add the seconds of a block to one of the shares."""
        began = time.perf_counter()
        yield
        spent = time.perf_counter() - began
        self.seconds[share] += spent
        if share != "logging":
            # ms/step is of training alone.
            self._window = (self._window[0], self._window[1] + spent)

    def _record(self, position: Position, numbers: dict[str, float]) -> dict[str, float]:
        record = {"step": position.step, "epoch": self._plan.epoch_of(position.step), **numbers}
        if self._config.objective.penalty == "none":
            del record["penalty"]
        if self._config.objective.loss == "wasserstein":
            record["distance"] = numbers["d_real"] - numbers["d_fake"]
        for role in ("generator", "discriminator"):
            section = getattr(self._config, f"{role}_optimizer")
            progress = min(1.0, (position.step - 1) / (section.lr_steps or 1))
            record[f"{role[0]}_lr"] = learning_rate(section, progress)
        record["seconds"] = round(position.seconds, 3)
        return record

    def _show(self, record: dict[str, float]) -> None:
        text = describe_record(self._config, self._plan, record) + self._pace(record)
        if self._bar is None:
            self._console.line(text)
        else:
            self._bar.set_description_str(f"epoch {record['epoch']}", refresh=False)
            self._bar.set_postfix_str(
                f"loss_d {record['d_loss']:.3f} loss_g {record['g_loss']:.3f} "
                f"D(real) {record['d_real']:.2f} D(fake) {record['d_fake']:.2f}"
            )
            (self._console.line if self._plan.ends_epoch(record["step"]) else self._console.note)(text)

    def _pace(self, record: dict[str, float]) -> str:
        """Return speed and time left as text; nothing at the first step, which compiles."""
        (before, began), now = self._window, time.perf_counter()
        self._window = (record["step"], now)
        if record["step"] <= before:
            return ""
        rate = 1000 * (now - began) / (record["step"] - before)
        self.ms_per_step.append(rate)
        images = 1000 * self._config.batch_size * self._config.updates.d_steps / max(rate, 1e-9)
        return f"  {rate:6.1f} ms/step  {images:6,.0f} images/s  left {self._left(record, rate)}"

    def _left(self, record: dict[str, float], rate: float) -> str:
        if self._plan.total_steps is None:
            return duration(max(0.0, 60 * self._config.minutes - record["seconds"]))
        typical = float(np.median(self.ms_per_step[-50:])) if self.ms_per_step else rate
        return duration((self._plan.total_steps - record["step"]) * typical / 1000)


def describe_record(config: Config, plan: Plan, record: dict[str, float]) -> str:
    """Return the numbers of a record as one aligned piece of text."""
    total = plan.total_steps
    width = len(str(total)) if total else 6
    parts = [
        f"epoch {record['epoch']:3d}",
        f"step {record['step']:{width}d}" + (f"/{total}" if total else ""),
        f"loss_d {record['d_loss']:7.4f}",
        f"loss_g {record['g_loss']:7.4f}",
    ]
    if "distance" in record:
        parts.append(f"distance {record['distance']:8.4f}")
    else:
        parts.append(f"D(real) {record['d_real']:.3f}")
        parts.append(f"D(fake) {record['d_fake']:.3f}")
    if config.updates.real_and_fake == "in_turn":
        parts.append(f"accuracy {100 * record['d_accuracy']:5.1f} %")
    if "penalty" in record:
        parts.append(f"penalty {record['penalty']:7.4f}")
    return "  ".join(parts)


def reading_of(config: Config) -> str:
    """Return the line that tells what the numbers mean."""
    return config.reading or LOSSES[config.objective.loss].reading


def _first_bad(numbers: dict[str, float]) -> str:
    return next(name for name, value in numbers.items() if not math.isfinite(value))
