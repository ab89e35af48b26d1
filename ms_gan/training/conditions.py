"""Class and image judged together: the score of an image, and that of it as one of its class, added up.

The discriminator of a conditional run has a logit and one more for every class (`ms_gan.networks.configured`). Real and
fake images of a step are of the same classes, in the same order: they are drawn with the data.
"""

from collections.abc import Callable

import numpy as np
from mindspore import Tensor, nn

from ms_gan.config import Config
from ms_gan.data.classes import one_hot

# (images (N, C, S, S), choice) -> logits (N, 1); a conditional run alone has a choice: a tensor (N, 1 + classes), 1 in
# its first column and in that of the image's class.
Judge = Callable[..., Tensor]


def make_judge(critic: nn.Cell) -> Judge:
    """Return the critic as a function of images and what tells their classes."""

    def judge(images: Tensor, *choice: Tensor) -> Tensor:
        return chosen(critic(images), *choice)

    return judge


def chosen(logits: Tensor, *choice: Tensor) -> Tensor:
    """Return the logit (N, 1) of each image for its class from all its logits (N, 1 + classes)."""
    if len(choice) == 0:
        return logits
    return (logits * choice[0]).sum(axis=1, keepdims=True)


def choice_for(numbers: np.ndarray, classes: int) -> np.ndarray:
    """Return what tells that images are of the classes `numbers`, int (N,): float32 (N, 1 + classes)."""
    return np.concatenate([np.ones((len(numbers), 1), np.float32), one_hot(numbers, classes)], axis=1)


def choice_of(config: Config) -> Callable[[tuple[Tensor, ...]], tuple[Tensor, ...]]:
    """Return what takes from all that was drawn for a step what tells the classes: the last, if anything does."""
    conditional = config.conditional

    def choice(drawn: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return drawn[-1:] if conditional else ()

    return choice
