"""Prove, before a penalised run, that the penalty's gradient reaches every weight of its critic in its mode.

MindSpore's PyNative mode silently gives zero gradients for some critics (dense weights behind a flatten), so a
run never starts on trust.
"""

from collections.abc import Callable

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn

from ms_gan.config import Config
from ms_gan.errors import UserError
from ms_gan.networks import ImageShape
from ms_gan.objectives import PENALTIES, noise_shape

_IMAGES = 4
_STEP = 0.005  # relative change of a weight tensor for the finite difference
_TOLERANCE = 0.05  # relative, against finite differences in float32
_KINKS = 0.05  # of the largest change: what rounding and crossed kinks of ReLU put into a difference
_SAME = 1e-3  # relative, between the modes


def pynative_is_right(critic: nn.Cell, config: Config, image: ImageShape) -> bool:
    """Check the gradient of the penalty by finite differences in graph mode, and PyNative's against it.

    Parameters
    ----------
    critic : nn.Cell
        The critic; it is left as it was.
    config : Config
        A run with a penalty.
    image : ImageShape
        Shape of the images.

    Returns
    -------
    bool
        Whether PyNative mode gives the gradient that graph mode gives.

    Raises
    ------
    UserError
        If graph mode's gradient is wrong or cannot be computed; the run would learn something else.
    """
    before = {name: value.asnumpy().copy() for name, value in critic.parameters_dict().items()}
    weights = critic.trainable_params()
    value_of, inputs = _penalty_value(critic, config, image)
    differentiate = ms.grad(value_of, None, weights)
    try:
        gradients = [gradient.asnumpy() for gradient in ms.jit(differentiate)(*inputs)]
        changes = [
            _changes(weight, gradient, lambda: float(value_of(*inputs).asnumpy()))
            for weight, gradient in zip(weights, gradients, strict=True)
        ]
        _compare(changes, [weight.name for weight in weights], config)
        return _same_in_pynative(differentiate, inputs, gradients)
    except RuntimeError as error:
        reason = next(iter(str(error).strip().splitlines()), "")
        raise UserError(
            f"config objective.penalty: MindSpore cannot differentiate the {config.objective.penalty} penalty of the "
            f"discriminator '{config.discriminator.name}' ({reason}); choose another penalty or discriminator"
        ) from error
    finally:
        for name, parameter in critic.parameters_dict().items():
            parameter.set_data(Tensor(before[name]))


def _penalty_value(critic: nn.Cell, config: Config, image: ImageShape) -> tuple[Callable[..., Tensor], tuple]:
    """Return the penalty as a function of its inputs, and inputs from a fixed seed."""
    penalty = PENALTIES[config.objective.penalty]
    generator = np.random.default_rng(0)
    shape = (_IMAGES, image.channels, image.size, image.size)
    real, fake = (Tensor(generator.uniform(-1, 1, shape).astype(np.float32)) for _ in range(2))
    noise = Tensor(generator.random(noise_shape(config.objective.penalty, shape), dtype=np.float32))

    def value_of(real: Tensor, fake: Tensor, noise: Tensor) -> Tensor:
        return penalty(critic, real, fake, noise)

    return value_of, (real, fake, noise)


def _changes(weight: Parameter, gradient: np.ndarray, value: Callable[[], float]) -> tuple[float, float]:
    """Return the penalty's change along the gradient (a random direction where it is zero): foretold, and measured."""
    start = weight.asnumpy().copy()
    direction = gradient if gradient.any() else np.random.default_rng(1).standard_normal(start.shape)
    size = np.linalg.norm(start) or np.sqrt(start.size) * 0.01
    direction = (direction * (_STEP * size / np.linalg.norm(direction))).astype(np.float32)
    values = []
    for sign in (1, -1):
        weight.set_data(Tensor(start + sign * direction))
        values.append(value())
    weight.set_data(Tensor(start))
    return float((gradient * direction).sum()), 0.5 * (values[0] - values[1])


def _compare(changes: list[tuple[float, float]], names: list[str], config: Config) -> None:
    largest = max(abs(measured) for _, measured in changes)
    for (foretold, measured), name in zip(changes, names, strict=True):
        # Written so that NaN is refused, too.
        if not abs(foretold - measured) <= _TOLERANCE * abs(measured) + _KINKS * largest:
            raise UserError(
                f"config objective.penalty: the gradient of the {config.objective.penalty} penalty is wrong at {name} "
                f"(MindSpore {foretold:.3g}, finite differences {measured:.3g}); the run would not learn what was "
                "asked, so it is refused; choose another discriminator or penalty"
            )


def _same_in_pynative(differentiate: Callable, inputs: tuple, gradients: list[np.ndarray]) -> bool:
    try:
        found = [gradient.asnumpy() for gradient in differentiate(*inputs)]
    except (RuntimeError, TypeError, ValueError):
        return False
    largest = max(float(np.abs(gradient).max()) for gradient in gradients)
    return all(
        np.abs(ours - theirs).max() <= _SAME * max(float(np.abs(ours).max()), _SAME * largest)
        for ours, theirs in zip(gradients, found, strict=True)
    )
