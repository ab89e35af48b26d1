"""The convolutional kit made of MindSpore's own layers: activations (N, C, H, W). Used on Ascend.

Its names, arguments and parameters are those of `ms_gan.networks.batch_last`, the kit for the CPU.
"""

from mindspore import Tensor, nn, ops

from ms_gan.networks import spectral


class FromLatents(nn.Cell):
    """Latents (N, n) to activations (N, n, 1, 1)."""

    def construct(self, latents: Tensor) -> Tensor:
        """Add the two image axes."""
        return latents.reshape((*latents.shape, 1, 1))


class FromImages(nn.Identity):
    """Images are activations already."""


class ToImages(nn.Cell):
    """Activations to images: nothing to do."""

    def __init__(self, size: int):
        super().__init__()

    def construct(self, activations: Tensor) -> Tensor:
        """Return them as they are."""
        return activations


class ToLogits(nn.Flatten):
    """Activations (N, outputs, 1, 1) to logits (N, outputs); their number is for the other kit."""

    def __init__(self, outputs: int):
        super().__init__()


class Unflatten(nn.Cell):
    """(N, C * S * S, 1, 1) to (N, C, S, S)."""

    def __init__(self, channels: int, size: int):
        super().__init__()
        self.shape = (-1, channels, size, size)

    def construct(self, activations: Tensor) -> Tensor:
        """Give the features their places."""
        return activations.reshape(self.shape)


class Dense(nn.Dense):
    """A fully connected layer over all features; its result is (N, out, 1, 1)."""

    def construct(self, activations: Tensor) -> Tensor:
        """Flatten, multiply, and add the image axes."""
        result = super().construct(activations.reshape((activations.shape[0], -1)))
        return result.reshape((*result.shape, 1, 1))


class BatchNorm1d(nn.BatchNorm1d):
    """Batch normalisation per feature of (N, C)."""


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation per channel."""


class LeakyReLU(nn.LeakyReLU):
    """The input above zero, `slope` times it below."""


class ReLU(nn.ReLU):
    """The input above zero, zero below."""


class _Padded:
    """Arguments of either convolution, as the other kit has them; `in_size` is for that one."""

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
        super().__init__(in_channels, out_channels, kernel, stride, "pad", padding, has_bias=has_bias)


class Conv2d(_Padded, nn.Conv2d):
    """A convolution."""


class SpectralDense(spectral.SpectralDense):
    """A fully connected layer over all features with spectral normalisation; its result is (N, out, 1, 1)."""

    def construct(self, activations: Tensor) -> Tensor:
        """Flatten, multiply, and add the image axes."""
        result = super().construct(activations.reshape((activations.shape[0], -1)))
        return result.reshape((*result.shape, 1, 1))


class SpectralConv2d(Conv2d):
    """A convolution whose weight is divided by its largest singular value; `in_size` is for the other kit."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int, padding: int, in_size: int):
        super().__init__(in_channels, out_channels, kernel, stride, padding, in_size)
        self.scale = spectral.SpectralScale(out_channels)

    def construct(self, activations: Tensor) -> Tensor:
        """Convolve."""
        return self.bias_add(self.conv2d(activations, self.scale(self.weight).astype(activations.dtype)), self.bias)


class Conv2dTranspose(_Padded, nn.Conv2dTranspose):
    """A transposed convolution."""


class UpsampleConv2d(Conv2d):
    """Nearest upsampling x2, then a 'same' convolution with stride 1."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, in_size: int, has_bias: bool = True):
        super().__init__(in_channels, out_channels, kernel, 1, kernel // 2, in_size, has_bias)

    def construct(self, activations: Tensor) -> Tensor:
        """Upsample and convolve."""
        return super().construct(_upsample(activations))


class UpsampleConv2dTranspose(Conv2dTranspose):
    """Nearest upsampling x2, then a 'same' transposed convolution with stride 1."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, in_size: int):
        super().__init__(in_channels, out_channels, kernel, 1, kernel // 2, in_size)

    def construct(self, activations: Tensor) -> Tensor:
        """Upsample and convolve."""
        return super().construct(_upsample(activations))


def _upsample(activations: Tensor) -> Tensor:
    """Repeat rows and columns, by the layout alone: (N, C, S, 1, S, 1) to (N, C, S, 2, S, 2)."""
    count, channels, size, _ = activations.shape
    spread = activations.reshape((count, channels, size, 1, size, 1))
    return ops.tile(spread, (1, 1, 1, 2, 1, 2)).reshape((count, channels, 2 * size, 2 * size))
