"""One side of a benchmark: a process that lives as long as the benchmark and measures when it is told to.

It reads requests from its standard input and answers on its standard output, one line of JSON each. In between it
sleeps. What libraries print goes to standard error.
"""

import dataclasses
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

from ms_gan.config import Config, load_config
from ms_gan.errors import UserError

_BLOCK_SECONDS = 0.1


class Worker(Protocol):
    """Does the steps of a run, always going on with the next one."""

    parameters: tuple[int, int]
    """Trainable parameters of G and D: both sides must have as many."""
    threads: int
    """Threads that compute."""

    def run(self, steps: int) -> None:
        """Do so many steps, then read the losses, which waits for the end of all work."""


class _Deaf:
    """A listener of the training loop that does nothing, whatever happens."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments: None


class MsGan:
    """ms_gan's own loop, steps and settings, as `ms-gan train` has them, without anything beside the training."""

    def __init__(self, config: Config):
        from ms_gan.commands.ready import make_ready

        self.ready = make_ready(config, device="cpu", announce=_aside)
        from ms_gan.training.loop import Position

        self.position = Position()
        players = self.ready.players
        self.parameters = tuple(
            sum(weight.size for weight in network.trainable_params())
            for network in (players.generator, players.discriminator)
        )
        self.threads = len(os.sched_getaffinity(0))

    def run(self, steps: int) -> None:
        """Go through the loop; its last step reads the losses."""
        from ms_gan.training.loop import run_loop
        from ms_gan.training.plan import make_plan

        until = dataclasses.replace(self.ready.config, epochs=None, minutes=None, steps=self.position.step + steps)
        plan = make_plan(until, self.ready.stream.batches_per_epoch)
        run_loop(until, plan, self.ready.stream, self.ready.steps, self.position, _Deaf(), lambda: False)


class PyTorch:
    """The PyTorch twin, with the same batches, latents and noise from the same functions."""

    def __init__(self, config: Config, fused_adam: bool):
        import torch

        from benchmarks.pytorch_twin import Game, TorchAdam
        from ms_gan.data.configured import configured_images, fitted

        self.threads = len(os.sched_getaffinity(0))
        torch.set_num_threads(self.threads)
        torch.manual_seed(config.seed)
        self.config, self.stream = fitted(config, configured_images(config.data, _aside))
        self.step = 0
        # The length of the schedule changes a number, not the work.
        self.game = Game(config.recipe, lambda network, betas: TorchAdam(network, betas, fused_adam or None), 100_000)
        self.parameters = tuple(
            sum(weight.numel() for weight in network.parameters())
            for network in (self.game.generator, self.game.critic)
        )

    def run(self, steps: int) -> None:
        """Do the steps; each reads its losses, for which eager PyTorch on a CPU need not wait."""
        for _ in range(steps):
            self.game.step(self.stream, self.config.seed, self.config.batch_size, self.step)
            self.step += 1


def make_worker(wish: dict[str, Any]) -> Worker:
    """Return the worker that a wish (see `benchmarks.process.Side`) describes."""
    config = load_config(wish["recipe"], wish["settings"], wish["overrides"])
    return MsGan(config) if wish["side"] == "ms_gan" else PyTorch(config, wish["fused_adam"])


def block_size(worker: Worker) -> int:
    """Warm the worker up and return how many of its steps take about a tenth of a second, at least 1."""
    worker.run(1)
    began = time.perf_counter()
    worker.run(2)
    return max(1, round(2 * _BLOCK_SECONDS / (time.perf_counter() - began)))


def measure(worker: Worker, block: int, seconds: float, least: int) -> list[float]:
    """Return the milliseconds a step took in each block of steps; one block before is not counted.

    Parameters
    ----------
    worker : Worker
        What to measure.
    block : int
        Steps in a block.
    seconds, least
        Blocks are added until there are `least` and they have taken `seconds`.
    """
    # The other side has had the caches since.
    worker.run(block)
    found: list[float] = []
    while len(found) < least or sum(found) * block < 1000 * seconds:
        began = time.perf_counter()
        worker.run(block)
        found.append(1000 * (time.perf_counter() - began) / block)
    return found


def serve(make: Callable[[], Worker]) -> None:
    """Make the worker, then answer requests until there are no more."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        worker = make()
        block = block_size(worker)
    except UserError as error:
        _answer(answers, {"error": str(error)})
        return
    _answer(answers, {"parameters": worker.parameters, "threads": worker.threads, "block": block})
    rest = (time.process_time(), time.perf_counter())
    for line in sys.stdin:
        awake = (time.process_time() - rest[0]) / (time.perf_counter() - rest[1])
        found = measure(worker, block, **json.loads(line))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
        _answer(answers, {"ms": found, "awake": round(awake, 4), "peak_gb": round(peak, 3)})
        rest = (time.process_time(), time.perf_counter())


def _answer(stream: Any, content: dict[str, Any]) -> None:
    stream.write(json.dumps(content) + "\n")
    stream.flush()


def _aside(line: str) -> None:
    print(line, file=sys.stderr)


if __name__ == "__main__":
    serve(lambda: make_worker(json.loads(sys.argv[1])))
