"""Convolutions as gathers of rows and matrix products, on batch-last activations (C, H * W, N).

Batch last, one tap of a kernel is a gather of whole rows of N floats, which is the only fast way that MindSpore
has to move them on a CPU: its slices, pads and resizes are 20 to 50 times slower. Every cell has a hand-written
derivative made of the same cells, because MindSpore's own derivative of a gather is a scatter. A cell can be
differentiated `order` times; gradient penalties need 2. Square images and kernels.

Two traps of MindSpore 2.10: a cell with a bprop that is differentiated twice must use primitive instances
(`ops.Gather()`), not functions (`ops.gather`), and no cell that a bprop uses may branch in construct.
"""

import math

import numpy as np
from mindspore import Tensor, nn, ops

# How often a layer can be differentiated: a gradient penalty needs its gradient's gradient.
_ORDER = 2


class _ZeroRow(nn.Cell):
    """(C, P, N) -> (C, P + 1, N), the last row zero (a cell of its own: construct() must stay free of branches)."""

    def __init__(self):
        super().__init__()
        self.concat, self.zeros = ops.Concat(1), ops.Zeros()

    def construct(self, x):
        return self.concat((x, self.zeros((x.shape[0], 1, x.shape[2]), x.dtype)))


class _Same(nn.Cell):
    """x itself."""

    def construct(self, x):
        return x


class _Rows(nn.Cell):
    """y[:, q] = x[:, table[q]], zero where table[q] == rows; no row may be taken twice."""

    def __init__(self, table, rows):
        super().__init__()
        self.gather = ops.Gather()
        self.extend = _ZeroRow() if (table == rows).any() else _Same()
        self.table = Tensor(table.astype(np.int32))

    def construct(self, x):
        return self.gather(self.extend(x), self.table, 1)


class _RowsGrad(_Rows):
    """_Rows with its derivative."""

    def bprop(self, x, out, dout):
        return (self.adjoint(dout),)


def _rows(table, rows, order):
    cell = (_RowsGrad if order else _Rows)(table, rows)
    if order:
        inverse = np.full(rows + 1, len(table))
        inverse[table] = np.arange(len(table))
        cell.adjoint = _rows(inverse[:rows], len(table), order - 1)
    return cell


def _tap_table(size_in, size_out, kernel, stride, pad, flip):
    """(kernel^2, size_out^2) flat: input row read by tap t for output q, or size_in^2 outside the image."""
    tap = np.arange(kernel)[::-1] if flip else np.arange(kernel)
    at = np.arange(size_out) * stride - pad + tap[:, None]
    y, x = at[:, None, :, None], at[None, :, None, :]
    inside = (y >= 0) & (y < size_in) & (x >= 0) & (x < size_in)
    return np.where(inside, y * size_in + x, size_in**2).reshape(-1)


class _Columns(nn.Cell):
    """im2col: (C, P, N) -> (C * kernel^2, Q * N)."""

    def __init__(self, size_in, size_out, kernel, stride, pad, flip):
        super().__init__()
        self.gather, self.reshape = ops.Gather(), ops.Reshape()
        table = _tap_table(size_in, size_out, kernel, stride, pad, flip)
        self.extend = _ZeroRow() if (table == size_in**2).any() else _Same()
        self.table = Tensor(table.astype(np.int32))
        self.taps, self.places = kernel**2, size_out**2

    def construct(self, x):
        c, _, n = x.shape
        return self.reshape(self.gather(self.extend(x), self.table, 1), (c * self.taps, self.places * n))


class _Product(nn.Cell):
    """y[o, q] = sum over c, t of w[o, (c, t)] x[c, table[t, q]]; no derivative of its own (see _ProductGrad)."""

    def __init__(self, size_in, size_out, kernel, stride=1, pad=0, flip=False):
        super().__init__()
        self.columns = _Columns(size_in, size_out, kernel, stride, pad, flip)
        self.matmul, self.reshape = ops.MatMul(), ops.Reshape()
        self.places = size_out**2

    def construct(self, x, w):
        y = self.matmul(w, self.columns(x))
        return self.reshape(y, (w.shape[0], self.places, x.shape[2]))


class _WeightGrad(nn.Cell):
    """dw[o, (c, t)] = sum over q of dy[o, q] x[c, table[t, q]]."""

    def __init__(self, columns):
        super().__init__()
        self.columns = columns
        self.matmul, self.reshape = ops.MatMul(False, True), ops.Reshape()

    def construct(self, x, dy):
        return self.matmul(self.reshape(dy, (dy.shape[0], -1)), self.columns(x))


class _WeightGradGrad(_WeightGrad):
    """_WeightGrad with its derivative (needed only for derivatives of weight gradients)."""

    def bprop(self, x, dy, out, g):
        return self.adjoint(dy, g), self.product(x, g)


class _ProductGrad(_Product):
    """_Product with its derivative."""

    def bprop(self, x, w, out, dout):
        return self.adjoint(dout, w), self.weight_grad(x, dout)


def _product(size_in, size_out, kernel, stride, pad, flip, order):
    """Return a product that can be differentiated ``order`` times."""
    cell = (_ProductGrad if order else _Product)(size_in, size_out, kernel, stride, pad, flip)
    if not order:
        return cell
    cell.adjoint = _adjoint(size_in, size_out, kernel, stride, pad, flip, order - 1)
    cell.weight_grad = (_WeightGradGrad if order > 1 else _WeightGrad)(cell.columns)
    if order > 1:
        cell.weight_grad.adjoint = _adjoint(size_in, size_out, kernel, stride, pad, flip, order - 2)
        cell.weight_grad.product = _product(size_in, size_out, kernel, stride, pad, flip, order - 2)
    return cell


def _adjoint(size_in, size_out, kernel, stride, pad, flip, order):
    if stride == 1:
        return _AdjointOne(size_in, size_out, kernel, pad, flip, order)
    return _AdjointPhases(size_in, size_out, kernel, stride, pad, order)


class _AdjointOne(nn.Cell):
    """dx from dy and w for stride 1: the same kind of product, taps in reverse."""

    def __init__(self, size_in, size_out, kernel, pad, flip, order):
        super().__init__()
        self.product = _product(size_out, size_in, kernel, 1, kernel - 1 - pad, not flip, order)
        self.transpose, self.reshape = ops.Transpose(), ops.Reshape()
        self.taps = kernel**2

    def construct(self, dy, w):
        o = w.shape[0]
        w = self.reshape(w, (o, -1, self.taps))
        c = w.shape[1]
        return self.product(dy, self.reshape(self.transpose(w, (1, 0, 2)), (c, o * self.taps)))


def _square(taps):
    """(kernel, phases, window) 0/1 map of one axis -> (kernel^2, phases^2 * window^2) of both."""
    k, s, m = taps.shape
    return Tensor(np.einsum("arc,bsd->abrscd", taps, taps).reshape(k * k, s * s * m * m).astype(np.float32))


def _phase_order(size_out, phases, count, shift):
    """Where (phase, place) keeps output row (y, x)."""
    at = np.arange(size_out) + shift
    r, j = at % phases, at // phases
    return ((r[:, None] * phases + r) * count**2 + j[:, None] * count + j).reshape(-1)


class _AdjointPhases(nn.Cell):
    """dx from dy and w for stride > 1 (a transposed convolution): one product for all phases, then a shuffle."""

    def __init__(self, size_in, size_out, kernel, stride, pad, order):
        super().__init__()
        best = None
        for shift in range(stride):
            r, t = np.arange(stride)[:, None] - shift + pad, np.arange(kernel)
            steps = np.where((r - t) % stride == 0, (r - t) // stride, 10**6)
            low, high = int(steps.min()), int(np.where(steps < 10**6, steps, -(10**6)).max())
            if best is None or high - low < best[2] - best[1]:
                best = shift, low, high, steps
        shift, low, high, steps = best
        window, count = high - low + 1, math.ceil((size_in + shift) / stride)
        taps = np.zeros((kernel, stride, window))
        for r in range(stride):
            for t in range(kernel):
                if steps[r, t] < 10**6:
                    taps[t, r, steps[r, t] - low] = 1
        self.map = _square(taps)
        self.product = _product(size_out, count, window, 1, -low, False, order)
        self.shuffle = _rows(_phase_order(size_in, stride, count, shift), (stride * count) ** 2, order)
        self.matmul, self.transpose, self.reshape = ops.MatMul(), ops.Transpose(), ops.Reshape()
        self.taps, self.phases, self.window = kernel**2, stride**2, window**2

    def construct(self, dy, w):
        o, n = w.shape[0], dy.shape[2]
        w = self.matmul(self.reshape(w, (-1, self.taps)), self.map)
        w = self.transpose(self.reshape(w, (o, -1, self.phases, self.window)), (1, 2, 0, 3))
        c = w.shape[0]
        y = self.product(dy, self.reshape(w, (c * self.phases, o * self.window)))
        return self.shuffle(self.reshape(y, (c, -1, n)))


class _Blocks(nn.Cell):
    """A product whose outputs are made a block (or the phases of an upsampling) at a time, then put in order."""

    def __init__(self, size_in, count, taps, stride, pad, order):
        super().__init__()
        kernel, phases, window = taps.shape
        self.map = _square(taps)
        self.product = _product(size_in, count, window, stride, pad, False, order)
        self.shuffle = _rows(_phase_order(phases * count, phases, count, 0), (phases * count) ** 2, order)
        self.matmul, self.transpose, self.reshape = ops.MatMul(), ops.Transpose(), ops.Reshape()
        self.taps, self.phases, self.window = kernel**2, phases**2, window**2

    def construct(self, x, w):
        o, n = w.shape[0], x.shape[2]
        w = self.matmul(self.reshape(w, (-1, self.taps)), self.map)
        w = self.transpose(self.reshape(w, (o, -1, self.phases, self.window)), (0, 2, 1, 3))
        y = self.product(x, self.reshape(w, (o * self.phases, -1)))
        return self.shuffle(self.reshape(y, (o, -1, n)))


def forward_product(size_in: int, size_out: int, kernel: int, stride: int, padding: int) -> nn.Cell:
    """Return the product of a convolution: (activations (C, P, N), weight (O, C * k * k)) to (O, Q, N)."""
    return _product(size_in, size_out, kernel, stride, padding, False, _ORDER)


def adjoint_product(size_large: int, size_small: int, kernel: int, stride: int, padding: int) -> nn.Cell:
    """Return the product of a transposed convolution from `size_small` to `size_large`; weight (C, O * k * k)."""
    return _adjoint(size_large, size_small, kernel, stride, padding, False, _ORDER)


def blocked_product(size_in: int, size_out: int, kernel: int, padding: int, block: int) -> nn.Cell:
    """Return the product of a stride-1 convolution with the kernel turned round, block x block places at a time."""
    taps = np.zeros((kernel, block, block - 1 + kernel))
    for place in range(block):
        taps[np.arange(kernel), place, place + np.arange(kernel)[::-1]] = 1
    return _Blocks(size_in, size_out // block, taps, block, padding, _ORDER)


def upsampling_product(size_in: int, kernel: int, flip: bool) -> nn.Cell:
    """Return the product of nearest upsampling x2 and a 'same' convolution, by default not turned round."""
    steps = (np.arange(2)[:, None] - kernel // 2 + np.arange(kernel)) // 2
    low = int(steps.min())
    taps = np.zeros((kernel, 2, int(steps.max()) - low + 1))
    for phase in range(2):
        for tap in range(kernel):
            taps[kernel - 1 - tap if flip else tap, phase, steps[phase, tap] - low] += 1
    return _Blocks(size_in, size_in, taps, 1, -low, _ORDER)
