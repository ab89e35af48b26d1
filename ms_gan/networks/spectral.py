"""Spectral normalisation: a weight divided by its largest singular value (Miyato et al. 2018)."""

from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import Normal, initializer

# Squared lengths below this count as this.
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
        self.from_left, self.from_right = ops.MatMul(), ops.MatMul(transpose_b=True)
        self.unit_row, self.unit_column = ops.L2Normalize(1, _TINY), ops.L2Normalize(0, _TINY)
        self.divide = _Divide()

    def construct(self, weight: Tensor) -> Tensor:
        """Return the weight, divided."""
        matrix = ops.stop_gradient(weight).reshape((weight.shape[0], -1))
        right = self.unit_row(self.from_left(ops.stop_gradient(self.u).reshape((1, -1)), matrix))
        stretched = self.from_right(matrix, right)
        left = self.unit_column(stretched)
        if self.training:
            ops.assign(self.u, left.reshape((-1,)))
        return self.divide(weight, left, right, (left * stretched).sum())


class _Divide(nn.Cell):
    """A weight divided by its largest singular value, the product of the singular vectors with it.

    With a derivative of its own, because the two parts of MindSpore's are added up in another order in each mode.
    """

    def construct(self, weight: Tensor, left: Tensor, right: Tensor, largest: Tensor) -> Tensor:
        """Divide."""
        return weight / largest

    def bprop(
        self, weight: Tensor, left: Tensor, right: Tensor, largest: Tensor, out: Tensor, dout: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the derivative; the singular vectors are constants."""
        outer = (left * right).reshape(weight.shape)
        constants = ops.zeros_like(left), ops.zeros_like(right), ops.zeros_like(largest)
        return (dout - outer * (dout * out).sum()) / largest, *constants


class Gain(nn.Cell):
    """Logits times a constant: the largest slope that spectral normalisation leaves a critic is multiplied by it.

    Parameters
    ----------
    factor : float
        The constant, above 0.

    Raises
    ------
    ValueError
        If it is 0 or less.
    """

    def __init__(self, factor: float):
        super().__init__()
        if factor <= 0:
            raise ValueError(f"gain must be above 0, not {factor:g}")
        self.factor = factor

    def construct(self, logits: Tensor) -> Tensor:
        """Multiply."""
        return logits * self.factor


def gained(gain: float) -> list[nn.Cell]:
    """Return what a critic ends with for a gain: nothing if that is 1."""
    return [] if gain == 1 else [Gain(gain)]


class SpectralDense(nn.Dense):
    """A fully connected layer, (N, in) to (N, out), whose weight is divided by its largest singular value."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(in_channels, out_channels)
        self.scale = SpectralScale(out_channels)

    def construct(self, features: Tensor) -> Tensor:
        """Multiply."""
        # In half precision the scale is float32 all the same.
        return self.bias_add(self.matmul(features, self.scale(self.weight).astype(features.dtype)), self.bias)
