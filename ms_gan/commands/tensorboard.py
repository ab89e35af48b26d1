"""The history and the grids of a run as TensorBoard event files, in RUN/tensorboard.

Event files are logs that only grow: unlike a run's other files they are never replaced as a whole, no state has a copy
of them, and a kill may tear the last event, which TensorBoard passes over. The run's lock holds for them. Every start
and every rollback begins a file. EventsWriter writes at once; the thread behind SummaryWriter dies on a full disk, and
the training would wait for it for ever.
"""

import contextlib
import time
from collections.abc import Iterable, Iterator
from typing import Any

from ms_gan.config import Config
from ms_gan.errors import UserError
from ms_gan.files import cannot_write
from ms_gan.runs.folder import RunFolder

_TAGS = {name: f"losses/{name}" for name in ("d_loss", "g_loss", "penalty", "distance", "margin")}
_TAGS |= {"d_real": "D/real", "d_fake": "D/fake", "d_accuracy": "D/accuracy"}
_TAGS |= {"d_lr": "learning_rate/D", "g_lr": "learning_rate/G"}
_TAGS |= {name: f"run/{name}" for name in ("epoch", "seconds", "rollbacks")}
_SYNC_SECONDS = 5.0  # a sync takes milliseconds, and TensorBoard does not look more often


def check_tensorboard(config: Config) -> None:
    """Raise UserError where event files are wanted and the library that writes them is not installed."""
    if config.tensorboard:
        try:
            import tensorboardX  # noqa: F401
        except ImportError:
            fix = "pip install -r requirements-tensorboard.txt"
            raise UserError(f"--tensorboard: tensorboardX is not installed: {fix}") from None


class Board:
    """Writes the event files of a run; does nothing where its configuration does not want them."""

    def __init__(self, run: RunFolder, config: Config):
        self._run, self._wanted, self._writer = run, config.tensorboard, None
        # A Wasserstein critic's scores have no zero, so its accuracy would mean nothing.
        self._left_out = {"step", "d_accuracy"} if config.objective.kind == "wasserstein" else {"step"}

    def go_on(self, step: int, history: Iterable[dict[str, float]]) -> None:
        """Begin a file that purges all from `step` on (0 in the first file), and add what the run still has of that."""
        if not self._wanted:
            return
        self.close()
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto import event_pb2

        self._events, folder = event_pb2, self._run.tensorboard
        with self._writing():
            folder.mkdir(exist_ok=True)
            # Numbered, because a second start within the same second would take the first one's name.
            number = len(list(folder.iterdir()))
            self._writer, self._synced = EventsWriter(str(folder / "events"), f".{number:04d}"), time.monotonic()
        since = step if number else 0
        # What purge_step of SummaryWriter writes.
        self._write(since, session_log={"status": event_pb2.SessionLog.START})
        for record in history:
            if record["step"] >= since:
                self.record(record)
        for drawn in self._run.grid_pictures():
            if drawn >= since:
                self.picture(drawn)

    def record(self, record: dict[str, float]) -> None:
        """Write the numbers of a record as scalars."""
        shown = {name: value for name, value in record.items() if name not in self._left_out}
        numbers = {_TAGS.get(name, f"measures/{name}"): value for name, value in shown.items()}
        self._write(record["step"], summary={"value": [{"tag": t, "simple_value": v} for t, v in numbers.items()]})

    def picture(self, step: int) -> None:
        """Write the grid that was drawn after `step` steps, byte for byte."""
        if self._writer is not None:
            png = self._run.grid_picture(step).read_bytes()
            width, height = (int.from_bytes(png[place : place + 4], "big") for place in (16, 20))
            image = {"width": width, "height": height, "encoded_image_string": png}
            self._write(step, summary={"value": [{"tag": "grid", "image": image}]})

    def sync(self) -> None:
        """Make sure that all events so far are on the disk."""
        if self._writer is not None:
            with self._writing():
                self._writer.flush()
            self._synced = time.monotonic()

    def close(self) -> None:
        """End the file."""
        if self._writer is not None:
            with self._writing():
                self._writer.close()
            self._writer = None

    def _write(self, step: int, **content: Any) -> None:
        if self._writer is not None:
            with self._writing():
                self._writer.write_event(self._events.Event(step=step, wall_time=time.time(), **content))
            if time.monotonic() - self._synced > _SYNC_SECONDS:
                self.sync()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(cannot_write(self._run.tensorboard, error)) from error
