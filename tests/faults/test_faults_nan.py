"""NaN and infinity: the run stops within a logging interval, or goes back and on with other batches, to the bit."""

import json
import os
import signal

import numpy as np
import pytest
from conftest import STEPS, slow
from run_folders import differences, states

from ms_gan.data.stream import BatchStream, data_seed
from ms_gan.runs.folder import RunFolder
from ms_gan.runs.history import read_history

pytestmark = pytest.mark.usefixtures("compiled_once")

# A NaN in the batch of step 33, as long as the order of the data is that of one of these seeds.
_STEP = 33


@pytest.fixture
def poison(monkeypatch):
    """Give a function that puts NaN into one batch of the data in the orders after so many rollbacks."""
    original, seeds = BatchStream.batch, []

    def batch(self, index):
        bad = index == _STEP - 1 and self._seed in seeds
        return original(self, index) * np.float32("nan" if bad else 1)

    monkeypatch.setattr(BatchStream, "batch", batch)

    def poison(*rollbacks):
        seeds[:] = [data_seed(1, number) for number in rollbacks]

    return poison


@pytest.fixture(scope="module")
def rolled_back(train_here):
    """Give a run that went back once and then to its end."""
    with pytest.MonkeyPatch.context() as patch:
        original = BatchStream.batch
        patch.setattr(
            BatchStream,
            "batch",
            lambda self, index: original(self, index) * np.float32("nan" if (index, self._seed) == (32, 1) else 1),
        )
        return train_here("--steps", STEPS, "--on-nan", "rollback")


def _nothing_bad_is_saved(run):
    for state in states(run):
        with np.load(state / "parameters.npz") as arrays:
            assert all(np.isfinite(arrays[name]).all() for name in arrays.files)


def test_run_stops_within_a_logging_interval_and_names_what_is_good(begin, poison):
    poison(0)
    run, result = begin()
    assert (result.status, result.stderr.count("\n")) == (1, 1)
    assert "step 40: d_loss is not finite, the training has diverged" in result.stderr
    assert f"the last good state is {run}/checkpoints/state-00000020" in result.stderr
    assert f"its newest networks {run}/checkpoints/Generator_step20.ckpt" in result.stderr
    assert "--on-nan rollback" in result.stderr
    assert [record["step"] for record in read_history(run / "history.jsonl")] == [10, 20, 30, 31, 40]
    assert list(RunFolder(run).network_index()) == [20]
    assert sorted(path.name for path in (run / "images").glob("step*")) == ["step-00000020.png"]
    _nothing_bad_is_saved(run)


def test_state_that_is_due_before_the_log_is_not_saved_with_nan(begin, poison):
    poison(0)
    run, result = begin("--log-every", "1000", "--set", "samples.every=1000", "--save-every", "17")
    assert result.status == 1
    assert "step 34: parameter " in result.stderr
    assert [state.name for state in states(run)] == ["state-00000000", "state-00000017"]


def test_rollback_goes_on_with_other_batches_and_says_so(rolled_back, finished):
    records = read_history(rolled_back / "history.jsonl")
    assert [(record["step"], record.get("rollbacks", 0)) for record in records] == [
        (10, 0), (20, 0), (30, 1), (31, 1), (40, 1), (50, 1)
    ]  # fmt: skip
    environment = RunFolder(rolled_back).environment()
    assert environment["rollbacks"] == [{"number": 1, "noticed": 40, "what": "d_loss", "back_to": 20}]
    told = "step 40: d_loss is not finite: going back to the state of step 20 and on with other batches (rollback 1 of"
    assert told in (rolled_back / "log.txt").read_text()
    _nothing_bad_is_saved(rolled_back)
    before = read_history(finished / "history.jsonl")
    assert [{**record, "seconds": 0} for record in records[:2]] == [{**record, "seconds": 0} for record in before[:2]]
    assert records[2]["d_loss"] != before[2]["d_loss"]


@pytest.mark.parametrize("step", [slow(27), 33, slow(45)])
def test_rollback_and_interrupt_end_with_the_same_bits(begin, poison, at_step, command, rolled_back, step):
    poison(0)
    at_step(step, lambda: os.kill(os.getpid(), signal.SIGTERM))
    run, result = begin("--on-nan", "rollback")
    assert result.status == 143
    # A second signal at once, so that the state that was due is not among the two newest.
    for _ in range(2):
        at_step(step + 1, lambda: os.kill(os.getpid(), signal.SIGTERM))
        command("train", "--resume", run)
    assert command("train", "--resume", run).status == 0
    assert differences(run, rolled_back) == []
    assert RunFolder(run).environment()["rollbacks"] == RunFolder(rolled_back).environment()["rollbacks"]


def test_stopped_run_may_be_resumed_with_rollback(begin, poison, command, rolled_back):
    poison(0)
    run, result = begin()
    assert result.status == 1
    assert command("train", "--resume", run, "--on-nan", "rollback").status == 0
    assert differences(run, rolled_back, free=("on_nan",)) == []


def test_rollbacks_are_bounded(begin, poison):
    poison(0, 1, 2)
    run, result = begin("--on-nan", "rollback", "--set", "max_rollbacks=2")
    assert (result.status, result.stderr.count("\n")) == (1, 1)
    assert "the training has diverged for the 3. time" in result.stderr
    assert result.stdout.count("going back to the state of step 20") == 2
    assert [entry["number"] for entry in RunFolder(run).environment()["rollbacks"]] == [1, 2]


def test_rollback_before_the_first_save_goes_back_to_the_start(begin, poison):
    poison(0)
    run, result = begin("--on-nan", "rollback", "--save-every", "1000")
    assert result.status == 0
    assert "going back to the state of step 0" in result.stdout
    assert {record["rollbacks"] for record in read_history(run / "history.jsonl")} == {1}


def test_data_seeds_differ_and_the_first_is_the_runs_own():
    seeds = [data_seed(seed, number) for seed in (1, 2) for number in range(4)]
    assert seeds[0] == 1
    assert len(set(seeds)) == 8
    assert all(0 <= seed < 2**32 for seed in seeds)


@pytest.mark.parametrize(("value", "found"), [("nan", True), ("inf", True), ("-inf", True), ("3e38", False)])
def test_every_kind_of_parameter_is_looked_at(mindspore_cpu, value, found):
    from ms_gan.commands.finite import first_not_finite
    from ms_gan.config import OptimizerConfig
    from ms_gan.training.optimizers import build_optimizer
    from ms_gan.training.steps import Players

    ms = mindspore_cpu
    generator, discriminator = ms.nn.Dense(2, 3), ms.nn.Dense(3, 1)
    discriminator.update_parameters_name("d.")
    optimizers = [
        build_optimizer(role, net.trainable_params(), OptimizerConfig(), 1)
        for role, net in (("generator", generator), ("discriminator", discriminator))
    ]
    players = Players(generator, discriminator, *optimizers)
    assert first_not_finite({"d_loss": 1.0}, players) is None
    moment = optimizers[1].moment1[0]
    # The sum of two numbers of 3e38 overflows, though both are finite.
    moment.set_data(ms.Tensor(np.full(moment.shape, float(value), np.float32)))
    assert first_not_finite({"d_loss": 1.0}, players) == (f"parameter {moment.name}" if found else None)
    assert first_not_finite({"d_loss": float("inf")}, players) == "d_loss"


def test_history_of_a_rollback_is_plain_json(rolled_back):
    for line in (rolled_back / "history.jsonl").read_text().splitlines():
        assert all(isinstance(value, int | float) for value in json.loads(line).values())
