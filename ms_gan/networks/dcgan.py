"""Recipe dcgan: DCGAN.

A convolution before batch normalisation has no bias (MindSpore's default): the normalisation would take it away again.
"""

import itertools

from mindspore import Tensor, nn

from ms_gan.errors import resizing
from ms_gan.networks.kit import doubling, kit
from ms_gan.networks.registry import ImageShape, UnitInterval, discriminator, generator
from ms_gan.networks.spectral import gained


def sizes_up_to(size: int) -> list[int]:
    """Return the way from 1 pixel to `size`: doubled where it is even, one more where it is odd.

    28 gives recipe dcgan's 1, 2, 3, 6, 7, 14, 28, and 32 gives 1, 2, 4, 8, 16, 32.
    """
    way = [size]
    while way[0] > 1:
        way.insert(0, way[0] - 1 if way[0] % 2 else way[0] // 2)
    return way


@generator("dcgan")
class DCGANGenerator(nn.Cell):
    """Transposed convolutions with batch normalisation and ReLU from 1x1 to the image; Tanh at the end.

    Parameters
    ----------
    latent_size : int
        Length of a latent vector.
    image : ImageShape
        Shape of the images to make; at least 2 pixels.
    widths : sequence of int
        Channels before the last block, before the one before it, and so on; the last width holds for what
        comes before. The source does not state them; these mirror its discriminator's.
    upsample : bool
        Whether what doubles is nearest upsampling and a 3x3 convolution rather than a transposed one of 4x4.

    Raises
    ------
    ValueError
        If the images have 1 pixel: there is nothing to grow.
    """

    def __init__(
        self,
        latent_size: int,
        image: ImageShape,
        widths: tuple[int, ...] = (32, 64, 128, 128, 64),
        upsample: bool = False,
    ):
        super().__init__()
        if image.size < 2:
            raise ValueError(f"images of 1 pixel are too small; resize them with {resizing(28)}")
        k = kit()
        way = sizes_up_to(image.size)
        blocks = list(itertools.pairwise(way))
        layers: list[nn.Cell] = [k.FromLatents()]
        before = latent_size
        for number, (size, larger) in enumerate(blocks, 1):
            last = number == len(blocks)
            after = image.channels if last else widths[min(len(blocks) - number, len(widths)) - 1]
            if larger == 2 * size and size > 1:
                layers.append(doubling(k, before, after, size, upsample, has_bias=last))
            else:  # one more
                layers.append(k.Conv2dTranspose(before, after, 2, 1, 0, size, has_bias=last))
            if not last:
                layers += [k.BatchNorm(after), k.ReLU()]
            before = after
        self.layers = nn.SequentialCell([*layers, k.ToImages(image.size), nn.Tanh()])

    def construct(self, latents: Tensor) -> Tensor:
        """Turn latents (N, n) into images (N, C, S, S) in [-1, 1]."""
        return self.layers(latents)


@discriminator("dcgan")
class DCGANDiscriminator(nn.Cell):
    """3x3 convolutions with stride 2, batch normalisation and LeakyReLU, then one dense layer.

    The published fifth block has batch normalisation too. On its 1x1 result that gives the features of a batch of
    real images and of a batch of fakes the same mean, D cannot tell them apart, and G learns noise (measured on
    MNIST, 2,811 steps); so the last block goes without, unless `normalise_last` is set.

    Parameters
    ----------
    image : ImageShape
        Shape of the images to judge.
    widths : sequence of int
        Channels of the convolutions.
    slope : float
        Slope of LeakyReLU below zero.
    normalise_last : bool
        Whether the last block has batch normalisation, as published.
    spectral : bool
        Whether all layers have spectral normalisation (Miyato et al. 2018) instead of batch normalisation.
    gain : float
        What the logits are multiplied with, above 0; more than 1 loosens the bound that `spectral` sets to D's slope.
    outputs : int
        Number of logits; more than 1 in a conditional run.

    Raises
    ------
    ValueError
        For `normalise_last` with `spectral`.
    """

    def __init__(
        self,
        image: ImageShape,
        widths: tuple[int, ...] = (32, 64, 128, 128, 64),
        slope: UnitInterval = 0.2,
        normalise_last: bool = False,
        spectral: bool = False,
        gain: float = 1.0,
        outputs: int = 1,
    ):
        super().__init__()
        if spectral and normalise_last:
            raise ValueError("spectral normalisation leaves no batch normalisation; leave out normalise_last")
        k = kit()
        layers: list[nn.Cell] = [k.FromImages()]
        before, size = image.channels, image.size
        for number, width in enumerate(widths, 1):
            normalised = not spectral and (number < len(widths) or normalise_last)
            if spectral:
                layers.append(k.SpectralConv2d(before, width, 3, 2, 1, size))
            else:
                layers.append(k.Conv2d(before, width, 3, 2, 1, size, has_bias=not normalised))
            if normalised:
                layers.append(k.BatchNorm(width))
            layers.append(k.LeakyReLU(slope))
            before, size = width, (size - 1) // 2 + 1
        dense = k.SpectralDense if spectral else k.Dense
        last = dense(before * size * size, outputs)
        self.layers = nn.SequentialCell([*layers, last, k.ToLogits(outputs), *gained(gain)])

    def construct(self, images: Tensor) -> Tensor:
        """Turn images (N, C, S, S) into logits (N, outputs)."""
        return self.layers(images)
