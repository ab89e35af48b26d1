"""`ms-gan train` with a clock in it: started by `benchmarks/end_to_end.py` as a process of its own.

Public functions that the command goes through are wrapped; what it does is unchanged. One that is gone ends this with
an AttributeError that names it.
"""

import functools
import json
import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ms_gan.files import write_atomically

# Where the loop gets its input from; Tensor copies it to the device.
_INPUTS = ("d_latents", "g_latents", "penalty_noise", "draw_augmentation", "Tensor")


class Clock:
    """Moments of a run, in seconds since the process was started, and the time that input took."""

    def __init__(self, started: float):
        self.started = started
        self.moments: dict[str, float] = {}
        self.input_seconds = 0.0
        self.steps = 0

    def mark(self, moment: str) -> None:
        """Note the first time that a moment comes."""
        self.moments.setdefault(moment, time.monotonic() - self.started)

    def marking(self, module: ModuleType, name: str, moment: str) -> None:
        """Mark a moment whenever a function has returned."""
        function = getattr(module, name)

        @functools.wraps(function)
        def wrapper(*arguments: Any, **options: Any) -> Any:
            result = function(*arguments, **options)
            self.mark(moment)
            return result

        setattr(module, name, wrapper)

    def summing(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function whose time is added to that of the input."""

        def wrapper(*arguments: Any, **options: Any) -> Any:
            began = time.perf_counter()
            result = function(*arguments, **options)
            self.input_seconds += time.perf_counter() - began
            return result

        return wrapper


def watch(clock: Clock) -> None:
    """Put the clock into what needs no MindSpore; the rest follows when MindSpore is there."""
    from ms_gan.commands import preparing, train

    prepare, activate = train.prepare, preparing.activate

    def timed_prepare(*arguments: Any) -> Any:
        clock.mark("python and ms_gan")
        return prepare(*arguments)

    def timed_activate(*arguments: Any) -> None:
        activate(*arguments)
        clock.mark("mindspore")
        _watch_loop(clock)

    train.prepare, preparing.activate = timed_prepare, timed_activate
    clock.marking(preparing, "choose_device", "device")
    clock.marking(preparing, "configured_images", "data")
    clock.marking(train, "build", "networks")


def _watch_loop(clock: Clock) -> None:
    from ms_gan.commands import running
    from ms_gan.training import loop

    run_loop = running.run_loop

    def timed_loop(config: Any, plan: Any, stream: Any, steps: Any, position: Any, listener: Any, *rest: Any) -> None:
        clock.mark("folder and checks")
        on_step = listener.on_step

        def timed_on_step(position: Any) -> None:
            if not clock.steps:
                clock.mark("first step")
                # Its input waits for what is made once: a permutation, a first copy.
                clock.input_seconds = 0.0
            clock.steps += 1
            on_step(position)

        stream.batch, listener.on_step = clock.summing(stream.batch), timed_on_step
        run_loop(config, plan, stream, steps, position, listener, *rest)
        clock.mark("steps")

    running.run_loop = timed_loop
    for name in _INPUTS:
        setattr(loop, name, clock.summing(getattr(loop, name)))


def main(started: str, out: str, *words: str) -> int:
    """Run the command with `words`, then write what the clock says to the file `out`."""
    clock = Clock(float(started))
    # Like the command, this imports MindSpore only after the device is chosen.
    from ms_gan.cli import main as run_command

    watch(clock)
    status = run_command(words)
    clock.mark("curves and GIF")
    written = {"moments": clock.moments, "input_seconds": clock.input_seconds, "steps": clock.steps}
    write_atomically(out, json.dumps(written) + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
