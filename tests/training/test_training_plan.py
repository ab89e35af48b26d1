"""When what is due."""

import pytest
from small_runs import small_config

from ms_gan.config import load_config
from ms_gan.training.plan import make_plan


def test_published_lengths():
    mlp = make_plan(load_config("mlp"), 10_000 // 64)
    assert (mlp.steps_per_epoch, mlp.total_steps) == (156, 1872)
    assert make_plan(load_config("dense"), 60_000 // 32).total_steps == 30_001
    wgan = make_plan(load_config("wgan"), 6_000 // 256)
    assert (wgan.steps_per_epoch, wgan.total_steps) == (5, 12_000)  # 23 batches, 5 a step


def test_steps_of_an_epoch_with_the_same_batch_for_every_d_step():
    config = small_config("wgan", "updates.fresh_batch=false")
    assert make_plan(config, 23).steps_per_epoch == 23
    assert make_plan(small_config("wgan"), 2).steps_per_epoch == 1


def test_epochs_are_counted_from_zero_and_end_with_their_last_step():
    plan = make_plan(load_config("mlp", [], {"epochs": 2}), 4)
    assert [plan.epoch_of(step) for step in range(1, 9)] == [0, 0, 0, 0, 1, 1, 1, 1]
    assert [step for step in range(1, 9) if plan.ends_epoch(step)] == [4, 8]
    assert not plan.done(7, 1e9)
    assert plan.done(8, 0.0)


def test_cadences():
    settings = ["log_every=3", "samples.every=4", "saving.state_every=2"]
    plan = make_plan(load_config("mlp", settings, {"steps": 20}), 5)
    steps = range(1, 21)
    # A record goes with every grid, for it holds the grid's diversity.
    assert [step for step in steps if plan.record_due(step)] == [3, 4, 5, 6, 8, 9, 10, 12, 15, 16, 18, 20]
    assert not any(plan.evaluation_due(step) for step in steps)
    assert [step for step in steps if plan.samples_due(step)] == [4, 8, 12, 16, 20]
    assert [step for step in steps if plan.networks_due(step)] == [5, 10, 15, 20]
    assert [step for step in steps if plan.state_due(step)] == list(range(2, 21, 2))
    plan = make_plan(load_config("mlp", ["evaluation.every=7", "log_every=100"], {"steps": 20}), 50)
    assert [step for step in steps if plan.evaluation_due(step) and plan.record_due(step)] == [7, 14]


@pytest.mark.parametrize(("seconds", "done"), [(0.0, False), (59.9, False), (60.0, True)])
def test_minutes(seconds, done):
    plan = make_plan(load_config("mlp", [], {"minutes": 1}), 5)
    assert plan.total_steps is None
    assert plan.done(10**9, seconds) is done
