"""A batch worked through in equal parts: the memory of one part, the gradient of all."""

from collections.abc import Callable
from typing import Any

from mindspore import Tensor, ops

# (inputs, images first) -> (a value, or several with it, gradients), as ms.value_and_grad makes it.
Differentiate = Callable[..., tuple[Any, tuple[Tensor, ...]]]


def in_parts(differentiate: Differentiate, parts: int) -> Differentiate:
    """Return a function that calls `differentiate` on each of `parts` equal parts of its inputs, one after the other.

    Gradients and scalars are averaged, which for means over images gives those of the whole batch; what has a row
    for each image is put together again, in its order. Batch normalisation takes the statistics of a part.
    """
    if parts == 1:
        return differentiate

    def accumulate(*inputs: Tensor) -> tuple[Any, tuple[Tensor, ...]]:
        outputs, gradients = differentiate(*_part(inputs, 0, parts))
        found = [outputs]
        for number in range(1, parts):
            outputs, more = differentiate(*_part(inputs, number, parts))
            found.append(outputs)
            gradients = tuple([a + b for a, b in zip(gradients, more)])  # noqa: B905
        gradients = tuple([gradient * (1.0 / parts) for gradient in gradients])
        if isinstance(found[0], tuple):
            return tuple([_joined([each[i] for each in found]) for i in range(len(found[0]))]), gradients
        return _joined(found), gradients

    return accumulate


def drawn_in_parts(generator: Callable[[Tensor], Tensor], parts: int) -> Callable[[Tensor], Tensor]:
    """Return a function that lets `generator` draw from each of `parts` equal parts of the latents, in their order."""
    if parts == 1:
        return generator

    def draw(latents: Tensor) -> Tensor:
        return _together([generator(*_part((latents,), number, parts)) for number in range(parts)])

    return draw


def _part(inputs: tuple[Tensor, ...], number: int, parts: int) -> tuple[Tensor, ...]:
    # Not a piece: a batch is in the order of the data, which may be class by class.
    return tuple([entry[number::parts] for entry in inputs])


def _together(found: list[Tensor]) -> Tensor:
    """Return the rows of all parts in the order of the batch."""
    return ops.stack(found, 1).reshape((-1, *found[0].shape[1:]))


def _joined(found: list[Tensor]) -> Tensor:
    if found[0].ndim > 0:
        return _together(found)
    total = found[0]
    for value in found[1:]:
        total = total + value
    return total * (1.0 / len(found))
