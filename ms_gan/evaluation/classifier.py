"""The project's own feature network: a small convolutional classifier, trained on the labels of the data."""

from collections.abc import Callable
from dataclasses import dataclass

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from ms_gan.data.stream import generator_for
from ms_gan.networks.kit import kit

FEATURES = 64
VERSION = "cnn-v1"
_WIDTHS = ((32, 5, 2), (64, 3, 1), (64, 3, 2), (128, 3, 2))  # channels, kernel, stride
_SLOPE = 0.1
_BATCH = 256
_STEPS = 1000  # 4.3 passes over MNIST; the rate climbs for a quarter of them, then falls to nearly 0
_CLIMB = 0.25
_RATE = 4e-3
_SHIFT = 2  # pixels by which training images are moved at random
_SEED = 20_261_122
_ORDER, _SHIFTS = range(2)
_TO_FLOAT = ((np.arange(256) - 127.5) / 127.5).astype(np.float32)


@dataclass(frozen=True)
class Trained:
    """A trained classifier as plain arrays."""

    weights: dict[str, np.ndarray]
    accuracy: float
    """Share of the held-out images that it names right."""


class Classifier(nn.Cell):
    """Four convolutions with batch normalisation, a dense layer of 64 features, and one logit for each class.

    Parameters
    ----------
    channels, size : int
        Shape of the images.
    classes : int
        Number of classes.
    """

    def __init__(self, channels: int, size: int, classes: int):
        super().__init__()
        k = kit()
        layers: list[nn.Cell] = [k.FromImages()]
        before = channels
        for width, kernel, stride in _WIDTHS:
            layers += [
                k.Conv2d(before, width, kernel, stride, kernel // 2, size),
                k.BatchNorm(width),
                k.LeakyReLU(_SLOPE),
            ]
            before, size = width, (size - 1) // stride + 1
        layers += [k.Dense(before * size * size, FEATURES), k.BatchNorm(FEATURES), k.LeakyReLU(_SLOPE), k.ToImages(1)]
        self.body = nn.SequentialCell(layers)
        self.head = nn.Dense(FEATURES, classes)

    def construct(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Turn images (N, C, S, S) in [-1, 1] into features (N, 64) and logits (N, classes)."""
        features = self.body(images).reshape((images.shape[0], -1))
        return features, self.head(features)


def train_classifier(
    images: np.ndarray, labels: np.ndarray, classes: int, announce: Callable[[str], None]
) -> Classifier:
    """Train a classifier; equal data give equal weights (on one machine and version of MindSpore).

    Parameters
    ----------
    images : ndarray of uint8, shape (N, C, S, S)
        Training images.
    labels : ndarray of int, shape (N,)
        Their classes, from 0.
    classes : int
        Number of classes.
    announce : callable
        Takes a line from time to time.

    Returns
    -------
    Classifier
        Ready for :func:`judge`.
    """
    ms.set_seed(_SEED)
    network = Classifier(*images.shape[1:3], classes).set_train()
    optimizer = nn.Adam(network.trainable_params(), learning_rate=_one_cycle())

    def loss(batch: Tensor, wanted: Tensor) -> Tensor:
        _, logits = network(batch)
        return ops.cross_entropy(logits, wanted)

    differentiate = ms.value_and_grad(loss, None, optimizer.parameters)

    @ms.jit
    def step(batch: Tensor, wanted: Tensor) -> Tensor:
        value, gradients = differentiate(batch, wanted)
        optimizer(gradients)
        return value

    size = min(_BATCH, len(images))
    per_pass = len(images) // size
    for number in range(_STEPS):
        epoch, place = divmod(number, per_pass)
        if place == 0:
            order = generator_for(_SEED, _ORDER, epoch).permutation(len(images))
        chosen = np.sort(order[place * size : (place + 1) * size])
        value = step(Tensor(_moved(images[chosen], number)), Tensor(labels[chosen].astype(np.int32)))
        if (number + 1) % (_STEPS // 4) == 0:
            announce(f"  step {number + 1} of {_STEPS}: loss {float(value.asnumpy()):.3f}")
    return network


def judge(network: Classifier) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return the function from uint8 images (N, C, S, S) to features (N, 64) and probabilities (N, classes)."""
    network.set_train(False)

    @ms.jit
    def run(batch: Tensor) -> tuple[Tensor, Tensor]:
        features, logits = network(batch)
        return features, ops.softmax(logits, -1)

    def apply(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        features, probabilities = [], []
        for start in range(0, len(images), _BATCH):
            block = images[start : start + _BATCH]
            # The last block is filled up: another batch size would be compiled anew.
            filled = np.concatenate([block, np.zeros((_BATCH - len(block), *block.shape[1:]), block.dtype)])
            found = run(Tensor(_TO_FLOAT[filled]))
            features.append(found[0].asnumpy()[: len(block)])
            probabilities.append(found[1].asnumpy()[: len(block)])
        return np.concatenate(features), np.concatenate(probabilities)

    return apply


def weights_of(network: Classifier) -> dict[str, np.ndarray]:
    """Return all parameters by name."""
    return {parameter.name: parameter.asnumpy().copy() for parameter in network.get_parameters()}


def with_weights(channels: int, size: int, classes: int, weights: dict[str, np.ndarray]) -> Classifier:
    """Build a classifier from its parameters; names and shapes must be those of :func:`weights_of`."""
    network = Classifier(channels, size, classes)
    ms.load_param_into_net(
        network, {name: ms.Parameter(Tensor(array), name=name) for name, array in weights.items()}, strict_load=True
    )
    return network


def _one_cycle() -> list[float]:
    """Return the learning rate of every step (Smith and Topin 2018)."""
    climb = round(_CLIMB * _STEPS)
    up = np.linspace(0.04, 1, climb, endpoint=False)
    down = 0.5 * (1 + np.cos(np.linspace(0, np.pi, _STEPS - climb)))
    return (_RATE * np.concatenate([up, np.maximum(down, 1e-3)])).tolist()


def _moved(images: np.ndarray, number: int) -> np.ndarray:
    """Move every image by up to two pixels each way, and scale to [-1, 1]."""
    count, channels, size, _ = images.shape
    wide = np.pad(images, ((0, 0), (0, 0), (_SHIFT, _SHIFT), (_SHIFT, _SHIFT)), mode="edge")
    shifts = generator_for(_SEED, _SHIFTS, number).integers(0, 2 * _SHIFT + 1, (2, count, 1))
    rows, columns = shifts + np.arange(size)
    every, channel = np.arange(count)[:, None, None, None], np.arange(channels)[None, :, None, None]
    return _TO_FLOAT[wide[every, channel, rows[:, None, :, None], columns[:, None, None, :]]]
