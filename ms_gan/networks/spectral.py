"""Spectral normalisation: a weight divided by its largest singular value (Miyato et al. 2018)."""

from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import Normal, initializer

# Added to lengths that are divided by.
_TINY = 1e-12


class SpectralScale(nn.Cell):
    """Divides a weight by the largest singular value of its matrix (outputs, the rest), found by power iteration.

    Each use in training makes one iteration more; the vector ``u`` (outputs,) is saved with the network. The
    gradient takes the singular vectors for constants, which at convergence is exact.

    Parameters
    ----------
    rows : int
        Length of the weight's first axis.
    """

    def __init__(self, rows: int):
        super().__init__()
        self.u = Parameter(initializer(Normal(1.0), (rows,)), name="u", requires_grad=False)
        self.divide = _Divide()

    def construct(self, weight: Tensor) -> Tensor:
        """Return the weight, divided."""
        matrix = ops.stop_gradient(weight).reshape((weight.shape[0], -1))
        # Products by broadcasting: vectors are no matrices, and there is little to do.
        right = _unit((matrix * ops.stop_gradient(self.u).reshape((-1, 1))).sum(axis=0))
        left = _unit((matrix * right).sum(axis=1))
        if self.training:
            ops.assign(self.u, left)
        outer = left.reshape((-1, 1)) * right
        return self.divide(weight, outer.reshape(weight.shape))


class _Divide(nn.Cell):
    """A weight divided by its product with the singular vectors' outer product.

    With a derivative of its own, because the two parts of MindSpore's are added up in another order in each mode.
    """

    def construct(self, weight: Tensor, outer: Tensor) -> Tensor:
        """Divide."""
        return weight / (weight * outer).sum()

    def bprop(self, weight: Tensor, outer: Tensor, out: Tensor, dout: Tensor) -> tuple[Tensor, Tensor]:
        """Return the derivative; `outer` is a constant."""
        largest = (weight * outer).sum()
        return (dout - outer * (dout * out).sum()) / largest, ops.zeros_like(outer)


def _unit(vector: Tensor) -> Tensor:
    return vector / (ops.sqrt(ops.square(vector).sum()) + _TINY)
