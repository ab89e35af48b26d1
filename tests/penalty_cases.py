"""Small critics and inputs for the penalties, the same critics in float64, and the gradient in either mode."""

import float64_layers as exact
import mindspore as ms
import numpy as np
from mindspore import Tensor

from ms_gan.networks import ImageShape, build_discriminator
from ms_gan.objectives import PENALTIES, noise_shape

CRITICS = {
    "dense": ("mlp", ImageShape(2, 4), {"widths": [6, 5]}),
    "conv": ("wgan", ImageShape(2, 6), {"widths": [3, 4]}),
}
# How large the weights are, so that the norms of the gradients lie on both sides of 1, where the penalties bend.
GAINS = {"dense": 1.3, "conv": 1.75}
SLOPE, IMAGES = 0.2, 4


def build_critic(name):
    """Return a critic and the shape of its images."""
    family, image, options = CRITICS[name]
    critic = build_discriminator(family, image, options).set_train()
    rng = np.random.default_rng(7)
    for parameter in critic.get_parameters():
        fan_in = max(1, int(np.prod(parameter.shape[1:])))
        values = rng.standard_normal(parameter.shape) * (GAINS[name] / np.sqrt(fan_in) if parameter.ndim > 1 else 0.3)
        parameter.set_data(Tensor(values.astype(np.float32)))
    return critic, image


def exact_critic(name, weights):
    """Return the critic in float64 with `weights` in the order of its parameters."""
    pairs = list(zip(weights[::2], weights[1::2], strict=True))
    layers = []
    for number, (weight, bias) in enumerate(pairs, 1):
        if number == len(pairs) or name == "dense":
            layers.append(("dense", weight, bias))
        else:
            layers.append(("conv", weight, bias, 1 if number == len(pairs) - 1 else 2, 2))
        layers.append(("leaky", SLOPE))
    return exact.Critic(layers[:-1])


def inputs_for(penalty, image):
    """Return real and fake images and the penalty's noise."""
    rng = np.random.default_rng(8)
    shape = (IMAGES, image.channels, image.size, image.size)
    real, fake = rng.uniform(-1, 1, (2, *shape)).astype(np.float32)
    return real, fake, rng.random(noise_shape(penalty, shape), dtype=np.float32)


def penalty_gradient(penalty, critic, inputs, mode):
    """Return the penalty and its gradient with respect to every trainable weight."""

    def value_of(real, fake, noise):
        return PENALTIES[penalty](critic, real, fake, noise)

    differentiate = ms.value_and_grad(value_of, None, critic.trainable_params())
    if mode == "graph":
        differentiate = ms.jit(differentiate)
    value, gradients = differentiate(*map(Tensor, inputs))
    return float(value.asnumpy()), [gradient.asnumpy() for gradient in gradients]
