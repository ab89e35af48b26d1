"""Convolutions as gathers of rows and matrix products, on batch-last activations (C, H * W, N).

Batch last, one tap of a kernel is a gather of whole rows of N floats, which is the only fast way that MindSpore
has to move them on a CPU: its slices, pads and resizes are 20 to 50 times slower. Square images and kernels.

A convolution is three bilinear maps of the large image x (C, P, N), the small image y (O, Q, N) and the weight
w (O, C * kernel^2): forward(x, w) is like y, adjoint(y, w) like x, outer(x, y) like w. Each one's derivatives are the
other two, so each has a hand-written one (MindSpore's own derivative of a gather is a scatter), and can be
differentiated `_ORDER` times.

Two traps of MindSpore 2.10: a cell with a bprop that is differentiated twice must use primitive instances
(`ops.Gather()`), not functions (`ops.gather`), and no cell that a bprop uses may branch in construct.
"""

import functools

import numpy as np
from mindspore import Tensor, nn, ops
from mindspore.ops.primitive import constexpr

from ms_gan.networks.taps import (
    Geometry,
    landing_tables,
    phase_order,
    phases_of,
    square,
    tap_table,
    taps_are_cheaper,
    upsampling_map,
)

# How often a layer can be differentiated: a gradient penalty needs its gradient's gradient.
_ORDER = 2


def forward_product(channels_in: int, channels_out: int, geometry: Geometry) -> nn.Cell:
    """Return the product of a convolution: (x (C, P, N), w (O, C * k * k)) to (O, Q, N)."""
    return _maps(channels_in, channels_out, geometry, _ORDER)[0]


def adjoint_product(channels_in: int, channels_out: int, geometry: Geometry) -> nn.Cell:
    """Return the product of a transposed convolution: (y (O, Q, N), w (O, C * k * k)) to (C, P, N)."""
    return _maps(channels_out, channels_in, geometry, _ORDER)[1]


def upsampling_product(channels_in: int, channels_out: int, size: int, kernel: int, flip: bool) -> nn.Cell:
    """Return the product of nearest upsampling x2 and a convolution: (x (C, P, N), w (C, O * k * k)) to (O, Q, N).

    The kernels are those of a transposed convolution, or turned round with `flip`: those of a convolution.
    """
    return _Upsampling(channels_in, channels_out, size, kernel, flip)


@constexpr
@functools.cache
def _zeros(channels, count):
    """Return a row of zeros, (C, 1, N): a constant in graph mode, made once in PyNative."""
    return Tensor(np.zeros((channels, 1, count), np.float32))


class _ZeroRow(nn.Cell):
    """(C, P, N) -> (C, P + 1, N), the last row zero (a cell of its own: construct() must stay free of branches)."""

    def __init__(self):
        super().__init__()
        self.concat = ops.Concat(1)

    def construct(self, x):
        return self.concat((x, _zeros(x.shape[0], x.shape[2])))


class _AnyZeroRow(nn.Cell):
    """The same for any number of images, which _ZeroRow must know when it is compiled."""

    def __init__(self):
        super().__init__()
        self.concat, self.zeros = ops.Concat(1), ops.Zeros()

    def construct(self, x):
        return self.concat((x, self.zeros((x.shape[0], 1, x.shape[2]), x.dtype)))


def take_any_batch(network: nn.Cell) -> None:
    """Let a network be compiled for any number of images; it computes the same bits, more slowly."""
    for _, cell in network.cells_and_names():
        if isinstance(getattr(cell, "extend", None), _ZeroRow):
            cell.extend = _AnyZeroRow()


class _Same(nn.Cell):
    """x itself."""

    def construct(self, x):
        return x


class _Rows(nn.Cell):
    """y[:, q] = x[:, table[q]], zero where table[q] is the number of x's rows."""

    def __init__(self, table, rows):
        super().__init__()
        self.gather = ops.Gather()
        self.extend = _ZeroRow() if (table == rows).any() else _Same()
        self.table = Tensor(table.astype(np.int32))

    def construct(self, x):
        return self.gather(self.extend(x), self.table, 1)


class _Shuffle(_Rows):
    """_Rows without repetition, with its derivative."""

    def bprop(self, x, out, dout):
        return (self.back(dout),)


def _shuffle(table, rows, order):
    """Return a _Rows of part of the rows, none of them twice, that can be differentiated `order` times."""
    cell = (_Shuffle if order else _Rows)(table, rows)
    if order:
        inverse = np.full(rows + 1, len(table))
        inverse[table] = np.arange(len(table))
        cell.back = _shuffle(inverse[:rows], len(table), order - 1)
    return cell


class _Columns(nn.Cell):
    """im2col: (C, P, N) -> (C * kernel^2, Q * N)."""

    def __init__(self, geometry):
        super().__init__()
        self.rows = _Rows(tap_table(geometry).reshape(-1), geometry.large**2)
        self.reshape = ops.Reshape()
        self.taps, self.places = geometry.kernel**2, geometry.small**2

    def construct(self, x):
        c, _, n = x.shape
        return self.reshape(self.rows(x), (c * self.taps, self.places * n))


class _Forward(nn.Cell):
    """y[o, q] = sum over c, t of w[o, (c, t)] x[c, table[t, q]]."""

    def __init__(self, columns):
        super().__init__()
        self.columns = columns
        self.matmul, self.reshape = ops.MatMul(), ops.Reshape()

    def construct(self, x, w):
        y = self.matmul(w, self.columns(x))
        return self.reshape(y, (w.shape[0], -1, x.shape[2]))


class _Outer(nn.Cell):
    """w[o, (c, t)] = sum over q of y[o, q] x[c, table[t, q]]."""

    def __init__(self, columns):
        super().__init__()
        self.columns = columns
        self.matmul, self.reshape = ops.MatMul(False, True), ops.Reshape()

    def construct(self, x, y):
        return self.matmul(self.reshape(y, (y.shape[0], -1)), self.columns(x))


class _AdjointByTaps(nn.Cell):
    """What each tap sends, w^T y, then added up where it lands; best for few channels or many idle phases."""

    def __init__(self, geometry):
        super().__init__()
        tables = landing_tables(geometry)
        sent = (geometry.kernel * geometry.small) ** 2
        self.extend = _ZeroRow() if (tables == sent).any() else _Same()
        self.landed = _landed(tables)
        self.matmul, self.reshape = ops.MatMul(True, False), ops.Reshape()
        self.sent = sent

    def construct(self, y, w):
        o, _, n = y.shape
        sent = self.matmul(w, self.reshape(y, (o, -1)))
        return self.landed(self.extend(self.reshape(sent, (-1, self.sent, n))))


class _Sum(nn.Cell):
    """first(x) + second(x)."""

    def __init__(self, first, second):
        super().__init__()
        self.first, self.second, self.add = first, second, ops.Add()

    def construct(self, x):
        return self.add(self.first(x), self.second(x))


def _landed(tables):
    """Return a cell that adds up x[:, table] over the tables, which need no further zero row."""
    last = _Rows(tables[-1], -1)
    # A chain of cells: a loop in construct would count as a branch.
    return last if len(tables) == 1 else _Sum(_landed(tables[:-1]), last)


class _AdjointByWindows(nn.Cell):
    """One product with a kernel for each phase of the stride, all on the same window, then a shuffle."""

    def __init__(self, geometry):
        super().__init__()
        phases = phases_of(geometry)
        self.map = Tensor(square(phases.taps))
        window = Geometry(geometry.small, phases.count, phases.taps.shape[2], 1, -phases.low)
        self.product = _Forward(_Columns(window))
        order = phase_order(geometry.large, geometry.stride, phases.count, phases.shift)
        self.shuffle = _shuffle(order, (geometry.stride * phases.count) ** 2, 0) if geometry.stride > 1 else _Same()
        self.matmul, self.transpose, self.reshape = ops.MatMul(), ops.Transpose(), ops.Reshape()
        self.taps, self.phases, self.window = geometry.kernel**2, geometry.stride**2, window.kernel**2

    def construct(self, y, w):
        o, n = w.shape[0], y.shape[2]
        w = self.matmul(self.reshape(w, (-1, self.taps)), self.map)
        w = self.transpose(self.reshape(w, (o, -1, self.phases, self.window)), (1, 2, 0, 3))
        c = w.shape[0]
        x = self.product(y, self.reshape(w, (c * self.phases, o * self.window)))
        return self.shuffle(self.reshape(x, (c, -1, n)))


class _ForwardGrad(nn.Cell):
    """forward(x, w) with its derivatives."""

    def __init__(self, compute, maps):
        super().__init__()
        self.compute = compute
        _, self.adjoint, self.outer = maps

    def construct(self, x, w):
        return self.compute(x, w)

    def bprop(self, x, w, out, dout):
        return self.adjoint(dout, w), self.outer(x, dout)


class _AdjointGrad(nn.Cell):
    """adjoint(y, w) with its derivatives."""

    def __init__(self, compute, maps):
        super().__init__()
        self.compute = compute
        self.forward, _, self.outer = maps

    def construct(self, y, w):
        return self.compute(y, w)

    def bprop(self, y, w, out, dout):
        return self.forward(dout, w), self.outer(dout, y)


class _OuterGrad(nn.Cell):
    """outer(x, y) with its derivatives."""

    def __init__(self, compute, maps):
        super().__init__()
        self.compute = compute
        self.forward, self.adjoint, _ = maps

    def construct(self, x, y):
        return self.compute(x, y)

    def bprop(self, x, y, out, dout):
        return self.adjoint(y, dout), self.forward(x, dout)


def _adjoint(channels_in, channels_out, geometry):
    """Return the way to the adjoint that should be the faster one."""
    cheaper = taps_are_cheaper(channels_in, channels_out, geometry)
    return _AdjointByTaps(geometry) if cheaper else _AdjointByWindows(geometry)


def _maps(channels_in, channels_out, geometry, order):
    """Return forward, adjoint and outer, each of which can be differentiated `order` times."""
    columns = _Columns(geometry)
    plain = _Forward(columns), _adjoint(channels_in, channels_out, geometry), _Outer(columns)
    maps = plain
    for _ in range(order):
        wrappers = zip((_ForwardGrad, _AdjointGrad, _OuterGrad), plain, strict=True)
        maps = tuple(wrapper(compute, maps) for wrapper, compute in wrappers)
    return maps


class _Upsampling(nn.Cell):
    """Upsampling and a convolution at once: a transposed convolution with stride 2, its kernel made of theirs."""

    def __init__(self, channels_in, channels_out, size, kernel, flip):
        super().__init__()
        along = upsampling_map(kernel, flip)
        self.map = Tensor(np.kron(along, along).astype(np.float32))
        self.product = adjoint_product(channels_in, channels_out, Geometry(2 * size, size, kernel + 1, 2, kernel // 2))
        self.matmul, self.reshape = ops.MatMul(), ops.Reshape()
        self.taps = kernel**2

    def construct(self, x, w):
        larger = self.matmul(self.reshape(w, (-1, self.taps)), self.map)
        return self.product(x, self.reshape(larger, (x.shape[0], -1)))
