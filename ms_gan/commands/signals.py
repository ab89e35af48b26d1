"""SIGINT and SIGTERM during a training."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ms_gan.errors import Interrupted
from ms_gan.runs.folder import RunFolder


@dataclass
class Phase:
    """How far a command has come when a signal ends it."""

    run: RunFolder | None = None
    """The run, once it can be resumed."""

    def words(self) -> str:
        """Return the line that says what is lost and how to go on."""
        from ms_gan.commands.telling import resume_hint

        if self.run is None:
            return "stopped before the first step; there is nothing to resume yet, start again"
        return (
            f"stopped; the run goes on from its last saved state, nothing before that is lost. {resume_hint(self.run)}"
        )


class _Terminated(BaseException):
    """SIGTERM, as an exception that no library takes for an error."""


@contextmanager
def ending_signals() -> Iterator[Phase]:
    """Let SIGINT and SIGTERM end the block with :class:`Interrupted`; its words depend on the phase.

    For everything beside the steps themselves: loading data, compiling the check of the penalty, drawing. What is
    written there is written beside and renamed, so it may end at any instant.
    """
    phase = Phase()
    main = threading.current_thread() is threading.main_thread()

    def terminate(_number: int, _frame: object) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, terminate) if main else None
    try:
        yield phase
    except KeyboardInterrupt:
        raise Interrupted(phase.words(), signal.SIGINT) from None
    except _Terminated:
        raise Interrupted(phase.words(), signal.SIGTERM) from None
    finally:
        if main:
            signal.signal(signal.SIGTERM, before)


@contextmanager
def noted_signals() -> Iterator[list[int]]:
    """Turn SIGINT and SIGTERM into a note, so that the step that runs is finished and saved.

    A second SIGINT interrupts at once. Signals can only be caught in the main thread.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def note(number: int, _frame: object) -> None:
        if received and number == signal.SIGINT:
            raise KeyboardInterrupt
        received.append(number)
        # Not sys.stderr, which may be in the middle of a line of the progress bar.
        os.write(2, b"\nstopping after this step and saving; once more to stop at once\n")

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
