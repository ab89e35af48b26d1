"""Gradient clipping by the global norm (Pascanu et al. 2013)."""

from mindspore import Tensor, nn, ops


class ClippedOptimizer(nn.Cell):
    """An optimizer that gets gradients whose norm, over all of them together, is at most `bound`.

    Parameters
    ----------
    optimizer : nn.Cell
        The optimizer.
    bound : float
        Longer gradients are shortened to this length; their direction stays.
    """

    def __init__(self, optimizer: nn.Cell, bound: float):
        super().__init__(auto_prefix=False)
        self.optimizer, self.parameters, self.bound = optimizer, optimizer.parameters, bound

    def construct(self, gradients: tuple[Tensor, ...]) -> object:
        """Update the parameters."""
        squares = ops.square(gradients[0]).sum()
        for gradient in gradients[1:]:
            squares = squares + ops.square(gradient).sum()
        factor = self.bound / ops.maximum(ops.sqrt(squares), self.bound)
        return self.optimizer(tuple([gradient * factor for gradient in gradients]))


def clipped(optimizer: nn.Cell, bound: float | None) -> nn.Cell:
    """Return the optimizer with its gradients clipped, or as it is where `bound` is None."""
    return optimizer if bound is None else ClippedOptimizer(optimizer, bound)
