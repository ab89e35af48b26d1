"""The networks that InfoGAN has for MNIST (Chen et al. 2016), narrower: two dense and two convolutional layers each.

Half of their work is dense, which a CPU does best, and the two convolutions make clean strokes.
"""

import math

from mindspore import Tensor, nn

from ms_gan.networks.kit import doubling, kit
from ms_gan.networks.registry import ImageShape, check_multiple, discriminator, generator
from ms_gan.networks.spectral import gained

# Kernel, stride and padding of the convolutions that halve the image.
_HALVING = (4, 2, 1)


@generator("infogan")
class InfoGANGenerator(nn.Cell):
    """Two dense layers, then two convolutions that double the image; batch normalisation, ReLU, Tanh at the end.

    Parameters
    ----------
    latent_size : int
        Length of a latent vector.
    image : ImageShape
        Shape of the images to make; the size is a multiple of 4.
    widths : sequence of 3 int
        Features of the first dense layer, channels after the second, channels after the first convolution; the source
        has 1024, 128, 64.
    upsample : bool
        Whether what doubles is nearest upsampling and a 3x3 convolution rather than a transposed one of 4x4.

    Raises
    ------
    ValueError
        If the image size is not a multiple of 4.
    """

    def __init__(
        self,
        latent_size: int,
        image: ImageShape,
        widths: tuple[int, int, int] = (256, 64, 32),
        upsample: bool = False,
    ):
        super().__init__()
        check_multiple(image, 4)
        k, small = kit(), image.size // 4
        features, wide, narrow = widths
        spread = math.prod((wide, small, small))
        self.layers = nn.SequentialCell(
            k.FromLatents(),
            k.Dense(latent_size, features, has_bias=False),
            k.BatchNorm(features),
            k.ReLU(),
            k.Dense(features, spread, has_bias=False),
            k.BatchNorm(spread),
            k.ReLU(),
            k.Unflatten(wide, small),
            doubling(k, wide, narrow, small, upsample, has_bias=False),
            k.BatchNorm(narrow),
            k.ReLU(),
            doubling(k, narrow, image.channels, 2 * small, upsample, has_bias=True),
            k.ToImages(image.size),
            nn.Tanh(),
        )

    def construct(self, latents: Tensor) -> Tensor:
        """Turn latents (N, n) into images (N, C, S, S) in [-1, 1]."""
        return self.layers(latents)


@discriminator("infogan")
class InfoGANDiscriminator(nn.Cell):
    """Two convolutions that halve the image, then two dense layers, with LeakyReLU(0.2).

    Without the source's batch normalisation: every penalty is of one image, and real and fake are judged at once.

    Parameters
    ----------
    image : ImageShape
        Shape of the images to judge; the size is a multiple of 4.
    widths : sequence of 3 int
        Channels after the first and the second convolution, features of the dense layer; the source has 64, 128, 1024.
    spectral : bool
        Whether all layers have spectral normalisation (Miyato et al. 2018).
    gain : float
        What the logits are multiplied with, above 0; more than 1 loosens the bound that `spectral` sets to D's slope.
    outputs : int
        Number of logits; more than 1 in a conditional run.

    Raises
    ------
    ValueError
        If the image size is not a multiple of 4.
    """

    def __init__(
        self,
        image: ImageShape,
        widths: tuple[int, int, int] = (32, 64, 256),
        spectral: bool = False,
        gain: float = 1.0,
        outputs: int = 1,
    ):
        super().__init__()
        check_multiple(image, 4)
        k, small = kit(), image.size // 4
        conv, dense = (k.SpectralConv2d, k.SpectralDense) if spectral else (k.Conv2d, k.Dense)
        narrow, wide, features = widths
        self.layers = nn.SequentialCell(
            k.FromImages(),
            conv(image.channels, narrow, *_HALVING, image.size),
            k.LeakyReLU(0.2),
            conv(narrow, wide, *_HALVING, 2 * small),
            k.LeakyReLU(0.2),
            dense(wide * small * small, features),
            k.LeakyReLU(0.2),
            dense(features, outputs),
            k.ToLogits(outputs),
            *gained(gain),
        )

    def construct(self, images: Tensor) -> Tensor:
        """Turn images (N, C, S, S) into logits (N, outputs)."""
        return self.layers(images)
