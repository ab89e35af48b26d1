"""The exponential moving average of a generator, which draws better pictures than the generator of any one step.

Of the weights and of the moving statistics of batch normalisation alike (Yazici et al. 2019; Karras et al. 2018).
"""

from collections.abc import Callable

import mindspore as ms
from mindspore import Parameter, Tensor, nn, ops

# In front of the names of the average's parameters, which are the generator's own otherwise.
PREFIX = "ema."


class MovingAverage(nn.Cell):
    """A second generator whose parameters follow those of the first.

    Update t (from 0) brings every parameter nearer to its new value by ``1 - min(decay, (1 + t) / (10 + t))``: at
    first quickly, because the start of a generator is not worth remembering. So the decay itself holds from update
    9 / (1 - decay) - 10 on (0.999: 8,990; 0.9995: 17,990); until then the average is over about the last ninth of the
    updates so far.

    Parameters
    ----------
    network : nn.Cell
        A generator like the first one, for this alone; its parameters are renamed to ``ema.<name>``.
    decay : float
        Share of the old average, in (0, 1).
    """

    def __init__(self, network: nn.Cell, decay: float):
        super().__init__(auto_prefix=False)
        for parameter in network.get_parameters():
            parameter.name = f"{PREFIX}{parameter.name}"
        self.network, self.decay = network, decay
        self.updates = Parameter(Tensor(0, ms.int32), name=f"{PREFIX}updates", requires_grad=False)

    def begin_at(self, generator: nn.Cell) -> None:
        """Take over the parameters of `generator`, before the first update."""
        for mean, parameter in self._pairs(generator):
            ops.assign(mean, parameter.value())

    def follower(self, generator: nn.Cell) -> Callable[[], None]:
        """Return the function that is called after each update of `generator`; graph mode compiles it."""
        pairs, updates, slowest = self._pairs(generator), self.updates, 1.0 - self.decay

        def follow() -> None:
            done = updates.astype(ms.float32)
            rate = ops.maximum(9.0 / (10.0 + done), Tensor(slowest, ms.float32))
            for mean, parameter in pairs:
                ops.assign_add(mean, (parameter - mean) * rate)
            ops.assign_add(updates, 1)

        return follow

    def _pairs(self, generator: nn.Cell) -> tuple[tuple[Parameter, Parameter], ...]:
        return tuple(zip(self.network.get_parameters(), generator.get_parameters(), strict=True))
