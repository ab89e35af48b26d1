"""The watch warns of a collapse and of a D that always wins, once, and never of a healthy start."""

import numpy as np
import pytest

from ms_gan.evaluation.diversity import Diversity
from ms_gan.training.watch import CollapseWatch, find_warnings


def _records(diversities=(), accuracies=(), every=100):
    count = max(len(diversities), len(accuracies))
    records = [{"step": every * (number + 1), "epoch": 0} for number in range(count)]
    for record, value in zip(records, diversities, strict=False):
        record["diversity"] = value
    for record, value in zip(records, accuracies, strict=False):
        record["d_accuracy"] = value
    return records


def _found(records, accuracy=True):
    return [(warning["kind"], warning["step"]) for warning in find_warnings(records, accuracy)]


def test_collapse_is_told_once_and_again_only_after_it_passed():
    values = [0.8] * 5 + [0.1] * 10 + [0.2] * 3 + [0.05] * 5 + [0.6] * 2 + [0.01] * 5
    assert _found(_records(values)) == [("collapse", 800), ("collapse", 2800)]


def test_collapse_is_told_in_words_with_step_and_advice():
    (warning,) = find_warnings(_records([0.9] * 3 + [0.02] * 4), True)
    for part in ("step 600", "nearly the same picture", "diversity 0.02", "since step 400", "try", "updates.d_steps"):
        assert part in warning["text"]


def test_one_odd_grid_is_no_collapse():
    assert _found(_records([0.8, 0.05, 0.8, 0.05, 0.05, 0.8] * 5)) == []


def test_nothing_is_told_of_the_first_steps():
    # As G starts, all its pictures are alike.
    assert _found(_records([0.0] * 10, every=10)) == []
    assert _found(_records([], [1.0] * 40, every=10)) == []
    assert _found(_records([], [1.0] * 19, every=1000)) == []


def test_d_that_always_wins_is_told_once_and_again_only_after_doubts():
    values = [0.8] * 5 + [1.0] * 30 + [0.97] + [1.0] * 30 + [0.9] + [1.0] * 25
    assert _found(_records([], values)) == [("accuracy", 2500), ("accuracy", 8700)]
    (first, _) = find_warnings(_records([], values), True)
    for part in ("step 2,500", "since step 600", "accuracy 100 %", "try a smaller learning rate of D"):
        assert part in first["text"]


def test_accuracy_of_a_wasserstein_critic_means_nothing():
    assert _found(_records([], [1.0] * 100), accuracy=False) == []


def test_every_step_recorded_needs_hundreds_of_them():
    assert _found(_records([], [1.0] * 400, every=1)) == []
    assert _found(_records([], [1.0] * 600, every=1)) == [("accuracy", 501)]


def test_watch_that_saw_the_past_goes_on_where_it_was():
    values = [0.8] * 5 + [0.1] * 10 + [0.9] * 3 + [0.05] * 5
    records = _records(values, [1.0] * len(values))
    for cut in range(len(records)):
        watch = CollapseWatch(accuracy=True)
        for record in records[:cut]:
            watch.see(record)
        later = [(notice.kind, notice.step) for record in records[cut:] for notice in watch.see(record)]
        assert later == [entry for entry in _found(records) if entry[1] > 100 * cut]


@pytest.fixture
def digits():
    from ms_gan.data.digits import render_digits

    return render_digits(500, 3)[0][:, None]


def _floats(images):
    return (images / 127.5 - 1).astype(np.float32)


def test_diversity_of_real_images_is_about_one(digits):
    measure = Diversity(digits[:400], 25)
    values = [measure.of(_floats(digits[start : start + 25])) for start in range(400, 500, 25)]
    assert all(0.85 < value < 1.15 for value in values)


@pytest.mark.parametrize("modes", [1, 2, 5])
def test_diversity_of_few_modes_is_small(digits, modes):
    noise = np.random.default_rng(1).normal(0, 0.02, (25, 1, 28, 28)).astype(np.float32)
    images = _floats(digits[np.arange(25) % modes]) + noise
    assert Diversity(digits, 25).of(images) < 0.1


def test_diversity_follows_from_its_arguments_and_needs_something_to_compare(digits):
    images = _floats(digits[:25])
    assert Diversity(digits, 25).of(images) == Diversity(digits.copy(), 25).of(images)
    assert Diversity(digits, 1).of(images[:1]) is None
    assert Diversity(np.repeat(digits[:1], 30, axis=0), 25).of(images) is None
