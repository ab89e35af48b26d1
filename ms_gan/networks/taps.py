"""Which rows the taps of a kernel read: tables and 0/1 maps for `ms_gan.networks.products`, in NumPy alone."""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Geometry:
    """A convolution from `large` x `large` to `small` x `small` pixels."""

    large: int
    small: int
    kernel: int
    stride: int = 1
    padding: int = 0


def tap_table(g: Geometry) -> np.ndarray:
    """(kernel^2, small^2): row of the large image read by tap t for place q, or large^2 outside the image."""
    at = np.arange(g.small) * g.stride - g.padding + np.arange(g.kernel)[:, None]
    y, x = at[:, None, :, None], at[None, :, None, :]
    inside = (y >= 0) & (y < g.large) & (x >= 0) & (x < g.large)
    return np.where(inside, y * g.large + x, g.large**2).reshape(g.kernel**2, -1)


def landing_tables(g: Geometry) -> np.ndarray:
    """(terms, large^2): which (tap, place) add up to a pixel, and kernel^2 * small^2 for none."""
    table = tap_table(g).reshape(-1)
    sources = [np.flatnonzero(table == pixel) for pixel in range(g.large**2)]
    tables = np.full((max(map(len, sources)), g.large**2), len(table))
    for pixel, found in enumerate(sources):
        tables[: len(found), pixel] = found
    return tables


@dataclass(frozen=True)
class Phases:
    """How the places of a large image, taken `stride` apart, see the small one: along one axis."""

    taps: np.ndarray
    """(kernel, phases, window) 0/1: which tap reads which place of the window."""
    low: int
    """Where the window begins, relative to the place."""
    shift: int
    count: int
    """Places of a phase."""


def phases_of(g: Geometry) -> Phases:
    """Return the phases with the shift that gives the smallest window."""
    found = []
    for shift in range(g.stride):
        phase, tap = np.arange(g.stride)[:, None] - shift + g.padding, np.arange(g.kernel)
        read = (phase - tap) % g.stride == 0
        place = (phase - tap) // g.stride
        low, high = int(place[read].min()), int(place[read].max())
        taps = np.zeros((g.kernel, g.stride, high - low + 1))
        for r, t in zip(*np.nonzero(read), strict=True):
            taps[t, r, place[r, t] - low] = 1
        found.append(Phases(taps, low, shift, math.ceil((g.large + shift) / g.stride)))
    return min(found, key=lambda phases: phases.taps.shape[2])


def upsampling_map(kernel: int, flip: bool) -> np.ndarray:
    """(kernel, kernel + 1) 0/1: what a tap of the large image adds to a transposed kernel of the small one, an axis.

    A pixel of the small image is two of the large one, and each of these sends what a transposed convolution sends.
    """
    tap, sent = np.arange(kernel)[:, None], np.arange(kernel + 1)
    ahead = sent - (kernel - 1 - tap if flip else tap)
    return ((ahead == 0) | (ahead == 1)).astype(int)


def square(taps: np.ndarray) -> np.ndarray:
    """(kernel, phases, window) 0/1 map of one axis -> (kernel^2, phases^2 * window^2) of both."""
    k, s, m = taps.shape
    return np.einsum("arc,bsd->abrscd", taps, taps).reshape(k * k, s * s * m * m).astype(np.float32)


def phase_order(size: int, phases: int, count: int, shift: int) -> np.ndarray:
    """Where (phase, place) keeps row (y, x) of an image of `size`."""
    at = np.arange(size) + shift
    r, j = at % phases, at // phases
    return ((r[:, None] * phases + r) * count**2 + j[:, None] * count + j).reshape(-1)


def taps_are_cheaper(c: int, o: int, g: Geometry) -> bool:
    """Tell which way to the adjoint should be the faster one: by taps, or by windows.

    Nanoseconds per image, from what was measured (docs/speed.md): products at 300 GFLOP/s, gathers at 22 GB/s read and
    written, sums and concatenations at 20 and 50 GB/s, transposed weights at 8 GB/s shared by a batch of 64.
    """
    phases, terms = phases_of(g), math.ceil(g.kernel / g.stride) ** 2
    window, places = phases.taps.shape[2] ** 2, phases.count**2
    moved = o * window * places + (c * g.large**2 if g.stride > 1 else 0)
    by_windows = 2 * g.stride**2 * c * o * window * places / 300 + 8 * moved / 22 + c * o * g.kernel**2 / 64
    sent, landed = c * (g.kernel * g.small) ** 2, c * terms * g.large**2
    by_taps = 2 * o * sent / 300 + 8 * sent / 50 + 8 * landed / 22 + 4 * landed / 20
    return by_taps < by_windows
