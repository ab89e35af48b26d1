"""Fréchet distance: against the formula on a line, scipy's matrix square root, and where covariances are singular."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

from ms_gan.errors import UserError
from ms_gan.evaluation.frechet import Gaussian, frechet_distance, gaussian_of


def random_gaussian(seed: int, size: int) -> Gaussian:
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((size, size))
    return Gaussian(rng.standard_normal(size), root @ root.T)


def by_scipy(a: Gaussian, b: Gaussian) -> float:
    root = scipy.linalg.sqrtm(a.covariance @ b.covariance)
    return float(np.square(a.mean - b.mean).sum() + np.trace(a.covariance + b.covariance - 2 * root).real)


@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_it_agrees_with_scipys_matrix_square_root(size):
    a, b = random_gaussian(1, size), random_gaussian(2, size)
    assert frechet_distance(a, b) == pytest.approx(by_scipy(a, b), rel=1e-9)


@given(*[st.floats(-50, 50)] * 2, *[st.floats(0, 50)] * 2)
def test_on_a_line_it_is_the_square_of_the_differences(mean_a, mean_b, deviation_a, deviation_b):
    a = Gaussian(np.array([mean_a]), np.array([[deviation_a**2]]))
    b = Gaussian(np.array([mean_b]), np.array([[deviation_b**2]]))
    expected = (mean_a - mean_b) ** 2 + (deviation_a - deviation_b) ** 2
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(st.integers(0, 10_000), st.integers(1, 12))
def test_it_is_0_for_equal_and_symmetric(seed, size):
    a, b = random_gaussian(seed, size), random_gaussian(seed + 1, size)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9 * np.trace(a.covariance) + 1e-12)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-9)


@given(st.integers(0, 10_000), st.floats(0.1, 5), st.floats(1.01, 5))
def test_it_grows_with_a_shift(seed, shift, factor):
    features = np.random.default_rng(seed).standard_normal((60, 4))
    own = gaussian_of(features)
    near, far = (frechet_distance(own, gaussian_of(features + by)) for by in (shift, shift * factor))
    assert near == pytest.approx(4 * shift**2, rel=1e-6)
    assert far > near


def test_singular_covariances_are_no_obstacle():
    # Two features that are always equal, one that never changes; scipy's square root is complex or fails here.
    rng = np.random.default_rng(3)
    column = rng.standard_normal((500, 1))
    features = np.hstack([column, column, np.full((500, 1), 7.0), rng.standard_normal((500, 2))])
    assert frechet_distance(gaussian_of(features), gaussian_of(features)) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(gaussian_of(features), gaussian_of(features + 2)) == pytest.approx(20, rel=1e-9)
    flat = Gaussian(np.zeros(5), np.zeros((5, 5)))
    assert frechet_distance(flat, gaussian_of(features)) == pytest.approx(
        np.square(features.mean(axis=0)).sum() + np.trace(np.cov(features.T)), rel=1e-9
    )


def test_a_badly_conditioned_covariance_loses_nothing():
    # Eigenvalues from 1e-12 to 1e4, in a rotated basis: known, because both share it.
    basis = scipy.linalg.qr(np.random.default_rng(4).standard_normal((6, 6)))[0]
    a, b = np.logspace(-12, 4, 6), np.logspace(4, -12, 6)
    gaussians = [Gaussian(np.zeros(6), basis @ np.diag(values) @ basis.T) for values in (a, b)]
    assert frechet_distance(*gaussians) == pytest.approx(np.square(np.sqrt(a) - np.sqrt(b)).sum(), rel=1e-7)


def test_too_few_images_are_refused_in_words():
    features = np.random.default_rng(5).standard_normal((64, 64))
    with pytest.raises(UserError, match="64 images are too few for 64 features, at least 65"):
        gaussian_of(features)


@pytest.mark.parametrize(
    ("gaussian", "word"),
    [
        (Gaussian(np.zeros(2), np.array([[1.0, 0.5], [0.0, 1.0]])), "not symmetric"),
        (Gaussian(np.zeros(2), np.diag([1.0, -0.5])), "eigenvalue of -0.5"),
        (Gaussian(np.array([np.nan, 0]), np.eye(2)), "finite"),
        (Gaussian(np.zeros(3), np.eye(3)), "2 features on one side, 3 on the other"),
    ],
)
def test_what_is_no_covariance_is_refused(gaussian, word):
    with pytest.raises(UserError, match=word):
        frechet_distance(Gaussian(np.zeros(2), np.eye(2)), gaussian)


def test_nan_among_the_features_is_named():
    features = np.zeros((9, 2))
    features[3, 1] = np.nan
    with pytest.raises(UserError, match="NaN"):
        gaussian_of(features)
