"""Data parallelism: every worker computes its share of each batch, and all make the same update from the mean.

Losses and penalties are means over images, so the mean of the workers' gradients is the gradient of the whole batch.
"""

import zlib
from collections.abc import Callable, Iterable

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from ms_gan.device.team import team_size

# Steps between two questions of the workers to each other whether to stop, and what the time is.
ASK_EVERY = 10

Update = Callable[[tuple[Tensor, ...]], object]


class Alone:
    """The only worker: it does all of every batch and asks nobody."""

    rank, size = 0, 1

    def rows(self, count: int) -> slice:
        """Return which of `count` images of a batch are this worker's."""
        return slice(None)

    def average(self, numbers: list[float]) -> list[float]:
        """Return the means of the workers' numbers."""
        return numbers

    def seconds(self, step: int, seconds: float) -> float:
        """Return what time it is, in the same way for all workers."""
        return seconds

    def stops(self, step: int, wish: bool) -> bool:
        """Return whether the run stops after `step`, in the same way for all workers, since one of them wishes it."""
        return wish


class Worker(Alone):
    """One of several workers.

    Parameters
    ----------
    rank : int
        Its number, from 0; worker 0 alone writes.
    size : int
        How many there are.
    timed : bool
        Whether the length of the run is given in minutes, so that all need the same clock.
    """

    def __init__(self, rank: int, size: int, timed: bool = False):
        self.rank, self.size, self._timed = rank, size, timed
        self._add_up = ops.AllReduce()
        self._send = ops.Broadcast(0)
        self._asked, self._stop = -1, False
        self._seconds: float | None = None

    def rows(self, count: int) -> slice:
        """Return which of `count` images of a batch are this worker's."""
        share = count // self.size
        return slice(self.rank * share, (self.rank + 1) * share)

    def average(self, numbers: list[float]) -> list[float]:
        """Return the means of the workers' numbers."""
        return (self.total(numbers) / self.size).tolist()

    def seconds(self, step: int, seconds: float) -> float:
        """Return worker 0's time, as it was when it was last asked for; its own where the length is in steps."""
        if not self._timed:
            return seconds
        if step % ASK_EVERY == 0 or self._seconds is None:
            self._seconds = self.from_first([seconds])[0]
        return self._seconds

    def stops(self, step: int, wish: bool) -> bool:
        """Return whether the run stops, as it was when the workers last asked each other."""
        if step % ASK_EVERY == 0 and step != self._asked:
            self._asked, self._stop = step, self.total([float(wish)])[0] > 0
        return self._stop

    def from_first(self, numbers: list[float]) -> list[float]:
        """Return worker 0's numbers."""
        return self._send((Tensor(numbers, ms.float32),))[0].asnumpy().tolist()

    def total(self, numbers: list[float]) -> np.ndarray:
        """Return the sums over the workers; on the CPU MindSpore can do nothing else."""
        return self._add_up(Tensor(numbers, ms.float32)).asnumpy()

    def share_parameters(self, parameters: Iterable[Parameter]) -> None:
        """Give every worker the values that worker 0's parameters have."""
        for parameter in parameters:
            # Not set_data: compiled steps may go on with the old values.
            ops.assign(parameter, self._send((parameter.value(),))[0])

    def parameters_are_equal(self, parameters: Iterable[Parameter]) -> bool:
        """Tell whether all workers hold the same bits."""
        digest = 0
        for parameter in parameters:
            digest = zlib.crc32(np.ascontiguousarray(parameter.asnumpy()).tobytes(), digest)
        # In halves, which float32 holds exactly.
        halves = [float(digest >> 16), float(digest & 0xFFFF)]
        return self.total([float(halves != self.from_first(halves))])[0] == 0


def averaged(optimizer: nn.Cell) -> Update:
    """Return the update of an optimizer: with the mean of the workers' gradients, where there are several.

    All gradients go in one message, whose place among the others is the same on every worker.
    """
    size = team_size()
    if size == 1:
        return optimizer
    add_up, share = ops.AllReduce(), 1.0 / size
    sizes = [parameter.size for parameter in optimizer.parameters]
    shapes = [parameter.shape for parameter in optimizer.parameters]

    def update(gradients: tuple[Tensor, ...]) -> object:
        message = add_up(ops.concat([gradient.reshape((-1,)) for gradient in gradients])) * share
        parts = ops.split(message, sizes)
        return optimizer(tuple([part.reshape(shape) for part, shape in zip(parts, shapes)]))  # noqa: B905

    return update
