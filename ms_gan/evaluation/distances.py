"""Euclidean distances between many points, block by block, so that the whole table never exists."""

from collections.abc import Iterator

import numpy as np

_ROWS = 1000
_COLUMNS = 10_000
_FIRST = 2000


def blocks(a: np.ndarray, b: np.ndarray, rows: int = _ROWS) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the squared distances of some rows of `a` to all of `b`.

    Parameters
    ----------
    a, b : ndarray of float32, shapes (N, d) and (M, d)
        Points.
    rows : int
        Rows in a block.

    Yields
    ------
    slice, ndarray of float32, shape (n, M)
        Which rows, and their squared distances, never below 0.
    """
    norms = np.square(b).sum(axis=1)
    for start in range(0, len(a), rows):
        part = a[start : start + rows]
        table = (-2 * part) @ b.T
        table += norms
        table += np.square(part).sum(axis=1)[:, None]
        yield slice(start, start + len(part)), np.maximum(table, 0, out=table)


def nearest(a: np.ndarray, b: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the `count` nearest of `b` for every row of `a`.

    Parameters
    ----------
    a, b : ndarray of uint8 or float, shapes (N, d) and (M, d)
        Points; converted to float32 a part at a time. M is at least `count`.
    count : int
        How many.

    Returns
    -------
    distances : ndarray of float32, shape (N, count)
        Rising.
    indices : ndarray of int64, shape (N, count)
        Rows of `b`.
    """
    best = np.full((len(a), count), np.inf, np.float32)
    index = np.zeros((len(a), count), np.int64)
    # A small first part sets bounds, which hardly any distance of the later parts is below.
    starts = [0, *range(min(_FIRST, len(b)), len(b), _COLUMNS)]
    for first, end in zip(starts, [*starts[1:], len(b)], strict=True):
        part = b[first:end].astype(np.float32)
        for start in range(0, len(a), _ROWS):
            rows = slice(start, start + _ROWS)
            ((_, table),) = blocks(a[rows].astype(np.float32), part)
            best[rows], index[rows] = _merged(best[rows], index[rows], table, first)
    return np.sqrt(best), index


def _merged(best: np.ndarray, index: np.ndarray, table: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the smallest of `best` and of the new distances in each row, rising, and whose they are."""
    bound = best[:, -1:]
    if not np.isfinite(bound).all() and table.shape[1] > best.shape[1]:
        bound = np.partition(table, best.shape[1] - 1, axis=1)[:, best.shape[1] - 1 : best.shape[1]]
    rows, columns = np.nonzero(table <= bound)
    own = np.repeat(np.arange(len(best)), best.shape[1])
    every_row = np.concatenate([own, rows])
    values = np.concatenate([best.ravel(), table[rows, columns]])
    places = np.concatenate([index.ravel(), columns + first])
    order = np.lexsort((places, values, every_row))
    begins = np.searchsorted(every_row[order], np.arange(len(best)))
    chosen = order[begins[:, None] + np.arange(best.shape[1])]
    return values[chosen], places[chosen]
