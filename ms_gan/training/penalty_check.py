"""Prove, before a penalised run, that the penalty's gradient reaches every weight of its critic in its mode.

MindSpore's PyNative mode silently gives zero gradients for some critics (dense weights behind a flatten), so a
run never starts on trust.
"""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from ms_gan.config import Config
from ms_gan.errors import UserError, first_line
from ms_gan.networks import ImageShape
from ms_gan.objectives import noise_shape
from ms_gan.objectives.penalties import squared_gradient_norms
from ms_gan.training.conditions import choice_for, make_judge
from ms_gan.training.judgement import make_judgement

_IMAGES = 4
# Changes of the penalty, relative to it, that the finite differences aim at: small, because the penalty of a critic
# with ReLU jumps wherever a unit changes sides; not so small that float32 sees nothing.
_AIMS = (3e-5, 1e-4, 3e-4, 1e-3, 1e-2)
_LARGEST_STEP, _SMALLEST_STEP = 3e-3, 1e-5  # relative to the weights
_TOLERANCE = 0.03  # relative, between the gradient and a difference
_ROUNDING = 2e-6  # of the penalty: what float32 puts into a difference
_AGREEMENTS, _BATCHES = 2, 8  # so many differences must agree, from at most so many batches
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
    try:
        with _no_graph_left():
            return _check(critic, config, image)
    except RuntimeError as error:
        reason = first_line(error)
        raise UserError(
            f"config objective.penalty: MindSpore cannot differentiate the {config.objective.penalty} penalty of the "
            f"discriminator '{config.discriminator.name}' ({reason}); choose another penalty or discriminator"
        ) from error
    finally:
        for name, parameter in critic.parameters_dict().items():
            ops.assign(parameter, Tensor(before[name]))


@contextlib.contextmanager
def _no_graph_left() -> Iterator[None]:
    """Drop the file that MindSpore writes of a graph that it cannot compile; it would lie in the working directory."""
    if "MS_OM_PATH" in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MS_OM_PATH"] = folder
        try:
            yield
        finally:
            del os.environ["MS_OM_PATH"]


def _check(critic: nn.Cell, config: Config, image: ImageShape) -> bool:
    weights = critic.trainable_params()
    value_of = _scaled_penalty(critic, config, image)
    differentiate = ms.grad(value_of, None, weights)
    compiled, value_of = ms.jit(differentiate), ms.jit(value_of)
    batches = [_inputs(config, image, seed) for seed in range(_BATCHES)]
    gradients = [gradient.asnumpy() for gradient in compiled(*batches[0])]
    same = _same_in_pynative(differentiate, batches[0], gradients)
    doubtful = [
        place
        for place, (weight, gradient) in enumerate(zip(weights, gradients, strict=True))
        if _disagreement(weight, [gradient], value_of, batches[:1])
    ]
    if doubtful:
        more = [gradients, *([gradient.asnumpy() for gradient in compiled(*batch)] for batch in batches[1:])]
        for place in doubtful:
            numbers = _disagreement(weights[place], [entry[place] for entry in more], value_of, batches)
            if numbers:
                _refuse(weights[place].name, numbers, config)
    return same


def _inputs(config: Config, image: ImageShape, seed: int) -> tuple[Tensor, ...]:
    """Return real images, fake images, the penalty's noise and, of a conditional run, what tells the classes."""
    generator = np.random.default_rng(seed)
    shape = (_IMAGES, image.channels, image.size, image.size)
    real, fake = (Tensor(generator.uniform(-1, 1, shape).astype(np.float32)) for _ in range(2))
    noise = Tensor(generator.random(noise_shape(config.objective.penalty, shape), dtype=np.float32))
    if not config.conditional:
        return real, fake, noise
    classes = len(config.class_names)
    return real, fake, noise, Tensor(choice_for(generator.integers(classes, size=_IMAGES), classes))


def _scaled_penalty(critic: nn.Cell, config: Config, image: ImageShape) -> Callable[..., Tensor]:
    """Return the penalty of a multiple of the critic, so large that its gradients are longer than 1.

    Those of a new critic are short, and there a one-sided penalty and its gradient are zero, right or wrong.
    """
    images, _, _, *choice = _inputs(config, image, 0)
    shortest = float(np.sqrt(squared_gradient_norms(make_judge(critic), images, *choice).asnumpy().min()))
    scale = 2.0 / shortest if np.isfinite(shortest) and shortest > 0 else 1.0
    judge = make_judgement(_Scaled(critic, scale), config.objective.penalty)

    def value_of(real: Tensor, fake: Tensor, noise: Tensor, *choice: Tensor) -> Tensor:
        return judge(real, fake, noise, *choice)[2]

    return value_of


class _Scaled(nn.Cell):
    """A multiple of a critic."""

    def __init__(self, critic: nn.Cell, scale: float):
        super().__init__(auto_prefix=False)
        self.critic, self.scale = critic, scale

    def construct(self, images: Tensor) -> Tensor:
        return self.critic(images) * self.scale


def _disagreement(
    weight: Parameter, gradients: list[np.ndarray], value_of: Callable[..., Tensor], batches: list[tuple]
) -> tuple[float, float] | None:
    """Return a change of the penalty as foretold by the gradient and as measured; None where enough of them agree.

    `gradients` are those of `weight` for each batch.
    """
    start = weight.asnumpy().copy()
    differences: tuple[list, list] = ([], [])
    try:
        for gradient, batch in zip(gradients, batches, strict=True):

            def value(values: np.ndarray, batch: tuple = batch) -> float:
                # Not set_data: what has been compiled may go on with the old values.
                ops.assign(weight, Tensor(values.astype(np.float32)))
                return float(value_of(*batch).asnumpy())

            for found, direction in zip(differences, _directions(start, gradient), strict=True):
                if not _enough(found):
                    found += _differences(start, gradient, direction, value)
            if all(_enough(found) for found in differences):
                return None
    finally:
        ops.assign(weight, Tensor(start))
    return next(found[0][:2] for found in differences if not _enough(found))


def _directions(start: np.ndarray, gradient: np.ndarray) -> list[np.ndarray]:
    """Return two directions to go from `start`, as long as it; the second shows a gradient that lacks a part.

    To multiply a weight changes every penalty, except before batch normalisation, where a gradient that lacks a
    part foretells a change that does not come. For a gradient of zero, random signs are tried instead.
    """
    length = np.linalg.norm(start) or 0.01 * np.sqrt(start.size)
    outward = start if start.any() else np.full(start.shape, length / np.sqrt(start.size))
    slope = np.linalg.norm(gradient)
    if slope > 0:
        return [gradient * (length / slope), outward]
    generator, signs = np.random.default_rng(start.size), np.ones(())
    for size in start.shape:
        signs = signs[..., None] * generator.choice((-1.0, 1.0), size)
    return [outward * signs, outward]


def _differences(
    start: np.ndarray, gradient: np.ndarray, direction: np.ndarray, value: Callable[[np.ndarray], float]
) -> list[tuple[float, float, float]]:
    """Return (foretold change, measured change, penalty) for several steps, no more than are needed to agree."""
    penalty, found = value(start), []
    slope = float((gradient.astype(np.float64) * direction).sum())
    # A slope of nearly nothing must not ask for the largest step alone, where units change sides.
    aims = np.array(_AIMS) * min(abs(penalty) / max(abs(slope), 1e-30), _LARGEST_STEP / max(_AIMS))
    for step in np.unique(np.clip(aims, _SMALLEST_STEP, _LARGEST_STEP)):
        measured = 0.5 * (value(start + step * direction) - value(start - step * direction))
        found.append((step * slope, measured, penalty))
        if _enough(found):
            break
    return found


def _enough(found: list[tuple[float, float, float]]) -> bool:
    """Whether enough of the differences agree with the gradient."""
    return sum(_agrees(*difference) for difference in found) >= _AGREEMENTS


def _agrees(foretold: float, measured: float, penalty: float) -> bool:
    # NaN agrees with nothing.
    return abs(foretold - measured) <= _TOLERANCE * max(abs(foretold), abs(measured)) + _ROUNDING * abs(penalty)


def _refuse(name: str, numbers: tuple[float, float], config: Config) -> None:
    # _ROUNDING is float32's, and MindSpore lets HF32 be switched off once, for the whole run.
    on_ascend = ""
    if ms.get_context("device_target") == "Ascend":
        on_ascend = ", or, as convolutions in HF32 may look so, first another --seed (docs/ascend.md, HF32)"
    raise UserError(
        f"config objective.penalty: the gradient of the {config.objective.penalty} penalty is wrong at {name} "
        f"(MindSpore {numbers[0]:.3g}, finite differences {numbers[1]:.3g}); the run would not learn what was "
        "asked, so it is refused; choose another discriminator or penalty" + on_ascend
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
