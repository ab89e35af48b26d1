"""SIGINT and SIGTERM during a training."""

import _thread
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from ms_gan.commands.hints import resume_hint
from ms_gan.errors import Interrupted
from ms_gan.runs.folder import RunFolder

# Seconds: `timeout` and launchers send SIGTERM to a process and to its group, which is once, not "once more".
_ONE_SIGNAL = 1.0


@dataclass
class Phase:
    """How far a command has come when a signal ends it."""

    run: RunFolder | None = None
    """The run, once it can be resumed."""

    def words(self) -> str:
        """Return the line that says what is lost and how to go on."""
        if self.run is None:
            return "stopped before the first step; there is nothing to resume yet, start again"
        return (
            f"stopped; the run goes on from its last saved state, nothing before that is lost. {resume_hint(self.run)}"
        )


class _Ended(BaseException):
    """SIGINT or SIGTERM, as an exception that no library takes for an error."""


@contextmanager
def ending_signals() -> Iterator[Phase]:
    """Let SIGINT and SIGTERM end the block with :class:`Interrupted`; its words depend on the phase.

    For everything beside the steps themselves: loading data, compiling the check of the penalty, drawing. What is
    written there is written beside and renamed, so it may end at any instant.
    """
    phase = Phase()
    received: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if not _importing(frame):
            raise _Ended
        # C code that is imported (OpenCV, matplotlib) prints the exception and makes another error of it.
        again = threading.Timer(0.05, _thread.interrupt_main, (number,))
        again.daemon = True
        again.start()

    with _handling(end):
        try:
            yield phase
        except (KeyboardInterrupt, _Ended) as ended:
            raise Interrupted(phase.words(), next(iter((*received, *ended.args)), signal.SIGINT)) from None
        except Exception as error:
            # A library that is interrupted may report an error of its own instead.
            if not received or isinstance(error, Interrupted):
                raise
            raise Interrupted(phase.words(), received[0]) from error


@contextmanager
def noted_signals() -> Iterator[list[int]]:
    """Turn SIGINT and SIGTERM into a note, so that the step that runs is finished and saved.

    A second one interrupts at once: a KeyboardInterrupt with its number. Signals can only be caught in the main thread.
    """
    received: list[int] = []
    noted = 0.0

    def note(number: int, _frame: FrameType | None) -> None:
        nonlocal noted
        if received and number == signal.SIGTERM and time.monotonic() < noted + _ONE_SIGNAL:
            return
        if received:
            raise KeyboardInterrupt(number)
        received.append(number)
        noted = time.monotonic()
        # Not sys.stderr, which may be in the middle of a line of the progress bar.
        os.write(2, b"\nstopping after this step and saving; once more to stop at once\n")

    with _handling(note):
        yield received


def _importing(frame: FrameType | None) -> bool:
    """Tell whether a module is being imported in `frame` or in one that called it."""
    while frame is not None and frame.f_code.co_filename != "<frozen importlib._bootstrap>":
        frame = frame.f_back
    return frame is not None


@contextmanager
def _handling(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Handle SIGINT and SIGTERM with `handler`; outside the main thread, which alone can, do nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
