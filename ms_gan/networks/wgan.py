"""Recipes 3 and 4: generator and critic for WGAN with weight clipping and with gradient penalty."""

from mindspore import Tensor, nn

from ms_gan.networks.kit import kit
from ms_gan.networks.registry import ImageShape, UnitInterval, check_multiple, discriminator, generator
from ms_gan.networks.spectral import gained

_KERNEL, _PADDING = 5, 2


@generator("wgan")
class WGANGenerator(nn.Cell):
    """Dense, then three times nearest upsampling x2 and a 5x5 convolution, the third a transposed one; Tanh.

    Parameters
    ----------
    latent_size : int
        Length of a latent vector.
    image : ImageShape
        Shape of the images to make; the size is a multiple of 8.
    widths : sequence of 4 int
        Channels after the dense layer and after each upsampling.
    slope : float
        Slope of LeakyReLU below zero.

    Raises
    ------
    ValueError
        If the image size is not a multiple of 8.
    """

    def __init__(
        self,
        latent_size: int,
        image: ImageShape,
        widths: tuple[int, int, int, int] = (128, 128, 64, 32),
        slope: UnitInterval = 0.2,
    ):
        super().__init__()
        check_multiple(image, 8)
        k = kit()
        size = image.size // 8
        features = widths[0] * size * size
        layers = [
            k.FromLatents(),
            k.Dense(latent_size, features, has_bias=False),
            k.BatchNorm(features),
            k.LeakyReLU(slope),
            k.Unflatten(widths[0], size),
        ]
        upsampling = (k.UpsampleConv2d, k.UpsampleConv2d, k.UpsampleConv2dTranspose)
        for before, after, block in zip(widths[:-1], widths[1:], upsampling, strict=True):
            layers += [block(before, after, _KERNEL, size), k.BatchNorm(after), k.LeakyReLU(slope)]
            size *= 2
        layers += [
            k.Conv2dTranspose(widths[-1], image.channels, _KERNEL, 1, _PADDING, size),
            k.ToImages(size),
            nn.Tanh(),
        ]
        self.layers = nn.SequentialCell(layers)

    def construct(self, latents: Tensor) -> Tensor:
        """Turn latents (N, n) into images (N, C, S, S) in [-1, 1]."""
        return self.layers(latents)


@discriminator("wgan")
class WGANCritic(nn.Cell):
    """Four 5x5 convolutions with LeakyReLU, the last without stride, and a dense layer; no batch normalisation.

    The score is unbounded. Dropout, which the source's code has and its text drops, is left out.

    Parameters
    ----------
    image : ImageShape
        Shape of the images to judge; at least 8 pixels.
    widths : sequence of int
        Channels of the convolutions.
    slope : float
        Slope of LeakyReLU below zero.
    spectral : bool
        Whether all layers have spectral normalisation (Miyato et al. 2018).
    gain : float
        What the logits are multiplied with, above 0; more than 1 loosens the bound that `spectral` sets to D's slope.
    outputs : int
        Number of logits; more than 1 in a conditional run.
    """

    def __init__(
        self,
        image: ImageShape,
        widths: tuple[int, ...] = (32, 64, 128, 128),
        slope: UnitInterval = 0.2,
        spectral: bool = False,
        gain: float = 1.0,
        outputs: int = 1,
    ):
        super().__init__()
        k = kit()
        conv, dense = (k.SpectralConv2d, k.SpectralDense) if spectral else (k.Conv2d, k.Dense)
        layers: list[nn.Cell] = [k.FromImages()]
        before, size = image.channels, image.size
        for number, width in enumerate(widths, 1):
            stride = 1 if number == len(widths) else 2
            layers += [conv(before, width, _KERNEL, stride, _PADDING, size), k.LeakyReLU(slope)]
            before, size = width, (size - 1) // stride + 1
        last = dense(before * size * size, outputs)
        self.layers = nn.SequentialCell([*layers, last, k.ToLogits(outputs), *gained(gain)])

    def construct(self, images: Tensor) -> Tensor:
        """Turn images (N, C, S, S) into scores (N, outputs)."""
        return self.layers(images)
