"""Nearest training images and copies; classes; halves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ms_gan.errors import UserError
from ms_gan.evaluation import distances
from ms_gan.evaluation.classes import class_shares, divergence, missing_classes
from ms_gan.evaluation.copies import copy_rate, copy_threshold, nearness
from ms_gan.evaluation.distances import nearest
from ms_gan.evaluation.halves import HALVES, margin, random_halves


@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(3, 60), st.integers(1, 3))
def test_nearest_agrees_with_sorting_all_distances(seed, n, m, count):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 256, (n, 5), np.uint8), rng.integers(0, 256, (m, 5), np.uint8)
    found, index = nearest(a, b, count)
    squared = np.square(a[:, None].astype(int) - b[None]).sum(axis=2)
    assert np.allclose(found, np.sqrt(np.sort(squared, axis=1)[:, :count]), atol=1e-3)
    assert (np.take_along_axis(squared, index, 1) == np.sort(squared, axis=1)[:, :count]).all()


def test_parts_change_nothing(monkeypatch):
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 256, (50, 9), np.uint8), rng.integers(0, 256, (300, 9), np.uint8)
    whole = nearest(a, b, 4)
    for name, value in (("_ROWS", 7), ("_COLUMNS", 31), ("_FIRST", 3)):
        monkeypatch.setattr(distances, name, value)
    parts = nearest(a, b, 4)
    assert np.allclose(whole[0], parts[0], atol=1e-3)


@pytest.fixture(scope="module")
def pictures():
    """Give smooth random pictures: 300 for training, 200 unseen, 200 more."""
    rng = np.random.default_rng(2)
    low = rng.random((700, 1, 4, 4))
    images = (255 * low.repeat(4, axis=2).repeat(4, axis=3)).astype(np.uint8)
    return images[:300], images[300:500], images[500:]


def test_copies_are_found_and_unseen_images_are_not(pictures):
    training, unseen, more = pictures
    threshold = copy_threshold(nearness(unseen, training))
    noise = np.random.default_rng(3).integers(-9, 10, training[:100].shape)
    noisy = np.clip(training[:100].astype(int) + noise, 0, 255).astype(np.uint8)
    mixed = np.concatenate([noisy, more[:100]])
    found = nearness(mixed, training)
    assert copy_rate(found[np.arange(100)], threshold) == 1
    assert copy_rate(found[np.arange(100, 200)], threshold) < 0.06
    assert (found.indices[:100] == np.arange(100)).all()
    # 5 to 6 grey levels of uniform noise.
    assert found.distances[:100].mean() == pytest.approx(5.3, abs=0.6)


def test_exact_copies_have_distance_0_and_pale_images_are_no_copies(pictures):
    training, unseen, more = pictures
    assert nearness(training[:20], training).distances.max() < 0.5
    threshold = copy_threshold(nearness(unseen, training))
    # Near to all training images, but to none in particular.
    pale = (0.2 * more + 100).astype(np.uint8)
    assert copy_rate(nearness(pale, training), threshold) < 0.05


def test_shares_and_missing_classes():
    reference = class_shares(np.repeat(np.arange(4), 25), 4)
    assert (reference == 0.25).all()
    shares = class_shares(np.array([0] * 60 + [1] * 38 + [2] * 2), 4)
    assert missing_classes(shares, reference) == [2, 3]
    assert missing_classes(shares, np.array([0.5, 0.5, 0, 0])) == []
    with pytest.raises(UserError, match="no image"):
        class_shares(np.array([], int), 4)


def test_divergence_is_0_for_equal_and_1_for_disjoint_histograms():
    assert divergence(np.array([0.5, 0.5]), np.array([0.5, 0.5])) == 0
    assert divergence(np.array([1.0, 0]), np.array([0, 1.0])) == pytest.approx(1)
    # By hand: middle (0.75, 0.25); 0.5 * log2(1 / 0.75) + 0.5 * (0.5 log2(0.5 / 0.75) + 0.5 log2(0.5 / 0.25)).
    expected = 0.5 * np.log2(4 / 3) + 0.25 * np.log2(2 / 3) + 0.25
    assert divergence(np.array([1.0, 0]), np.array([0.5, 0.5])) == pytest.approx(expected)


def test_halves_are_halves_and_repeat():
    halves = random_halves(11, 6)
    assert len(halves) == HALVES
    assert all(len(set(half)) == 5 for half in halves)
    assert all((one == other).all() for one, other in zip(halves, random_halves(11, 6), strict=True))


def test_the_interval_of_a_mean_is_that_of_the_textbook():
    # Its half width should be t * deviation / sqrt(n); over many sets the mean square of the margins says so.
    rng = np.random.default_rng(4)
    margins = []
    for _ in range(400):
        values = rng.standard_normal(200)
        margins.append(margin([values[half].mean() for half in random_halves(200, int(rng.integers(1 << 30)))]))
    assert np.sqrt(np.mean(np.square(margins))) == pytest.approx(2.776 / np.sqrt(200), rel=0.05)


def test_without_all_values_there_is_no_margin():
    assert np.isnan(margin([1.0] * (HALVES - 1)))
    assert np.isnan(margin([1.0] * (HALVES - 1) + [float("nan")]))
