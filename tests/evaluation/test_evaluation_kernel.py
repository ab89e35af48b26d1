"""Kernel distance: against a double sum over all pairs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ms_gan.errors import UserError
from ms_gan.evaluation.kernel import kernel_distance, unbiased_mmd2


def by_double_sum(a, b):
    def kernel(x, y):
        return (sum(p * q for p, q in zip(x, y, strict=True)) / len(x) + 1) ** 3

    within = [sum(kernel(s[i], s[j]) for i in range(len(s)) for j in range(len(s)) if i != j) for s in (a, b)]
    cross = sum(kernel(x, y) for x in a for y in b)
    n, m = len(a), len(b)
    return within[0] / (n * (n - 1)) + within[1] / (m * (m - 1)) - 2 * cross / (n * m)


@given(st.integers(0, 10_000), st.integers(2, 9), st.integers(2, 9), st.integers(1, 5))
def test_it_agrees_with_the_double_sum(seed, n, m, size):
    rng = np.random.default_rng(seed)
    a, b = 2 * rng.standard_normal((n, size)), rng.standard_normal((m, size)) + 1
    expected = by_double_sum(a.tolist(), b.tolist())
    assert unbiased_mmd2(a, b) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    single = unbiased_mmd2(a.astype(np.float32), b.astype(np.float32))
    assert single == pytest.approx(expected, rel=1e-4, abs=1e-3)


def test_blocks_change_nothing(monkeypatch):
    from ms_gan.evaluation import kernel

    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((30, 4)), rng.standard_normal((41, 4))
    whole = unbiased_mmd2(a, b)
    monkeypatch.setattr(kernel, "_BLOCK", 7)
    assert unbiased_mmd2(a, b) == pytest.approx(whole, rel=1e-9)


def test_it_is_unbiased():
    # The mean over many pairs of sets of one distribution is 0 within its own uncertainty; a biased one is 0.1 here.
    rng = np.random.default_rng(2)
    values = [unbiased_mmd2(rng.standard_normal((20, 3)), rng.standard_normal((20, 3))) for _ in range(2000)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values))


@given(st.integers(0, 10_000), st.floats(0.5, 3), st.floats(1.2, 3))
def test_it_is_symmetric_and_grows_with_a_shift(seed, shift, factor):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((80, 3)), rng.standard_normal((70, 3))
    near, far = unbiased_mmd2(a, b + shift), unbiased_mmd2(a, b + factor * shift)
    assert far > near > 0
    assert unbiased_mmd2(b + shift, a) == pytest.approx(near, rel=1e-9)


def test_subsets_give_a_mean_near_the_whole_and_a_deviation():
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((3000, 8)), rng.standard_normal((3000, 8)) + 0.5
    mean, deviation = kernel_distance(a, b, subsets=50, size=500)
    assert mean == pytest.approx(unbiased_mmd2(a, b), abs=4 * deviation / np.sqrt(50))
    assert 0 < deviation < mean
    assert kernel_distance(a, b, subsets=50, size=500) == (mean, deviation)


def test_subsets_of_small_sets_differ():
    rng = np.random.default_rng(4)
    assert kernel_distance(rng.standard_normal((40, 3)), rng.standard_normal((40, 3)), size=1000)[1] > 0


@pytest.mark.parametrize(
    ("a", "b", "word"),
    [
        (np.zeros((1, 3)), np.zeros((5, 3)), "at least 2"),
        (np.zeros((5, 3)), np.zeros((5, 2)), "3 features on one side, 2"),
        (np.full((5, 3), np.inf), np.zeros((5, 3)), "NaN or infinity"),
    ],
)
def test_impossible_sets_are_refused(a, b, word):
    with pytest.raises(UserError, match=word):
        unbiased_mmd2(a, b)
