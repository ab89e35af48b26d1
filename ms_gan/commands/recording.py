"""The listener of a training run: its console, history, pictures and checkpoints."""

import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from tqdm import tqdm

from ms_gan.commands.best import BestKeeper
from ms_gan.commands.console import duration
from ms_gan.commands.finite import NotFinite, first_not_finite
from ms_gan.commands.job import Job
from ms_gan.commands.lines import describe_briefly, describe_record
from ms_gan.commands.measures import Measures
from ms_gan.commands.notes import note_events
from ms_gan.commands.tensorboard import Board
from ms_gan.config import to_mapping
from ms_gan.pictures.grid import save_grid
from ms_gan.runs.checkpoints import save_network
from ms_gan.runs.history import append_record, read_history, sync_history
from ms_gan.runs.state import save_state
from ms_gan.training.loop import Position
from ms_gan.training.optimizers import rate_at
from ms_gan.training.plan import penalty_due
from ms_gan.training.watch import CollapseWatch

# A look at all parameters takes some milliseconds, as much as a twentieth of a small step.
_LOOK_EVERY = 10


class Recorder:
    """Keeps and shows what a run does; see :class:`ms_gan.training.Listener`.

    Parameters
    ----------
    job : Job
        The run.
    position : Position
        Where it begins or goes on.
    best : dict or None
        What was noted of the best networks up to there.
    """

    def __init__(self, job: Job, position: Position, best: dict | None):
        self._job, self._config, self._plan, self._run = job, job.config, job.plan, job.run
        self._players, self._console = job.players, job.console
        self._board = Board(job.run, job.config)
        self._measures = Measures(job.config, job.images, job.players.drawing())
        self._bar = (
            tqdm(total=job.plan.total_steps, unit="step", dynamic_ncols=True, smoothing=0.05)
            if sys.stderr.isatty()
            else None
        )
        self._first_step = position.step + 1
        self.seconds: dict[str, float] = defaultdict(float)
        """Seconds spent on pictures, saving and logging."""
        self.ms_per_step: list[float] = []
        """Milliseconds per step between two records, the first step (compiling) left out."""
        self.go_on(position, best)

    def go_on(self, position: Position, best: dict | None) -> None:
        """Take `position`, up to which the history goes, for where the run is."""
        self._window = (position.step, time.perf_counter())
        self._checked = -1
        self._best = BestKeeper(self._run, self._players, self._config.saving.best, best)
        self._watch = CollapseWatch(accuracy=self._config.objective.kind != "wasserstein")
        history = read_history(self._run.history_file) if self._run.history_file.exists() else []
        for record in history:
            self._watch.see(record)
        self._board.go_on(position.step, history)
        if self._bar is not None:
            self._bar.reset(self._plan.total_steps)
            # Steps that were done before tell nothing of the pace.
            self._bar.initial = self._bar.n = self._bar.last_print_n = position.step
            self._bar.refresh()

    def on_step(self, position: Position) -> None:
        """Move the bar."""
        if position.step == self._first_step and not self.seconds["first step"]:
            # The first step compiles; it would spoil the rate.
            self.seconds["first step"] = time.perf_counter() - self._window[1]
            self._window = (position.step, time.perf_counter())
        if self._bar is not None:
            self._bar.update(position.step - self._bar.n)

    def on_record(self, position: Position, numbers: dict[str, float]) -> None:
        """Write the record to the history and show it; warn of what looks wrong, and end where nothing is right."""
        bad = self._not_finite(position, numbers)
        measured = {} if bad else self._measure(position.step)
        with self._timed("logging"):
            record = self._record(position, numbers, measured)
            append_record(self._run.history_file, record)
            self._board.record(record)
            self._show(record)
            for notice in (notices := self._watch.see(record)):
                self._console.line(f"Warning: {notice.text}")
            if notices:
                note_events(self._job, position)
        if bad := bad or next((name for name, value in measured.items() if value != value), None):
            raise NotFinite(position.step, bad)
        with self._timed("saving"):
            line = self._best.see(record)
        if line:
            (self._console.line if self._bar is None else self._console.note)(line)

    def on_samples(self, position: Position) -> None:
        """Draw the grid from the fixed latents."""
        with self._timed("pictures"):
            images = self._measures.grid(position.step)
            path = self._run.grid_picture(position.step)
            save_grid(path, images, self._config.samples.rows, self._config.samples.columns)
            self._board.picture(position.step)

    def on_networks(self, position: Position) -> None:
        """Save G, D and any average of G, each alone."""
        self._check(position)
        with self._timed("saving"):
            epoch = self._plan.epoch_of(position.step) if self._plan.ends_epoch(position.step) else None
            networks = self._players.networks()
            files = self._run.network_files(position.step, epoch, networks)
            for path, network in zip(files, networks.values(), strict=True):
                save_network(path, network)
            self._run.note_networks(position.step, files, self._config.saving.networks_keep)

    def on_state(self, position: Position) -> None:
        """Save all that resuming needs."""
        self._check(position)
        with self._timed("saving"):
            sync_history(self._run.history_file)
            self._board.sync()
            keep_state(self._job, position, self._best.note)

    def close(self) -> None:
        """Take the bar away, and end the event file."""
        if self._bar is not None:
            self._bar.close()
        self._board.close()

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

    def _check(self, position: Position) -> None:
        """Raise NotFinite where a parameter is not finite."""
        if bad := self._not_finite(position, {}):
            raise NotFinite(position.step, bad)

    def _not_finite(self, position: Position, numbers: dict[str, float]) -> str | None:
        """Return what is NaN or infinite; parameters are looked at before anything is saved, else every 10 steps."""
        if position.step == self._checked:
            return None
        # By the step alone, so that a resumed run looks when an uninterrupted one does.
        since = position.step - self._config.log_every
        whole = not numbers or position.step // _LOOK_EVERY > since // _LOOK_EVERY
        self._checked = position.step if whole else self._checked
        with self._timed("checks"):
            return first_not_finite(numbers, self._players if whole else None)

    def _measure(self, step: int) -> dict[str, float]:
        """Return what is measured on pictures after step `step`, only where the cadences say so."""
        measured: dict[str, float] = {}
        if self._plan.samples_due(step):
            with self._timed("pictures"):
                measured |= self._measures.diversity(step)
        if self._plan.evaluation_due(step):
            with self._timed("evaluation"):
                measured |= self._measures.evaluate()
        return measured

    def _record(self, position: Position, numbers: dict[str, float], measured: dict[str, float]) -> dict[str, float]:
        record = {"step": position.step, "epoch": self._plan.epoch_of(position.step), **numbers}
        if not penalty_due(self._config, position.step * self._config.updates.d_steps - 1):
            del record["penalty"]
        if self._config.objective.kind == "wasserstein":
            record["distance"] = numbers["d_real"] - numbers["d_fake"]
        if self._config.objective.kind == "pairs":
            record["margin"] = numbers["d_real"] - numbers["d_fake"]
        for role in ("generator", "discriminator"):
            section = getattr(self._config, f"{role}_optimizer")
            record[f"{role[0]}_lr"] = rate_at(section, position.step - 1, 1)
        record |= measured
        if position.rollbacks:
            record["rollbacks"] = position.rollbacks
        record["seconds"] = round(position.seconds, 3)
        return record

    def _show(self, record: dict[str, float]) -> None:
        text, brief = describe_record(self._config, self._plan, record), describe_briefly(record)
        if rate := self._rate(record["step"]):
            images = f"{1000 * self._config.batch_size * self._config.updates.d_steps / rate:6,.0f} images/s"
            text += f"  {rate:6.1f} ms/step  {images}  left {self._left(record)}"
            brief += f" {images.lstrip()}"
        if self._bar is None:
            self._console.line(text)
        else:
            self._bar.set_description_str(f"epoch {record['epoch']}", refresh=False)
            self._bar.set_postfix_str(brief)
            (self._console.line if self._plan.ends_epoch(record["step"]) else self._console.note)(text)

    def _rate(self, step: int) -> float | None:
        """Return the milliseconds per step since the last record; None at the first step, which compiles."""
        (before, began), now = self._window, time.perf_counter()
        self._window = (step, now)
        if step <= before:
            return None
        self.ms_per_step.append(max(1000 * (now - began) / (step - before), 1e-9))
        return self.ms_per_step[-1]

    def _left(self, record: dict[str, float]) -> str:
        if self._plan.total_steps is None:
            return duration(max(0.0, 60 * self._config.minutes - record["seconds"]))
        typical = float(np.median(self.ms_per_step[-50:]))
        return duration((self._plan.total_steps - record["step"]) * typical / 1000)


def keep_state(job: Job, position: Position, best: dict | None) -> None:
    """Save a state with copies of what else of the run can be lost: history, configuration, best networks."""
    run = job.run
    about = {
        "due": position.step == 0 or job.plan.state_due(position.step),
        "recorded": job.plan.record_due(position.step),
        "best": best,
        "config": to_mapping(job.config),
        "data": job.images.sha256,
        "steps_per_epoch": job.plan.steps_per_epoch,
    }
    files = [run.history_file] if run.history_file.exists() else []
    kept = [run.checkpoints / name for name in best["files"]] if best else []
    save_state(run.checkpoints, job.players, position, about, [*files, *kept])
