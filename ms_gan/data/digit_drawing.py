"""Draws the built-in digits: 28x28 pictures that look written by hand.

Every picture is one shape of :mod:`ms_gan.data.digit_shapes`, bent by a random affine map and a smooth random
field. A pen of random width and softness draws it into a box of 20x20 pixels, which is placed with its centre
of mass in the middle, as in MNIST. The same seed gives the same bytes everywhere: random numbers come from
PCG64, and the factors of long sums are rounded to binary fractions, so that sums are exact in any order.
"""

import numpy as np

from ms_gan.data.digit_shapes import Shape, digit_shapes, import_opencv

SIDE = 28
_BOX = 20  # MNIST fits a digit into 20x20 pixels
_FINE = 3  # dots per pixel while drawing
_CANVAS = _BOX * _FINE
_CHUNK = 128  # pictures drawn at once: they stay in the processor's cache
_LIMIT = 2.0  # normal deviates end here: further out digits begin to look like others

# What one step of the pen costs, in tenths of a dot, and the thinnest pen.
_STRAIGHT, _DIAGONAL = 10, 14
_THINNEST = 33


def render_digits(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw digits in random order, as many of each as possible.

    Parameters
    ----------
    count : int
        Number of pictures, 0 or more.
    seed : int
        0 or more; the same seed and count give the same bytes.

    Returns
    -------
    images : ndarray of uint8, shape (count, 28, 28)
        White ink on black.
    labels : ndarray of uint8, shape (count,)
        0 to 9.

    Raises
    ------
    UserError
        If OpenCV or a font of matplotlib is missing.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    labels = rng.permutation(np.arange(count) % 10).astype(np.uint8)
    shapes = digit_shapes()
    chosen = _choose_shapes(shapes, labels, rng.random(count))
    bends = _draw_bends(rng, count)
    pens, softness = _draw_pens(rng, count)
    images = np.empty((count, SIDE, SIDE), np.uint8)
    # Pictures of one shape share a matrix product; similar pens need the same number of steps.
    order = np.lexsort((pens, chosen))
    for group in np.split(order, np.flatnonzero(np.diff(chosen[order])) + 1):
        for start in range(0, len(group), _CHUNK):
            part = group[start : start + _CHUNK]
            shape = shapes[chosen[part[0]]]
            levels = _levels(shape, pens[part], softness[part])
            dots = _fit(_bend(shape, bends[part]), levels)
            images[part] = _centre(_ink(dots, levels, softness[part]))
    return images, labels


def _choose_shapes(shapes: tuple[Shape, ...], labels: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Return for each label the index of one of its shapes; `chance` is uniform in [0, 1)."""
    chosen = np.empty(len(labels), np.int64)
    for digit in range(10):
        indices = np.array([i for i, shape in enumerate(shapes) if shape.digit == digit])
        weights = np.cumsum([shapes[i].weight for i in indices])
        mine = labels == digit
        chosen[mine] = indices[np.searchsorted(weights, chance[mine] * weights[-1], side="right")]
    return chosen


def _exact(values: np.ndarray) -> np.ndarray:
    """Round to multiples of 2**-14, so that sums of products are exact in float64 in any order."""
    return np.round(values * 2.0**14) / 2.0**14


# A grid of bumps over the shape, each wide enough to overlap its neighbours.
_BUMPS = np.array([(x, y) for y in np.linspace(-0.5, 0.5, 4) for x in np.linspace(-0.45, 0.45, 4)])
_BUMP_WIDTH = 0.2


def _basis(dots: np.ndarray) -> np.ndarray:
    """Return what bends are made of, at n dots: x, y, x*x, x*y, y*y and 16 bumps; shape (n, 21)."""
    x, y = dots[:, 0], dots[:, 1]
    distance = ((dots[:, None] - _BUMPS) ** 2).sum(axis=-1)
    return _exact(np.column_stack([x, y, x * x, x * y, y * y, np.exp(-distance / (2 * _BUMP_WIDTH**2))]))


def _draw_bends(rng: np.random.Generator, count: int) -> np.ndarray:
    """Draw for each picture how much of each basis function is added to x and y, shape (count, 21, 2)."""

    def normal(mean: float, spread: float) -> np.ndarray:
        return mean + spread * np.clip(rng.standard_normal(count), -_LIMIT, _LIMIT)

    slant, turn = normal(0.2, 0.2), normal(0.0, 0.09)
    wide = np.exp(normal(0.05, 0.17))
    bends = np.empty((count, 21, 2))
    cos, sin = np.cos(turn), np.sin(turn)
    # Widen, then slant (y points down), then turn.
    bends[:, 0, 0], bends[:, 1, 0] = cos * wide, -slant * cos - sin
    bends[:, 0, 1], bends[:, 1, 1] = sin * wide, cos - slant * sin
    for row in (2, 3, 4):
        bends[:, row] = np.stack([normal(0.0, 0.14), normal(0.0, 0.14)], axis=-1)
    bends[:, 5:] = 0.042 * np.clip(rng.standard_normal((count, 16, 2)), -_LIMIT, _LIMIT)
    return _exact(bends)


def _draw_pens(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw the widths of pen and soft edge, in tenths of a dot of the canvas, shape (count,) each."""
    # The thin end is cut sooner: finer strokes would only be fainter.
    pixels = 2.45 * np.exp(0.25 * np.clip(rng.standard_normal(count), -1.4, _LIMIT))
    pens = np.round(pixels * _FINE * _STRAIGHT).astype(np.int64)
    return pens, rng.integers(10, 26, count)


def _levels(shape: Shape, pens: np.ndarray, softness: np.ndarray) -> np.ndarray:
    """Return how far ink reaches from the dots of a shape, in tenths of a dot of the canvas, shape (m,)."""
    own = round(shape.stroke * _CANVAS * _STRAIGHT)
    return (np.maximum(pens - own, _THINNEST) + softness) // 2


def _bend(shape: Shape, bends: np.ndarray) -> np.ndarray:
    """Return the bent dots of m pictures, shape (m, 2, n)."""
    pictures = len(bends)
    factors = bends.transpose(0, 2, 1).reshape(2 * pictures, -1)
    return (factors @ _basis(shape.dots).T).reshape(pictures, 2, -1)


def _fit(dots: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Scale dots of shape (m, 2, n) so that with their ink they just fill the canvas; return whole places."""
    low, high = dots.min(axis=2, keepdims=True), dots.max(axis=2, keepdims=True)
    free = _CANVAS - 1 - 2 * (levels // _STRAIGHT)
    scale = free[:, None, None] / (high - low).max(axis=1, keepdims=True)
    return np.round((dots - (low + high) / 2) * scale + (_CANVAS - 1) / 2).astype(np.int64)


def _ink(dots: np.ndarray, levels: np.ndarray, softness: np.ndarray) -> np.ndarray:
    """Run a round pen over dots of shape (m, 2, n) and shrink the canvas to the box, shape (m, 20, 20).

    The canvas holds how far ink still reaches from there, in tenths of a dot; each step carries it on to the
    neighbours. These are whole numbers, so every processor gets the same.
    """
    cv2 = import_opencv()
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    square = cv2.getStructuringElement(cv2.MORPH_RECT, (3, 3))
    pictures = len(dots)
    canvas = np.zeros((pictures, _CANVAS, _CANVAS), np.uint8)
    canvas[np.arange(pictures)[:, None], dots[:, 1], dots[:, 0]] = levels[:, None]
    # One below the other they are one picture for OpenCV; no ink reaches into the next.
    strip = canvas.reshape(-1, _CANVAS)
    for _ in range(int(levels.max()) // _STRAIGHT):
        near = cv2.subtract(cv2.dilate(strip, cross), _STRAIGHT)
        far = cv2.subtract(cv2.dilate(strip, square), _DIAGONAL)
        strip = cv2.max(strip, cv2.max(near, far))
    full = softness[:, None, None]
    inked = np.minimum(strip.reshape(canvas.shape), full.astype(np.uint8)).reshape(strip.shape)
    shrunk = cv2.resize(inked, (_BOX, _BOX * pictures), interpolation=cv2.INTER_AREA)
    return (shrunk.reshape(pictures, _BOX, _BOX).astype(np.int64) * 255 // full).astype(np.uint8)


def _centre(boxes: np.ndarray) -> np.ndarray:
    """Place boxes (m, 20, 20) on pictures (m, 28, 28), centre of mass in the middle, as MNIST does."""
    places = np.arange(_BOX)
    mass = boxes.sum(axis=(1, 2), dtype=np.int64)
    centres = [boxes.sum(axis=axis, dtype=np.int64) @ places / mass for axis in (2, 1)]
    rows, columns = (np.clip(np.round(SIDE / 2 - c).astype(int), 0, SIDE - _BOX)[:, None] for c in centres)
    images = np.zeros((len(boxes), SIDE, SIDE), np.uint8)
    index = np.arange(len(boxes))[:, None, None]
    images[index, (rows + places)[:, :, None], (columns + places)[:, None, :]] = boxes
    return images
