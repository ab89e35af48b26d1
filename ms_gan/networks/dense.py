"""Recipe dense: the dense networks of the GAN with loss and accuracy histories."""

import math

from mindspore import Tensor, nn

from ms_gan.networks.kit import kit
from ms_gan.networks.mlp import MLPDiscriminator
from ms_gan.networks.registry import ImageShape, UnitInterval, discriminator, generator


@generator("dense")
class DenseGenerator(nn.Cell):
    """Dense layers, each with LeakyReLU and then batch normalisation; Tanh at the end.

    Parameters
    ----------
    latent_size : int
        Length of a latent vector.
    image : ImageShape
        Shape of the images to make.
    widths : sequence of int
        Widths of the hidden layers.
    momentum : float
        Share of the old value in the moving statistics, in (0, 1).
    """

    def __init__(
        self,
        latent_size: int,
        image: ImageShape,
        widths: tuple[int, ...] = (256, 512, 1024),
        momentum: UnitInterval = 0.8,
    ):
        super().__init__()
        self.image = (image.channels, image.size, image.size)
        layers: list[nn.Cell] = []
        previous = latent_size
        for width in widths:
            layers += [nn.Dense(previous, width), kit().LeakyReLU(0.2), kit().BatchNorm1d(width, momentum=momentum)]
            previous = width
        self.layers = nn.SequentialCell([*layers, nn.Dense(previous, math.prod(self.image)), nn.Tanh()])

    def construct(self, latents: Tensor) -> Tensor:
        """Turn latents (N, n) into images (N, C, S, S) in [-1, 1]."""
        return self.layers(latents).reshape((-1, *self.image))


# Recipe dense's discriminator is recipe mlp's with other widths.
discriminator("dense")(MLPDiscriminator)
