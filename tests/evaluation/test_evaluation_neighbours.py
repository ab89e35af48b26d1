"""Precision, recall, density, coverage: against loops over all pairs, and on clusters whose answer is known."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ms_gan.errors import UserError
from ms_gan.evaluation import distances
from ms_gan.evaluation.neighbours import Neighbourhood, neighbourhood


def distance(x, y):
    return np.sqrt(((x - y) ** 2).sum())


def radius(points, i, k):
    return sorted(distance(points[i], points[j]) for j in range(len(points)) if j != i)[k - 1]


def nearest_edge(balls, others, k):
    """Return how near a point of `others` comes to the edge of a ball around one of `balls`."""
    return min(abs(distance(b, o) - radius(balls, i, k)) for i, b in enumerate(balls) for o in others)


def by_loops(real, fake, k_precision, k_density):
    real_small = [radius(real, i, k_precision) for i in range(len(real))]
    real_large = [radius(real, i, k_density) for i in range(len(real))]
    fake_small = [radius(fake, i, k_precision) for i in range(len(fake))]
    inside = [[distance(r, f) <= real_large[i] for f in fake] for i, r in enumerate(real)]
    return Neighbourhood(
        precision=np.mean([any(distance(r, f) <= real_small[i] for i, r in enumerate(real)) for f in fake]),
        recall=np.mean([any(distance(r, f) <= fake_small[i] for i, f in enumerate(fake)) for r in real]),
        density=np.sum(inside) / (k_density * len(fake)),
        coverage=np.mean([any(row) for row in inside]),
    )


@given(st.integers(0, 10_000), st.integers(7, 25), st.integers(7, 25), st.integers(1, 3), st.integers(1, 5))
def test_it_agrees_with_loops(seed, n, m, k_precision, k_density):
    rng = np.random.default_rng(seed)
    real, fake = rng.uniform(-5, 6, (n, 3)), rng.uniform(-4, 7, (m, 3))
    # In float32 a point on the edge of a ball, to rounding, may be on its other side.
    assume(min(nearest_edge(real, fake, k) for k in (k_precision, k_density)) > 1e-5)
    assume(nearest_edge(fake, real, k_precision) > 1e-5)
    found = neighbourhood(real, fake, k_precision, k_density)
    expected = by_loops(real, fake, k_precision, k_density)
    for name in ("precision", "recall", "density", "coverage"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=1e-12), name


def clusters(centres, count, seed):
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(centre, 0.1, (count, 2)) for centre in centres])


REAL = clusters([(0, 0), (10, 0), (0, 10), (10, 10)], 250, 1)


def test_a_set_against_itself_is_perfect():
    found = neighbourhood(REAL, REAL)
    assert (found.precision, found.recall, found.coverage) == (1, 1, 1)
    # A ball to the 5th neighbour holds 6 points of its own set, but for rounding at its edge.
    assert found.density == pytest.approx(6 / 5, rel=0.005)


def test_a_missing_cluster_is_missing_variety():
    found = neighbourhood(REAL, clusters([(0, 0), (10, 0), (0, 10)], 333, 2))
    assert found.precision > 0.95
    assert found.recall == pytest.approx(0.75, abs=0.03)
    assert found.coverage == pytest.approx(0.75, abs=0.03)
    assert found.density == pytest.approx(1, abs=0.1)


def test_an_invented_cluster_is_missing_fidelity():
    found = neighbourhood(REAL, clusters([(0, 0), (10, 0), (0, 10), (10, 10), (5, 5)], 200, 3))
    assert found.precision == pytest.approx(0.8, abs=0.03)
    assert found.recall > 0.95
    assert found.density == pytest.approx(0.8, abs=0.1)


def test_one_point_again_and_again_is_dense_without_variety():
    found = neighbourhood(REAL, np.repeat(REAL[:1], 1000, axis=0))
    assert found.precision == 1
    assert found.recall < 0.01
    assert found.coverage < 0.02
    # The balls that hold that point, over 5.
    assert found.density > 1


def test_sets_far_apart_share_nothing():
    found = neighbourhood(REAL, REAL + 100)
    assert (found.precision, found.recall, found.density, found.coverage) == (0, 0, 0, 0)


@given(st.integers(0, 1000))
def test_it_falls_with_a_shift(seed):
    points = np.random.default_rng(seed).standard_normal((200, 2))
    other = np.random.default_rng(seed + 1).standard_normal((200, 2))
    found = [neighbourhood(points, other + shift) for shift in (0, 2, 12)]
    # Precision and recall need not fall at once: the large ball of a single outlier can hold many.
    for name in ("density", "coverage"):
        assert getattr(found[0], name) > getattr(found[1], name)
    assert (found[2].precision, found[2].recall, found[2].density, found[2].coverage) == (0, 0, 0, 0)


def test_blocks_change_nothing(monkeypatch):
    whole = neighbourhood(REAL, REAL[::2] + 0.05)
    monkeypatch.setattr(distances, "_ROWS", 37)
    monkeypatch.setattr(distances.blocks, "__defaults__", (37,))
    assert neighbourhood(REAL, REAL[::2] + 0.05) == whole


@pytest.mark.parametrize(
    ("real", "fake", "word"),
    [
        (np.zeros((5, 2)), np.zeros((9, 2)), "5 images are too few for 5 neighbours"),
        (np.zeros((9, 2)), np.zeros((9, 3)), "2 features on one side, 3"),
        (np.full((9, 2), np.nan), np.zeros((9, 2)), "NaN"),
    ],
)
def test_impossible_sets_are_refused(real, fake, word):
    with pytest.raises(UserError, match=word):
        neighbourhood(real, fake)
