"""Convolutional layers in every geometry of the recipes and some odd ones, measured once for several references."""

import functools
from dataclasses import dataclass

import float64_layers as exact
import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from ms_gan.networks import batch_last


@dataclass(frozen=True)
class Case:
    """One layer; second: its gradient penalty is differentiated too (which costs a compilation)."""

    kind: str
    channels: tuple[int, int]
    kernel: int
    stride: int
    padding: int
    size: int
    second: bool = False
    images: int = 3

    def __str__(self):
        before, after = self.channels
        return f"{self.kind}-{before}to{after}-k{self.kernel}s{self.stride}p{self.padding}-on{self.size}"

    def build(self, kit):
        """Return the kit's layer."""
        before, after = self.channels
        if self.kind == "upsampled":
            return kit.UpsampleConv2d(before, after, self.kernel, self.size)
        if self.kind == "upsampled_transposed":
            return kit.UpsampleConv2dTranspose(before, after, self.kernel, self.size)
        layer = kit.Conv2d if self.kind == "conv" else kit.Conv2dTranspose
        return layer(before, after, self.kernel, self.stride, self.padding, self.size)

    def exact(self, x, weight, bias):
        """Return the layer's result in float64."""
        if self.kind.startswith("upsampled"):
            x = exact.upsample(x)
        layer = exact.conv2d_transpose if self.kind.endswith("transposed") else exact.conv2d
        return layer(x, weight, bias, self.stride, self.padding)


# dcgan on 28 and 32, wgan on 32, then what no recipe has.
CASES = [
    Case("transposed", (5, 3), 2, 1, 0, 1, second=True),
    Case("transposed", (3, 2), 2, 1, 0, 2),
    Case("transposed", (3, 2), 4, 2, 1, 2),
    Case("transposed", (3, 2), 4, 2, 1, 3, second=True),
    Case("transposed", (2, 3), 2, 1, 0, 6),
    Case("transposed", (2, 2), 4, 2, 1, 7),
    Case("transposed", (2, 1), 4, 2, 1, 14),
    Case("transposed", (2, 3), 4, 2, 1, 16),
    Case("transposed", (2, 3), 5, 1, 2, 8, second=True),
    Case("transposed", (2, 3), 5, 1, 2, 32),
    Case("conv", (1, 3), 3, 2, 1, 28),
    Case("conv", (3, 2), 3, 2, 1, 7),
    Case("conv", (2, 3), 3, 2, 1, 4, second=True),
    Case("conv", (2, 3), 3, 2, 1, 2),
    Case("conv", (2, 3), 3, 2, 1, 1),
    Case("conv", (3, 2), 5, 2, 2, 32),
    Case("conv", (2, 3), 5, 2, 2, 8, second=True),
    Case("conv", (3, 2), 5, 1, 2, 4, second=True),
    Case("upsampled", (3, 2), 5, 1, 2, 4, second=True),
    Case("upsampled", (2, 3), 5, 1, 2, 8),
    Case("upsampled_transposed", (2, 3), 5, 1, 2, 4, second=True),
    Case("upsampled_transposed", (3, 2), 5, 1, 2, 16),
    Case("conv", (2, 1), 1, 1, 0, 3),
    Case("conv", (1, 2), 3, 2, 0, 8),
    Case("conv", (2, 2), 5, 3, 1, 9, second=True),
    Case("conv", (2, 3), 7, 1, 0, 7),
    Case("conv", (2, 3), 4, 2, 1, 6, images=1),
    Case("transposed", (2, 10), 3, 1, 1, 5),
    Case("transposed", (3, 2), 3, 2, 1, 5, second=True),
    Case("transposed", (2, 3), 5, 3, 2, 4, images=1),
    Case("upsampled", (2, 2), 3, 1, 1, 3, second=True),
    Case("upsampled", (3, 4), 3, 1, 1, 16),
    Case("upsampled", (2, 2), 1, 1, 0, 4),
    Case("upsampled_transposed", (2, 2), 3, 1, 1, 3),
]


@dataclass(frozen=True)
class Measured:
    """A layer's result and derivatives; `x`, `weight`, `bias` and the `probe` that weighs the results are inputs."""

    x: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    probe: np.ndarray
    y: np.ndarray
    dx: np.ndarray
    dweight: np.ndarray
    dbias: np.ndarray
    penalty_dweight: np.ndarray | None
    penalty_dbias: np.ndarray | None


def image_layer(case, kit):
    """Return the layer with images on both sides; small random weights keep the penalty's tanh from saturating."""
    rng = np.random.default_rng(2)
    layer = case.build(kit)
    for parameter in layer.get_parameters():
        parameter.set_data(Tensor(0.1 * rng.standard_normal(parameter.shape).astype(np.float32)))
    size = case.exact(*(np.zeros(shape) for shape in shapes(case, layer))).shape[2]
    return nn.SequentialCell([kit.FromImages(), layer, kit.ToImages(size)]), size


def shapes(case, layer):
    """Return the shapes of images, weight and bias."""
    return (case.images, case.channels[0], case.size, case.size), layer.weight.shape, layer.bias.shape


def penalty_of(network, probe):
    """Return a gradient penalty of the critic sum(probe * tanh(layer)), smooth so that differences are exact."""

    def total(x):
        return (ops.tanh(network(x)) * probe).sum()

    def penalty(x):
        gradient = ms.grad(total)(x)
        squares = ops.square(gradient.reshape((gradient.shape[0], -1))).sum(axis=1)
        return ops.square(ops.sqrt(squares) - 1.0).mean()

    return penalty


def exact_penalty(case, x, weight, bias, probe):
    """Return the same penalty in float64; the layer's matrix gives its input gradient."""
    size = x[0].size
    units = np.eye(size).reshape(size, *x.shape[1:])
    linear = case.exact(units, weight, np.zeros_like(bias)).reshape(size, -1)
    y = case.exact(x, weight, bias).reshape(len(x), -1)
    outer = (1 - np.tanh(y) ** 2) * probe.reshape(len(x), -1)
    return np.mean((exact.norms(outer @ linear.T) - 1) ** 2)


@functools.cache
def measured(case) -> Measured:
    """Run the layer of the CPU's kit; the penalty in graph mode."""
    network, size = image_layer(case, batch_last)
    layer = network[1]
    rng = np.random.default_rng(1)
    x = rng.standard_normal((case.images, case.channels[0], case.size, case.size)).astype(np.float32)
    probe = rng.standard_normal((case.images, case.channels[1], size, size)).astype(np.float32)
    weights = [layer.weight, layer.bias]

    def total(x, probe):
        return (network(x) * probe).sum()

    dx, (dweight, dbias) = ms.grad(total, 0, weights)(Tensor(x), Tensor(probe))
    second = (None, None)
    if case.second:
        gradients = ms.jit(ms.grad(penalty_of(network, Tensor(probe)), None, weights))(Tensor(x))
        second = tuple(gradient.asnumpy() for gradient in gradients)
    y = network(Tensor(x))
    arrays = (layer.weight, layer.bias, y, dx, dweight, dbias)
    weight, bias, y, dx, dweight, dbias = (value.asnumpy() for value in arrays)
    return Measured(x, weight, bias, probe, y, dx, dweight, dbias, *second)
