"""The sliced Wasserstein distance against cases with a known answer and a brute-force search."""

import itertools
import sys
import tracemalloc

import numpy as np
import pytest

from ms_gan.errors import UserError
from ms_gan.evaluation.sliced_wasserstein import sliced_wasserstein

RNG = np.random.default_rng(16)


def test_equal_sets_in_any_order_and_symmetry():
    a, b = RNG.standard_normal((2, 40, 1, 4, 4))
    assert sliced_wasserstein(a, a[::-1]) == pytest.approx(0, abs=1e-12)
    assert sliced_wasserstein(a, np.repeat(a, 3, axis=0)) == pytest.approx(0, abs=1e-12)
    assert sliced_wasserstein(a, b) == sliced_wasserstein(b, a) > 0


def test_shifted_set():
    a = RNG.standard_normal((30, 64))
    shift = np.full(64, 0.75)
    # Exactly: the root of the mean squared share of the shift in the directions; that share is 1/sqrt(64) on average.
    directions = np.random.default_rng(0).standard_normal((64, 256))
    directions /= np.linalg.norm(directions, axis=0)
    exact = np.sqrt(np.square(shift @ directions).mean())
    assert sliced_wasserstein(a, a + shift) == pytest.approx(exact, rel=1e-12)
    assert sliced_wasserstein(a, a + shift, projections=20_000) == pytest.approx(0.75, rel=0.02)
    assert sliced_wasserstein(a, a + 2 * shift) == pytest.approx(2 * exact, rel=1e-12)


def test_one_feature_is_the_wasserstein_distance_of_numbers():
    assert sliced_wasserstein(np.array([[0.0], [1.0]]), np.array([[1.0], [4.0]])) == pytest.approx(np.sqrt(5))
    assert sliced_wasserstein(np.array([[0.0], [2.0]]), np.array([[1.0]])) == pytest.approx(1.0)
    three, two = np.array([[0.0], [0.0], [3.0]]), np.array([[0.0], [3.0]])
    assert sliced_wasserstein(three, two) == pytest.approx(np.sqrt(9 / 6))


@pytest.mark.parametrize("sizes", [(5, 5), (6, 3), (4, 6)])
def test_brute_force_over_all_matchings(sizes):
    a, b = (RNG.standard_normal((size, 3)) for size in sizes)
    directions = np.random.default_rng(7).standard_normal((3, 4))
    directions /= np.linalg.norm(directions, axis=0)
    # Every vector as often as makes the sets equal in size; then the best of all matchings, direction by direction.
    common = np.lcm(*sizes)
    squares = []
    for direction in directions.T:
        x, y = (np.repeat(v @ direction, common // len(v)) for v in (a, b))
        if common <= 6:
            squares.append(min(np.square(x - y[list(order)]).mean() for order in itertools.permutations(range(common))))
        else:
            squares.append(np.square(np.sort(x) - np.sort(y)).mean())
    assert sliced_wasserstein(a, b, projections=4, seed=7) == pytest.approx(np.sqrt(np.mean(squares)), rel=1e-12)


def test_no_whole_copy_of_either_set(monkeypatch):
    a, b = RNG.integers(0, 256, (2, 300, 3, 16, 16), dtype=np.uint8)
    scaled = [images.astype(np.float32) / 127.5 - 1 for images in (a, b)]
    at_once = sliced_wasserstein(*scaled, projections=4)
    monkeypatch.setattr(sys.modules[sliced_wasserstein.__module__], "_BLOCK", 7 * 3 * 16 * 16)
    tracemalloc.start()
    in_blocks = sliced_wasserstein(a, b, projections=4)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert in_blocks == pytest.approx(at_once, rel=1e-12)
    assert most < a.size  # bytes: less than one byte for each number of one set


@pytest.mark.parametrize(
    ("a", "b", "projections", "told"),
    [
        (np.zeros((0, 4)), np.zeros((3, 4)), 9, "empty"),
        (np.zeros((3, 4)), np.zeros((3, 5)), 9, "4 numbers an image on one side, 5"),
        (np.zeros((3, 4)), np.zeros((3, 4)), 0, "the least is 1"),
        (np.full((3, 4), np.nan), np.zeros((3, 4)), 9, "NaN"),
    ],
)
def test_bad_input(a, b, projections, told):
    with pytest.raises(UserError, match=told):
        sliced_wasserstein(a, b, projections)
