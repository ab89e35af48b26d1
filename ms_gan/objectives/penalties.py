"""Gradient penalties of the D step: pure functions of (critic, real, fake, noise, choice); each returns a scalar.

All are differentiable with respect to the critic's weights. `noise` is U[0, 1), drawn on the host, of the
shape that :func:`noise_shape` names. `choice` tells the classes, and goes to the critic where there is one.
"""

from collections.abc import Callable

import mindspore as ms
from mindspore import Tensor, ops

Critic = Callable[..., Tensor]
Penalty = Callable[..., Tensor]

# Under the root: the gradient of a root is infinite at zero.
_TINY = 1e-12


def squared_gradient_norms(critic: Critic, images: Tensor, choice: Tensor | None = None) -> Tensor:
    """Return ||grad_x critic(x)||^2 per sample, over all of C, H and W: shape (N,).

    With batch normalisation in the critic an image changes all logits of its batch; the gradient is that of their sum.
    """
    # Of functions of a function's variables, or of any number of arguments, MindSpore has no derivative here.
    if choice is None:

        def total(inputs: Tensor) -> Tensor:
            return critic(inputs).sum()

        gradient = ms.grad(total)(images)
    else:

        def total_of_classes(inputs: Tensor, choice: Tensor) -> Tensor:
            return critic(inputs, choice).sum()

        gradient = ms.grad(total_of_classes, 0)(images, choice)
    return squared_norms(gradient)


def squared_norms(gradient: Tensor) -> Tensor:
    """Return the squared length of each sample's gradient (N, C, H, W): shape (N,)."""
    return ops.square(gradient.reshape((gradient.shape[0], -1))).sum(axis=1)


def _norm_excess(critic: Critic, images: Tensor, choice: Tensor | None = None) -> Tensor:
    return ops.sqrt(squared_gradient_norms(critic, images, choice) + _TINY) - 1.0


def gradient_penalty(critic: Critic, real: Tensor, fake: Tensor, noise: Tensor, choice: Tensor | None = None) -> Tensor:
    """Mean of (||grad|| - 1)^2 at random points between real and fake (Gulrajani et al. 2017, eq. 3)."""
    return ops.square(_norm_excess(critic, real + noise * (fake - real), choice)).mean()


def one_sided_gradient_penalty(
    critic: Critic, real: Tensor, fake: Tensor, noise: Tensor, choice: Tensor | None = None
) -> Tensor:
    """Mean of max(0, ||grad|| - 1)^2 at random points between real and fake (Petzka et al. 2018)."""
    return ops.square(ops.relu(_norm_excess(critic, real + noise * (fake - real), choice))).mean()


def r1_penalty(critic: Critic, real: Tensor, fake: Tensor, noise: Tensor, choice: Tensor | None = None) -> Tensor:
    """Half the mean of ||grad||^2 at the real images (Mescheder et al. 2018, eq. 9)."""
    return 0.5 * squared_gradient_norms(critic, real, choice).mean()


def r2_penalty(critic: Critic, real: Tensor, fake: Tensor, noise: Tensor, choice: Tensor | None = None) -> Tensor:
    """Half the mean of ||grad||^2 at the fake images (Mescheder et al. 2018, eq. 10)."""
    return 0.5 * squared_gradient_norms(critic, fake, choice).mean()


def r1_r2_penalty(critic: Critic, real: Tensor, fake: Tensor, noise: Tensor, choice: Tensor | None = None) -> Tensor:
    """R1 and R2 together, as the relativistic loss of pairs needs them (Huang et al. 2024, R3GAN)."""
    return r1_penalty(critic, real, fake, noise, choice) + r2_penalty(critic, real, fake, noise, choice)


def dragan_penalty(critic: Critic, real: Tensor, fake: Tensor, noise: Tensor, choice: Tensor | None = None) -> Tensor:
    """Mean of (||grad|| - 1)^2 at real images moved by noise in [0, 1) of half their deviation (Kodali et al. 2017).

    The variant that has the points of the authors' code at their farthest: the code goes a random part of that way, one
    for each image, and the paper (Algorithm 1) moves the images by N(0, c I).
    """
    centred = real - real.mean()
    deviation = ops.sqrt(ops.square(centred).mean())
    return ops.square(_norm_excess(critic, real + 0.5 * deviation * noise, choice)).mean()


PENALTIES: dict[str, Penalty] = {
    "gradient": gradient_penalty,
    "gradient_one_sided": one_sided_gradient_penalty,
    "r1": r1_penalty,
    "r2": r2_penalty,
    "r1_r2": r1_r2_penalty,
    "dragan": dragan_penalty,
}


def noise_shape(name: str, batch_shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of the noise for a batch (N, C, H, W): a number per pixel for DRAGAN, else one per image."""
    return batch_shape if name == "dragan" else (batch_shape[0], 1, 1, 1)
