"""Optimizers and learning-rate schedules."""

import math

import mindspore as ms
from mindspore import Parameter, Tensor, nn, ops
from mindspore.nn.learning_rate_schedule import LearningRateSchedule

from ms_gan.config import OptimizerConfig
from ms_gan.errors import UserError

# MindSpore's Adam refuses a beta1 of 0; this much of an old moment is below float32's rounding.
NO_MEMORY = 1e-30
# A schedule is a table; of more updates it would take gigabytes and minutes.
_LONGEST_TABLE = 10_000_000
# As PyTorch has it.
_RMSPROP_EPSILON = 1e-8


def learning_rate(config: OptimizerConfig, progress: float) -> float:
    """Return the learning rate when the share `progress`, in [0, 1], of the schedule is done."""
    if config.schedule == "constant":
        return config.lr
    if config.schedule == "step":
        # A third of the way is 0.333..., and the drop is there, not one update later.
        passed = math.floor(progress * (config.lr_drops + 1) + 1e-9)
        return config.lr * config.lr_end ** min(passed, config.lr_drops)
    weight = progress if config.schedule == "linear" else 0.5 * (1 - math.cos(math.pi * progress))
    return config.lr * (1 + (config.lr_end - 1) * weight)


def rate_at(config: OptimizerConfig, update: int, updates_per_step: int) -> float:
    """Return the learning rate of `update` (from 0): that of the schedule, less while it warms up.

    A schedule other than constant has its `lr_steps` set.
    """
    rate = learning_rate(config, min(1.0, update / ((config.lr_steps or 1) * updates_per_step)))
    if not config.lr_warmup:
        return rate
    return rate * min(1.0, (update + 1) / (config.lr_warmup * updates_per_step))


class TableSchedule(LearningRateSchedule):
    """A schedule worked out on the host, looked up by update; the last value holds from then on."""

    def __init__(self, table: list[float]):
        super().__init__()
        self._table = Tensor(table, ms.float32)
        self._last = Tensor(len(table) - 1, ms.int32)

    def construct(self, global_step: Tensor) -> Tensor:
        """Return the learning rate of update `global_step`."""
        index = ops.minimum(global_step.reshape(()).astype(ms.int32), self._last)
        return ops.gather(self._table, index, 0)


class RMSProp(nn.Optimizer):
    """RMSProp from a mean square of zero (Tieleman and Hinton 2012), its epsilon and momentum as in PyTorch.

    Not `nn.RMSProp`: it starts at a mean square of one, which hardly moves small gradients in the first thousand
    updates, and its CPU kernel now and then leaves epsilon out, so that a gradient of 0 becomes NaN (a WGAN has one).

    Parameters
    ----------
    parameters : list of Parameter
        The trainable parameters.
    rate : float or LearningRateSchedule
        The learning rate.
    decay : float
        Of the mean of squared gradients, in [0, 1).
    momentum : float
        In [0, 1); 0: none.
    """

    def __init__(self, parameters: list[Parameter], rate: float | LearningRateSchedule, decay: float, momentum: float):
        super().__init__(rate, parameters)
        # Subtracted here: in `construct` the modes have other bits, as if graph mode did it in float32.
        self._decay, self._rest, self._momentum = decay, 1 - decay, momentum
        self._squares = self._parameters.clone(prefix="mean_square", init="zeros")
        self._moments = self._parameters.clone(prefix="moment", init="zeros")

    def construct(self, gradients: tuple[Tensor, ...]) -> Tensor:
        """Move every parameter; return the learning rate of this update."""
        rate = self.get_lr()
        self.assignadd(self.global_step, self.global_step_increase_tensor)
        for index, gradient in enumerate(gradients):
            parameter, square, moment = self._parameters[index], self._squares[index], self._moments[index]
            mean = self._decay * square + self._rest * ops.square(gradient)
            move = self._momentum * moment + gradient / (ops.sqrt(mean) + _RMSPROP_EPSILON)
            ops.assign(square, mean)
            ops.assign(moment, move)
            ops.assign_sub(parameter, rate * move)
        return rate


def build_optimizer(role: str, parameters: list[Parameter], config: OptimizerConfig, updates_per_step: int) -> nn.Cell:
    """Build the optimizer of one network.

    Parameters
    ----------
    role : str
        ``generator`` or ``discriminator``; the optimizer's own parameters are named after it.
    parameters : list of Parameter
        The trainable parameters.
    config : OptimizerConfig
        Kind and numbers; a schedule other than constant has its `lr_steps` set.
    updates_per_step : int
        Updates of this network in a step of the run.

    Raises
    ------
    UserError
        If the learning rate would change over too many updates.
    """
    rate: float | LearningRateSchedule = config.lr
    scheduled = config.lr_steps if config.schedule != "constant" else 0
    if changing := max(scheduled, config.lr_warmup) * updates_per_step:
        if changing > _LONGEST_TABLE:
            raise UserError(
                f"config {role}_optimizer: the learning rate changes over {changing:,} updates, the most is "
                f"{_LONGEST_TABLE:,}; set {role}_optimizer.lr_steps or lr_warmup, or schedule: constant"
            )
        rate = TableSchedule([rate_at(config, update, updates_per_step) for update in range(changing + 1)])
    if config.name == "adam":
        optimizer = nn.Adam(parameters, rate, beta1=max(config.beta1, NO_MEMORY), beta2=config.beta2)
    elif config.name == "rmsprop":
        optimizer = RMSProp(parameters, rate, config.decay, config.momentum)
    else:
        optimizer = nn.SGD(parameters, rate, momentum=config.momentum)
    networks = {id(parameter) for parameter in parameters}
    for parameter in optimizer.get_parameters():
        # Equal names in two optimizers (global_step) stop graph mode; the network's own names stay as they are.
        if id(parameter) not in networks:
            parameter.name = f"{role}_optimizer.{parameter.name}"
    return optimizer
