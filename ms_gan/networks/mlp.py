"""Recipe mlp: the fully connected networks of the MindSpore GAN on MNIST."""

import math

from mindspore import Tensor, nn

from ms_gan.networks.kit import kit
from ms_gan.networks.registry import ImageShape, discriminator, generator
from ms_gan.networks.spectral import SpectralDense, gained


@generator("mlp")
class MLPGenerator(nn.Cell):
    """Dense layers with ReLU, batch normalisation from the second on; Tanh at the end.

    Parameters
    ----------
    latent_size : int
        Length of a latent vector.
    image : ImageShape
        Shape of the images to make.
    widths : sequence of int
        Widths of the hidden layers.
    """

    def __init__(self, latent_size: int, image: ImageShape, widths: tuple[int, ...] = (128, 256, 512, 1024)):
        super().__init__()
        self.image = (image.channels, image.size, image.size)
        layers: list[nn.Cell] = []
        previous = latent_size
        for index, width in enumerate(widths):
            layers.append(nn.Dense(previous, width))
            if index > 0:
                layers.append(kit().BatchNorm1d(width))
            layers.append(nn.ReLU())
            previous = width
        layers += [nn.Dense(previous, math.prod(self.image)), nn.Tanh()]
        self.layers = nn.SequentialCell(layers)

    def construct(self, latents: Tensor) -> Tensor:
        """Turn latents (N, n) into images (N, C, S, S) in [-1, 1]."""
        return self.layers(latents).reshape((-1, *self.image))


@discriminator("mlp")
class MLPDiscriminator(nn.Cell):
    """Dense layers with LeakyReLU(0.2); one logit per image (the source's sigmoid is in the loss).

    Parameters
    ----------
    image : ImageShape
        Shape of the images to judge.
    widths : sequence of int
        Widths of the hidden layers.
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
        widths: tuple[int, ...] = (512, 256),
        spectral: bool = False,
        gain: float = 1.0,
        outputs: int = 1,
    ):
        super().__init__()
        dense = SpectralDense if spectral else nn.Dense
        layers: list[nn.Cell] = []
        previous = self.pixels = image.channels * image.size * image.size
        for width in widths:
            layers += [dense(previous, width), kit().LeakyReLU(0.2)]
            previous = width
        self.layers = nn.SequentialCell([*layers, dense(previous, outputs), *gained(gain)])

    def construct(self, images: Tensor) -> Tensor:
        """Turn images (N, C, S, S) into logits (N, outputs)."""
        return self.layers(images.reshape((-1, self.pixels)))
