"""Batch normalisation with the statistics of the whole batch where each worker holds a share of it."""

from types import ModuleType, SimpleNamespace

from mindspore import Tensor, nn, ops


class SynchronisedBatchNorm(nn.BatchNorm2d):
    """nn.BatchNorm2d's parameters and result for the batch of all workers together.

    Sums and sums of squares are added up over the workers in one message, and so are their derivatives on the way
    back; the moving statistics follow from them and stay equal on all workers.

    Parameters
    ----------
    channels : int
        Number of channels or features.
    channel_axis : int
        Where they are in the input.
    size : int
        How many workers there are.
    momentum : float
        Share of the old value in the moving statistics.
    """

    def __init__(self, channels: int, channel_axis: int, size: int, momentum: float = 0.9):
        super().__init__(channels, momentum=momentum)
        self.channel_axis, self.size = channel_axis, size
        self.add_up = ops.AllReduce()

    def construct(self, activations: Tensor) -> Tensor:
        """Normalise."""
        shape = activations.shape
        # (before, channels, after), whatever the layout.
        flat = activations.reshape((1, shape[0], -1) if self.channel_axis == 0 else (shape[0], shape[1], -1))
        if self.training:
            mean, variance = self.batch_statistics(flat)
        else:
            mean, variance = self.moving_mean, self.moving_variance
        factor = (self.gamma * ops.rsqrt(variance + self.eps)).reshape((1, -1, 1))
        result = (flat - mean.reshape((1, -1, 1))) * factor + self.beta.reshape((1, -1, 1))
        return result.reshape(shape)

    def batch_statistics(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and variance of all workers' shares, and move the moving ones towards them."""
        count = flat.shape[0] * flat.shape[2] * self.size
        # Sums of what is near zero: a sum of squares far from it would lose the digits of the variance.
        shift = ops.stop_gradient(self.moving_mean + 0.0)
        centred = flat - shift.reshape((1, -1, 1))
        sums = self.add_up(ops.concat((centred.sum((0, 2)), ops.square(centred).sum((0, 2))))) / count
        offset, squares = ops.split(sums, sums.shape[0] // 2)
        mean, variance = shift + offset, squares - ops.square(offset)
        unbiased = variance * (count / (count - 1))
        ops.assign(self.moving_mean, shift + self.momentum * ops.stop_gradient(offset))
        moved = self.moving_variance + self.momentum * (ops.stop_gradient(unbiased) - self.moving_variance)
        ops.assign(self.moving_variance, moved)
        return mean, variance


def synchronised(kit: ModuleType, size: int) -> SimpleNamespace:
    """Return a kit of layers with its batch normalisation replaced by one over `size` workers.

    Parameters
    ----------
    kit : module
        `ms_gan.networks.batch_last` or `ms_gan.networks.native`.
    size : int
        How many workers there are.
    """
    # Convolutional activations are (C, P, N) in the batch-last kit and (N, C, H, W) in MindSpore's own.
    axis = 0 if kit.__name__.endswith("batch_last") else 1

    def batch_norm(channels: int) -> SynchronisedBatchNorm:
        return SynchronisedBatchNorm(channels, axis, size)

    def batch_norm_1d(channels: int, momentum: float = 0.9) -> SynchronisedBatchNorm:
        return SynchronisedBatchNorm(channels, 1, size, momentum)

    return SimpleNamespace(**(vars(kit) | {"BatchNorm": batch_norm, "BatchNorm1d": batch_norm_1d}))
