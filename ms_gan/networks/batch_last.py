"""The convolutional kit for the CPU: activations (C, H * W, N), batch last; see `ms_gan.networks.products` for why.

Its names, arguments and parameters are those of `ms_gan.networks.native`, the kit for Ascend: weights have the
shapes of nn.Conv2d (O, C, k, k), nn.Conv2dTranspose (C, O, k, k) and nn.Dense (O, C), so checkpoints fit both.
"""

import math

from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import HeUniform, Uniform, initializer
from mindspore.ops.operations._grad_ops import ReluGrad

from ms_gan.networks.products import adjoint_product, forward_product, upsampling_product
from ms_gan.networks.spectral import SpectralScale
from ms_gan.networks.taps import Geometry


class FromLatents(nn.Cell):
    """Latents (N, n) to activations (n, 1, N)."""

    def construct(self, latents: Tensor) -> Tensor:
        """Put the batch last."""
        return latents.transpose((1, 0)).reshape((latents.shape[1], 1, -1))


class FromImages(nn.Cell):
    """Images (N, C, H, W) to activations (C, H * W, N)."""

    def construct(self, images: Tensor) -> Tensor:
        """Put the batch last."""
        count, channels, height, width = images.shape
        return images.transpose((1, 2, 3, 0)).reshape((channels, height * width, count))


class ToImages(nn.Cell):
    """Activations (C, S * S, N) to images (N, C, S, S)."""

    def __init__(self, size: int):
        super().__init__()
        self.size = size

    def construct(self, activations: Tensor) -> Tensor:
        """Put the batch first."""
        channels, _, count = activations.shape
        return activations.transpose((2, 0, 1)).reshape((count, channels, self.size, self.size))


class ToLogits(nn.Cell):
    """Activations (outputs, 1, N) to logits (N, outputs)."""

    def __init__(self, outputs: int):
        super().__init__()
        self.outputs = outputs

    def construct(self, activations: Tensor) -> Tensor:
        """Put the batch first."""
        if self.outputs == 1:
            return activations.reshape((-1, 1))
        return activations.reshape((self.outputs, -1)).transpose((1, 0))


class Unflatten(nn.Cell):
    """(C * S * S, 1, N) to (C, S * S, N)."""

    def __init__(self, channels: int, size: int):
        super().__init__()
        self.shape = (channels, size * size, -1)

    def construct(self, activations: Tensor) -> Tensor:
        """Give the features their places."""
        return activations.reshape(self.shape)


class BatchNorm1d(nn.BatchNorm2d):
    """Batch normalisation per feature of (N, C); turned round, its numbers lie side by side (twice as fast)."""

    def construct(self, features: Tensor) -> Tensor:
        """Normalise."""
        count, channels = features.shape
        turned = features.transpose((1, 0)).reshape((1, channels, 1, count))
        return super().construct(turned).reshape((channels, count)).transpose((1, 0))


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation per channel: to it the activations are one image of P x N."""

    def construct(self, activations: Tensor) -> Tensor:
        """Normalise."""
        return super().construct(activations.reshape((1, *activations.shape))).reshape(activations.shape)


class LeakyReLU(nn.Cell):
    """The input above zero, `slope` times it below; without maximum's slow derivative.

    Parameters
    ----------
    slope : float
        From 0 to 1.
    """

    def __init__(self, slope: float):
        super().__init__()
        self.slope = slope
        self.maximum, self.mul, self.sub, self.add = ops.Maximum(), ops.Mul(), ops.Sub(), ops.Add()
        self.relu, self.relu_grad = ops.ReLU(), ReluGrad()

    def __call__(self, activations: Tensor) -> Tensor:
        """Do the same in PyNative, where a derivative of its own costs more than it saves; same bits."""
        positive = self.relu(activations)
        return positive + (activations - positive) * self.slope

    def construct(self, activations: Tensor) -> Tensor:
        """Bend the input at zero."""
        return self.maximum(activations, self.mul(activations, self.slope))

    def bprop(self, activations: Tensor, out: Tensor, dout: Tensor) -> tuple[Tensor]:
        """Return the derivative."""
        below = self.mul(dout, self.slope)
        return (self.add(self.relu_grad(self.sub(dout, below), out), below),)


class ReLU(nn.ReLU):
    """The input above zero, zero below."""


class _Weighted(nn.Cell):
    """A weight, initialised as MindSpore's own layers are, and a bias."""

    def __init__(self, shape: tuple[int, ...], out_channels: int, fan_in: int, has_bias: bool = True):
        super().__init__()
        self.weight = Parameter(initializer(HeUniform(math.sqrt(5)), shape), name="weight")
        self.has_bias = has_bias
        if has_bias:
            self.bias = Parameter(initializer(Uniform(1 / math.sqrt(fan_in)), (out_channels,)), name="bias")
        self.bias_add = ops.BiasAdd()

    def with_bias(self, result: Tensor) -> Tensor:
        """Add the bias to (C, P, N); BiasAdd on (1, C, P, N) is faster than a broadcast addition."""
        if self.has_bias:
            return self.bias_add(result.reshape((1, *result.shape)), self.bias).reshape(result.shape)
        return result


class Dense(_Weighted):
    """A fully connected layer over all features; its result is (out, 1, N)."""

    def __init__(self, in_channels: int, out_channels: int, has_bias: bool = True):
        super().__init__((out_channels, in_channels), out_channels, in_channels, has_bias)
        self.matmul = ops.MatMul()

    def construct(self, activations: Tensor) -> Tensor:
        """Flatten and multiply."""
        count = activations.shape[2]
        result = self.matmul(self.weight, activations.reshape((-1, count)))
        return self.with_bias(result.reshape((-1, 1, count)))


class Conv2d(_Weighted):
    """A convolution of images of `in_size` pixels."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int,
        padding: int,
        in_size: int,
        has_bias: bool = True,
    ):
        super().__init__((out_channels, in_channels, kernel, kernel), out_channels, in_channels * kernel**2, has_bias)
        out_size = (in_size + 2 * padding - kernel) // stride + 1
        self.product = forward_product(in_channels, out_channels, Geometry(in_size, out_size, kernel, stride, padding))

    def construct(self, activations: Tensor) -> Tensor:
        """Convolve."""
        weight = self.weight.reshape((self.weight.shape[0], -1))
        return self.with_bias(self.product(activations, weight))


class SpectralDense(Dense):
    """A fully connected layer whose weight is divided by its largest singular value."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(in_channels, out_channels)
        self.scale = SpectralScale(out_channels)

    def construct(self, activations: Tensor) -> Tensor:
        """Flatten and multiply."""
        count = activations.shape[2]
        result = self.matmul(self.scale(self.weight), activations.reshape((-1, count)))
        return self.with_bias(result.reshape((-1, 1, count)))


class SpectralConv2d(Conv2d):
    """A convolution whose weight is divided by its largest singular value."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int, padding: int, in_size: int):
        super().__init__(in_channels, out_channels, kernel, stride, padding, in_size)
        self.scale = SpectralScale(out_channels)

    def construct(self, activations: Tensor) -> Tensor:
        """Convolve."""
        weight = self.scale(self.weight)
        return self.with_bias(self.product(activations, weight.reshape((weight.shape[0], -1))))


class Conv2dTranspose(_Weighted):
    """A transposed convolution of images of `in_size` pixels."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int,
        padding: int,
        in_size: int,
        has_bias: bool = True,
    ):
        super().__init__((in_channels, out_channels, kernel, kernel), out_channels, out_channels * kernel**2, has_bias)
        out_size = (in_size - 1) * stride - 2 * padding + kernel
        self.product = adjoint_product(in_channels, out_channels, Geometry(out_size, in_size, kernel, stride, padding))

    def construct(self, activations: Tensor) -> Tensor:
        """Convolve."""
        weight = self.weight.reshape((self.weight.shape[0], -1))
        return self.with_bias(self.product(activations, weight))


class UpsampleConv2d(_Weighted):
    """Nearest upsampling x2, then a 'same' convolution, as one transposed convolution: 9/25 of the work of 5x5."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, in_size: int, has_bias: bool = True):
        super().__init__((out_channels, in_channels, kernel, kernel), out_channels, in_channels * kernel**2, has_bias)
        self.product = upsampling_product(in_channels, out_channels, in_size, kernel, flip=True)

    def construct(self, activations: Tensor) -> Tensor:
        """Upsample and convolve."""
        weight = self.weight.transpose((1, 0, 2, 3))
        return self.with_bias(self.product(activations, weight.reshape((weight.shape[0], -1))))


class UpsampleConv2dTranspose(_Weighted):
    """Nearest upsampling x2, then a 'same' transposed convolution with stride 1, in the same way."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, in_size: int):
        super().__init__((in_channels, out_channels, kernel, kernel), out_channels, out_channels * kernel**2)
        self.product = upsampling_product(in_channels, out_channels, in_size, kernel, flip=False)

    def construct(self, activations: Tensor) -> Tensor:
        """Upsample and convolve."""
        weight = self.weight.reshape((self.weight.shape[0], -1))
        return self.with_bias(self.product(activations, weight))
