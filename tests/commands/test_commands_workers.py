"""Several workers on one CPU: the parameters of one worker, deaths and signals, other numbers on resume."""

import json
import os
import signal
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

from ms_gan.runs.folder import RunFolder

# No layer but the first of G's has batch normalisation before it.
WITHOUT = ("--set", "generator.options.widths=[64]", "discriminator.options.widths=[64,32]")
WITH = ("--set", "generator.options.widths=[32,64]", "discriminator.options.widths=[64,32]")


@pytest.fixture
def words(digits_folder):
    """Give a function that returns the words of a small training."""

    def words(run, *more):
        basis = ("train", "--data-dir", digits_folder, "--out", run, "--device", "cpu", "--log-every", "10")
        return [str(word) for word in (*basis, *more)]

    return words


def networks(run):
    """Return the newest networks' parameters by name."""
    import mindspore

    folder = RunFolder(run)
    files = folder.network_index()
    found = {}
    for name in files[max(files)]:
        found |= {k: v.asnumpy() for k, v in mindspore.load_checkpoint(str(folder.checkpoints / name)).items()}
    return found


def distance(one, two):
    """Return the distance of two runs' networks, each taken as one vector, relative to its length."""
    a, b = (np.concatenate([values.ravel() for _, values in sorted(networks(run).items())]) for run in (one, two))
    return np.linalg.norm(a.astype(float) - b) / np.linalg.norm(a.astype(float))


def wait_for(child, run, text):
    """Wait until worker 0 has said `text`."""
    log = run / "workers" / "start-1" / "worker_0.log"
    while child.poll() is None and not (log.exists() and text in log.read_text()):
        time.sleep(0.1)
    assert child.poll() is None


def worker(run, number):
    return json.loads((run / "workers" / "start-1" / f"worker_{number}.json").read_text())["process"]


def alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_two_workers_give_the_parameters_of_one(command, run_child, words, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    assert command(*words(one, "--steps", 20, *WITHOUT)).status == 0
    result = run_child(*words(two, "--steps", 20, *WITHOUT, "--workers", 2))
    assert result.status == 0, result.stdout + result.stderr
    assert "each with 32 of the 64 images" in result.stdout
    assert distance(one, two) < 1e-6
    numbers = ("d_loss", "d_real", "d_fake", "d_accuracy", "g_loss")
    for a, b in zip(RunFolder(one).history(), RunFolder(two).history(), strict=True):
        assert [a[n] for n in numbers] == pytest.approx([b[n] for n in numbers], rel=1e-5)
    assert sorted(path.name for path in (two / "workers" / "start-1").glob("*.log")) == [
        "msrun.log",
        "scheduler.log",
        "worker_0.log",
        "worker_1.log",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["graph", "pynative"])
def test_with_the_statistics_of_the_whole_batch_in_batch_normalisation(command, run_child, words, tmp_path, mode):
    one, two = tmp_path / "one", tmp_path / "two"
    assert command(*words(one, "--steps", 20, *WITH, "--mode", mode)).status == 0
    assert run_child(*words(two, "--steps", 20, *WITH, "--mode", mode, "--workers", 2)).status == 0
    a, b = networks(one), networks(two)
    # A bias before batch normalisation does nothing: its gradient is rounding, which Adam makes a step of. The moving
    # mean follows it.
    moved = {"generator.layers.2.bias", "generator.layers.3.moving_mean"}
    for name in set(a) - moved:
        scale = np.abs(a[name]).max()
        np.testing.assert_allclose(b[name], a[name], rtol=0, atol=1e-5 * scale, err_msg=name)
    shift = [run["generator.layers.3.moving_mean"] for run in (a, b)]
    assert np.abs(shift[0] - shift[1]).max() < 1e-4


@pytest.mark.slow
def test_half_precision_on_two_workers_is_near_that_on_one(command, run_child, words, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    half = ("--steps", 20, *WITH, "--precision", "fp16")
    assert command(*words(one, *half)).status == 0
    assert run_child(*words(two, *half, "--workers", 2)).status == 0
    # Sums over a share of the batch are rounded to float16.
    assert distance(one, two) < 0.01


@pytest.mark.slow
def test_resumed_with_another_number(run_child, words, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    assert run_child(*words(one, "--steps", 30, *WITHOUT)).status == 0
    assert run_child(*words(two, "--steps", 10, *WITHOUT, "--workers", 2)).status == 0
    assert run_child("train", "--resume", two, "--steps", 20, "--device", "cpu").status == 0
    assert run_child("train", "--resume", two, "--steps", 30, "--device", "cpu", "--workers", 2).status == 0
    assert [record["step"] for record in RunFolder(two).history()] == [10, 20, 30]
    assert distance(one, two) < 1e-6


@pytest.mark.slow
def test_a_dead_worker_ends_the_job_within_a_minute(start, words, tmp_path):
    run = tmp_path / "run"
    with start(*words(run, "--minutes", 5, *WITHOUT, "--workers", 2)) as child:
        wait_for(child, run, "ms/step")
        began = time.monotonic()
        os.kill(worker(run, 1), signal.SIGKILL)
        _, errors = child.communicate(timeout=120)
    assert time.monotonic() - began < 60
    assert child.returncode == 1
    assert "worker 1 was killed by signal 9" in errors.splitlines()[-1]
    assert f"--- the end of {run}/workers/start-1/worker_0.log" in errors
    # The other worker ends with the job; the system takes a moment to forget it.
    until = time.monotonic() + 10
    while alive(worker(run, 0)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not alive(worker(run, 0))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_ends_all(start, run_child, words, tmp_path, number):
    run = tmp_path / "run"
    with start(*words(run, "--steps", 100_000, *WITHOUT, "--workers", 2)) as child:
        wait_for(child, run, "ms/step")
        child.send_signal(number)
        _, errors = child.communicate(timeout=120)
    assert child.returncode == 128 + number
    assert "everything is saved" in errors.splitlines()[-1]
    done = max(int(state.name[6:]) for state in (run / "checkpoints").glob("state-*"))
    assert done > 0
    assert run_child("train", "--resume", run, "--device", "cpu", "--steps", done + 10).status == 0


@pytest.mark.slow
def test_two_servers_of_one_worker_each(start, words, tmp_path):
    place = ("--workers", 2, "--local_worker_num", 1, "--master_addr", "127.0.0.1", "--master_port", 18231)
    runs = [tmp_path / "first", tmp_path / "second"]
    children = [
        start(*words(run, "--steps", 20, *WITHOUT, *place, "--node_rank", rank)) for rank, run in enumerate(runs)
    ]
    for child in children:
        _, errors = child.communicate(timeout=300)
        assert child.returncode == 0, errors
    assert RunFolder(runs[0]).history()[-1]["step"] == 20
    assert not (runs[1] / "config.yaml").exists()
    assert (runs[1] / "workers" / "start-1" / "worker_1.log").exists()


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (("--workers", 3), "batch_size 64 cannot be split into 3 equal shares; set a multiple of 3, for example"),
        (("--workers", 0), "--workers 0 --local_worker_num 0: need whole numbers from 1"),
        (("--workers", 4, "--local_worker_num", 3), "as many workers on each server"),
        (("--workers", 4, "--local_worker_num", 2), "each needs --master_addr, --master_port and --node_rank"),
        (("--workers", 2, "--node_rank", 1), "all workers are on this server; add --local_worker_num"),
        (("--workers", 2, "--master_port", 80), "give a free port from 1024 to 65535"),
        (("--node_rank", 1), "goes with --workers N"),
        (("--workers", 2, "--set", "objective.penalty=dragan"), "the deviation of the whole batch"),
        (("--workers", 2, "--set", "data.class_names=[a,b]"), "data.class_names: goes with conditional: true"),
    ],
)
def test_what_cannot_be(command, words, tmp_path, more, line):
    result = command(*words(tmp_path / "run", *more))
    assert result.status == 2
    assert line in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"RANK_SIZE": "8"}, "RANK_TABLE_FILE=(not set) is no file that tells where; unset RANK_SIZE"),
        ({"RANK_SIZE": "many"}, "the number of workers is a whole number from 1"),
        ({"RANK_SIZE": "8", "RANK_TABLE_FILE": __file__, "RANK_ID": "8"}, "RANK_ID=8: with RANK_SIZE=8 it is a number"),
    ],
)
def test_rank_variables_that_tell_too_little(command, words, tmp_path, monkeypatch, variables, line):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    result = command(*words(tmp_path / "run", "--steps", 1))
    assert result.status == 2
    assert line in result.stderr


PLATFORM = {"RANK_SIZE": "8", "RANK_ID": "7", "RANK_TABLE_FILE": __file__}
MSRUN = {"MS_ROLE": "MS_WORKER", "MS_WORKER_NUM": "8"}


@pytest.mark.parametrize(("variables", "name"), [(PLATFORM, "RANK_SIZE"), (MSRUN, "MS_WORKER_NUM")])
@pytest.mark.parametrize("number", [1, 4])
def test_another_number_of_workers_than_was_started_is_refused(
    command, words, tmp_path, monkeypatch, variables, name, number
):
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    result = command(*words(tmp_path / "run", "--steps", 1, "--workers", number))
    assert result.status == 2
    assert f"--workers {number}: this process is one of {name}=8, started already" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


class Launcher:
    """Stands in for msrun: whenever it is asked whether it still works, the launching process gets a SIGTERM."""

    returncode = -signal.SIGKILL

    def __init__(self, *words, **options):
        pass

    def poll(self):
        os.kill(os.getpid(), signal.SIGTERM)

    def wait(self):
        pass


def test_a_second_sigterm_ends_with_its_status_and_the_job_names_no_folder_of_the_program(
    command, words, tmp_path, monkeypatch
):
    from ms_gan.commands import signals, workers

    run = tmp_path / "run"
    given = words(run, "--steps", 1, "--workers", 2)
    monkeypatch.setattr(workers, "subprocess", SimpleNamespace(Popen=Launcher, DEVNULL=None))
    monkeypatch.setattr(signals, "_ONE_SIGNAL", 0)
    monkeypatch.setattr(sys, "argv", ["/home/someone/.venv/bin/ms-gan", *given])
    result = command(*given)
    assert result.status == 143
    assert result.stderr.splitlines()[-1] == "ms-gan: stopped before the first step"
    assert json.loads((run / "workers" / "start-1" / "job.json").read_text())["command"] == ["ms-gan", *given]


def test_number_of_one_npu_with_several_workers_is_refused(command, words, tmp_path, monkeypatch):
    from ms_gan.commands import workers
    from ms_gan.device import DeviceChoice

    started = []
    choice = DeviceChoice("Ascend", 4, "auto", "", {}, {})
    monkeypatch.setattr(workers, "choose_device", lambda *words, **options: choice)
    monkeypatch.setattr(workers, "_launch", lambda *words: started.append(words))
    monkeypatch.setenv("ASCEND_DEVICE_ID", "4")
    given = words(tmp_path / "run", "--steps", 1, "--workers", 2)
    result = command(*given)
    assert result.status == 2
    assert "ASCEND_DEVICE_ID=4: chooses one NPU" in result.stderr
    assert not started
    # A platform sets it for a process that it starts for each server.
    monkeypatch.setenv("RANK_ID", "0")
    assert command(*given).status == 0
    assert started


def test_roles_by_the_environment(monkeypatch):
    from ms_gan.device.team import role

    assert role() == "alone"
    monkeypatch.setenv("RANK_SIZE", "1")
    assert role() == "alone"
    for name, value in PLATFORM.items():
        monkeypatch.setenv(name, value)
    assert role() == "worker"
    monkeypatch.setenv("MS_ROLE", "MS_SCHED")
    assert role() == "scheduler"


def test_shares_make_up_the_batch_and_one_worker_changes_nothing(mindspore_cpu):
    from small_runs import compiled_run

    from ms_gan.networks import batch_last
    from ms_gan.networks.kit import kit
    from ms_gan.training.parallel import Alone, Worker, averaged

    run = compiled_run("mlp")
    whole = run.stream.batch(3)
    shares = [run.stream.part(Worker(rank, 4).rows(8)).batch(3) for rank in range(4)]
    assert np.array_equal(np.concatenate(shares), whole)
    assert np.array_equal(run.stream.part(Alone().rows(8)).batch(3), whole)
    assert averaged(run.players.generator_optimizer) is run.players.generator_optimizer
    assert kit() is batch_last


def test_the_clock_of_workers_goes_on_between_two_questions_after_a_resume(mindspore_cpu, monkeypatch):
    from ms_gan.training.parallel import Worker

    worker = Worker(0, 2, timed=True)
    monkeypatch.setattr(worker, "from_first", lambda numbers: numbers)
    assert [worker.seconds(step, 600.0 + step) for step in (7, 8, 9, 10, 11)] == [607.0, 607.0, 607.0, 610.0, 610.0]


@pytest.mark.parametrize("rank", [0, 1])
def test_a_penalty_is_checked_after_the_same_messages_on_all_workers(mindspore_cpu, monkeypatch, rank):
    from small_runs import compiled_run

    from ms_gan.commands import running, sharing
    from ms_gan.commands.console import Console
    from ms_gan.commands.running import run_to_end
    from ms_gan.training.loop import Position
    from ms_gan.training.parallel import Worker

    said, run = [], compiled_run("mlp")

    def check(*_):
        said.append("check")
        raise InterruptedError

    monkeypatch.setattr(Worker, "from_first", lambda self, numbers: said.append(len(numbers)) or numbers)
    monkeypatch.setattr(Worker, "share_parameters", lambda self, parameters: said.append("parameters"))
    for module in (running, sharing):
        monkeypatch.setattr(module, "prepare_steps", check)
    monkeypatch.setattr(running, "describe_run", lambda *_: None)
    monkeypatch.setattr(running, "describe_disk", lambda *_: "")
    monkeypatch.setattr(sharing, "build", lambda *_: (run.config, run.players, None))
    worker = Worker(rank, 2)
    job = SimpleNamespace(config=run.config, players=run.players, plan=None, console=Console(), worker=worker)
    part = (lambda: sharing.follow(run, worker, print)) if rank else (lambda: run_to_end(run, job, Position(), None))
    with pytest.raises(InterruptedError):
        part()
    assert said == [1, "parameters", 4, "check"]
