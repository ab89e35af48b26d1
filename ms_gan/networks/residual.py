"""Residual networks: blocks that double or halve the image, each with a short cut around it.

After the networks of Gulrajani et al. 2017 and Miyato et al. 2018, with convolutions of stride 2 where those average:
they can be differentiated twice on every device, so every penalty goes with the critic.
"""

from types import ModuleType, SimpleNamespace

from mindspore import Tensor, nn

from ms_gan.errors import resizing
from ms_gan.networks.kit import kit
from ms_gan.networks.registry import ImageShape, discriminator, generator
from ms_gan.networks.spectral import gained

Kit = ModuleType | SimpleNamespace


class ResidualUp(nn.Cell):
    """Normalise, bend, double, convolve, twice with the second at the doubled size; plus the doubled input."""

    def __init__(self, k: Kit, before: int, after: int, size: int):
        super().__init__()
        self.main = nn.SequentialCell(
            k.BatchNorm(before),
            k.ReLU(),
            k.UpsampleConv2d(before, after, 3, size),
            k.BatchNorm(after),
            k.ReLU(),
            k.Conv2d(after, after, 3, 1, 1, 2 * size),
        )
        self.short = k.UpsampleConv2d(before, after, 1, size)

    def construct(self, activations: Tensor) -> Tensor:
        """Return activations of twice the size."""
        return self.main(activations) + self.short(activations)


class ResidualDown(nn.Cell):
    """Bend and convolve twice, with stride 2 the first time; plus the input, halved by a convolution of 2x2.

    Halving first is half the work of halving last, and most of what is moved.

    Parameters
    ----------
    k : module
        The kit of layers.
    before, after, size : int
        Channels of input and output, and the input's edge length, which is even.
    spectral : bool
        Whether the convolutions have spectral normalisation.
    bend : bool
        Whether the input is bent first; that of the first block is an image and is not.
    """

    def __init__(self, k: Kit, before: int, after: int, size: int, spectral: bool, bend: bool):
        super().__init__()
        conv = k.SpectralConv2d if spectral else k.Conv2d
        layers = [k.LeakyReLU(0.2)] if bend else []
        layers += [conv(before, after, 4, 2, 1, size), k.LeakyReLU(0.2), conv(after, after, 3, 1, 1, size // 2)]
        self.main = nn.SequentialCell(layers)
        self.short = conv(before, after, 2, 2, 0, size)

    def construct(self, activations: Tensor) -> Tensor:
        """Return activations of half the size."""
        # Times one: PyNative's LeakyReLU has several derivatives for its input, which are added up apart this way.
        return self.main(activations * 1.0) + self.short(activations)


def halvings(size: int) -> int:
    """Return how often the edge length is halved: while it is even and above 4."""
    count = 0
    while size > 4 and size % 2 == 0:
        size, count = size // 2, count + 1
    return count


def _check(image: ImageShape) -> int:
    count = halvings(image.size)
    if not count or image.size >> count > 8:
        raise ValueError(
            f"{image.size} pixels cannot be halved down to 8 or fewer; resize the images with {resizing(32)}"
        )
    return count


@generator("residual")
class ResidualGenerator(nn.Cell):
    """A dense layer, residual blocks that double the image, and a 3x3 convolution; Tanh at the end.

    Parameters
    ----------
    latent_size : int
        Length of a latent vector.
    image : ImageShape
        Shape of the images to make; the size halves down to 8 or fewer pixels.
    widths : sequence of int
        Channels after the last block, after the one before it, and so on; the last width holds for what comes before.

    Raises
    ------
    ValueError
        If the image size cannot be halved down to 8 or fewer pixels.
    """

    def __init__(self, latent_size: int, image: ImageShape, widths: tuple[int, ...] = (32, 64, 128)):
        super().__init__()
        k, count = kit(), _check(image)
        size = image.size >> count
        before = widths[min(count, len(widths) - 1)]
        layers = [k.FromLatents(), k.Dense(latent_size, before * size * size), k.Unflatten(before, size)]
        for number in reversed(range(count)):
            after = widths[min(number, len(widths) - 1)]
            layers.append(ResidualUp(k, before, after, size))
            before, size = after, 2 * size
        layers += [k.BatchNorm(before), k.ReLU(), k.Conv2d(before, image.channels, 3, 1, 1, size)]
        self.layers = nn.SequentialCell([*layers, k.ToImages(size), nn.Tanh()])

    def construct(self, latents: Tensor) -> Tensor:
        """Turn latents (N, n) into images (N, C, S, S) in [-1, 1]."""
        return self.layers(latents)


@discriminator("residual")
class ResidualCritic(nn.Cell):
    """Residual blocks that halve the image, and a dense layer; no batch normalisation.

    Parameters
    ----------
    image : ImageShape
        Shape of the images to judge; the size halves down to 8 or fewer pixels.
    widths : sequence of int
        Channels after each block; the last one holds for what follows.
    spectral : bool
        Whether all layers have spectral normalisation.
    gain : float
        What the logits are multiplied with, above 0; more than 1 loosens the bound that `spectral` sets to D's slope.
    outputs : int
        Number of logits; more than 1 in a conditional run.

    Raises
    ------
    ValueError
        If the image size cannot be halved down to 8 or fewer pixels.
    """

    def __init__(
        self,
        image: ImageShape,
        widths: tuple[int, ...] = (32, 64, 128),
        spectral: bool = False,
        gain: float = 1.0,
        outputs: int = 1,
    ):
        super().__init__()
        k, count = kit(), _check(image)
        layers: list[nn.Cell] = [k.FromImages()]
        before, size = image.channels, image.size
        for number in range(count):
            after = widths[min(number, len(widths) - 1)]
            layers.append(ResidualDown(k, before, after, size, spectral, bend=number > 0))
            before, size = after, size // 2
        dense = k.SpectralDense if spectral else k.Dense
        last = dense(before * size * size, outputs)
        self.layers = nn.SequentialCell([*layers, k.LeakyReLU(0.2), last, k.ToLogits(outputs), *gained(gain)])

    def construct(self, images: Tensor) -> Tensor:
        """Turn images (N, C, S, S) into logits (N, outputs)."""
        return self.layers(images)
