"""Shared by all tests: MindSpore's CPU settings, small data, and the command line, in this process or in a child."""

import os
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from ms_gan.device import activate, choose_device

ROOT = Path(__file__).parents[1]
# 50 steps end beside every cadence (31 steps an epoch), so that what only the end of a run draws is tested too.
STEPS = 50
_WIDTHS = ("generator.options.widths=[64,128]", "discriminator.options.widths=[64]")  # a twelfth of mlp's parameters
SHORT = ("--set", "samples.every=20", "saving.networks_every=20", *_WIDTHS, "--save-every", "20")

hypothesis.settings.register_profile("short", max_examples=60, deadline=None)
hypothesis.settings.register_profile("long", max_examples=10_000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))

# A shell starts what it puts in the background with SIGINT ignored, and what the tests start would inherit that.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ALL_CORES = os.sched_getaffinity(0)


def take_a_share_of_the_cores() -> None:
    """Let this process of several compute on cores of its own: on those of others its threads would only wait."""
    number, count = os.environ.get("PYTEST_XDIST_WORKER", "gw0"), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    share = sorted(ALL_CORES)[int(number.removeprefix("gw")) :: count]
    os.sched_setaffinity(0, share or ALL_CORES)


take_a_share_of_the_cores()

# MindSpore reads its settings when it is imported, so they are made before any test imports it.
DEVICE = choose_device("cpu", announce=lambda line: None)


def slow(*values):
    """Return a case of a parametrised test as it stands in the list, but left to the slow tests."""
    return pytest.param(*values, marks=pytest.mark.slow)


@dataclass(frozen=True)
class Result:
    """What a command left on the console."""

    status: int
    stdout: str
    stderr: str


@pytest.fixture(scope="session")
def mindspore_cpu():
    """Give mindspore, set to the CPU."""
    activate(DEVICE)
    import mindspore

    check_each_kind_of_critic_once()
    return mindspore


def check_each_kind_of_critic_once() -> None:
    """Spare the runs of this process the check of a penalised critic, seconds of compiling, that has been passed."""
    from ms_gan.training import setup

    passed, check = {}, setup.pynative_is_right

    def checked(critic, config, image) -> bool:
        kind = repr((config.discriminator, config.objective.penalty, config.conditional, image))
        if kind not in passed:
            passed[kind] = check(critic, config, image)
        return passed[kind]

    setup.pynative_is_right = checked


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory) -> Path:
    """Give a folder with 2,000 + 200 built-in digits in MNIST's own files."""
    from ms_gan.data.digits import render_digits

    folder = tmp_path_factory.mktemp("digits")
    for stem, count, seed in (("train", 2000, 11), ("t10k", 200, 12)):
        images, labels = render_digits(count, seed)
        (folder / f"{stem}-images-idx3-ubyte").write_bytes(_idx(images))
        (folder / f"{stem}-labels-idx1-ubyte").write_bytes(_idx(labels))
    return folder


@pytest.fixture(scope="session")
def kept_digits(child_environment) -> None:
    """Put 60,000 + 10,000 built-in digits, of which only 2,000 are drawn, where the children find drawn ones."""
    from ms_gan.data import digits

    images, labels = digits.render_digits(2000, 1)
    folder = Path(child_environment["MS_GAN_DATA"]) / "builtin-digits"
    for stem, times in (("train/train", 30), ("test/t10k", 5)):
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            path = folder / f"{stem}-{kind}-ubyte"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_idx(np.concatenate([array] * times)))
    (folder / "builtin-digits-version.txt").write_text(f"{digits.VERSION}\n")


def _idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture(scope="session")
def child_environment(tmp_path_factory) -> dict[str, str]:
    """Give an environment in which nothing of the user's is touched and no network is reached."""
    home = tmp_path_factory.mktemp("home")
    return os.environ | {
        "PYTHONPATH": str(ROOT),
        "HOME": str(home),
        "MS_GAN_DATA": str(home / "data"),
        "MS_GAN_MIRROR": str(home / "no-mirror"),
        "COLUMNS": "100",
    }


@pytest.fixture(scope="session")
def start(child_environment) -> Callable[..., subprocess.Popen]:
    """Give a function that starts `python -m ms_gan ...` in a child process."""

    def start(*arguments: str, cwd: Path | None = None, program: Sequence[str] = ("-m", "ms_gan")) -> subprocess.Popen:
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = [sys.executable, *program, *map(str, arguments)]
        # On all cores, as a user's: its bits are compared with those of this process, too.
        os.sched_setaffinity(0, ALL_CORES)
        child = subprocess.Popen(command, cwd=cwd, env=child_environment, text=True, **pipes)
        take_a_share_of_the_cores()
        return child

    return start


@pytest.fixture(scope="session")
def run_child(start) -> Callable[..., Result]:
    """Give a function that runs `python -m ms_gan ...` in a child process to its end."""

    def run_child(*arguments: str, **options) -> Result:
        with start(*arguments, **options) as child:
            stdout, stderr = child.communicate(timeout=300)
        return Result(child.returncode, stdout, stderr)

    return run_child


@pytest.fixture
def command(mindspore_cpu, child_environment, capfd, monkeypatch) -> Callable[..., Result]:
    """Give a function that runs a command in this process; a traceback fails the test."""
    from ms_gan.cli import main

    for name in ("HOME", "MS_GAN_DATA", "MS_GAN_MIRROR", "COLUMNS"):
        monkeypatch.setenv(name, child_environment[name])

    def command(*arguments: str) -> Result:
        capfd.readouterr()
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as end:
            status = end.code
        return Result(status, *capfd.readouterr())

    return command


@pytest.fixture(scope="session")
def train_here(mindspore_cpu, digits_folder, tmp_path_factory) -> Callable[..., Path]:
    """Give a function that trains mlp on the digits in this process and returns the new run folder."""
    from ms_gan.cli import main

    def train_here(*arguments: str) -> Path:
        run = tmp_path_factory.mktemp("runs") / "run"
        basis = ["train", "--data-dir", digits_folder, "--out", run, "--device", "cpu", *SHORT]
        assert main([str(word) for word in (*basis, *arguments)]) == 0
        return run

    return train_here


@pytest.fixture(scope="module")
def compiled_once(mindspore_cpu):
    """Let the runs of a file in this process share what is compiled, see reusing.py."""
    from reusing import reuse

    from ms_gan.commands import running, train

    build, prepare = reuse(train.build, running.prepare_steps)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "build", build)
        patch.setattr(running, "prepare_steps", prepare)
        yield


@pytest.fixture(scope="session")
def finished(train_here) -> Path:
    """Give a run of 50 steps in graph mode; not to be written to, see run_folders.copy_run."""
    return train_here("--steps", STEPS)


@pytest.fixture(scope="session")
def finished_80(train_here) -> Path:
    """Give the same run, 80 steps long from the start; not to be written to."""
    return train_here("--steps", 80)


@pytest.fixture
def at_step(monkeypatch):
    """Give a function that lets something happen once, while a step of a run is under way."""
    from ms_gan.data.stream import BatchStream

    original = BatchStream.batch

    def at_step(step, event):
        waiting = [event]

        def batch(self, index):
            if index == step - 1 and waiting:
                waiting.pop()()
            return original(self, index)

        monkeypatch.setattr(BatchStream, "batch", batch)

    return at_step


@pytest.fixture
def begin(command, digits_folder, tmp_path):
    """Give a function that begins the run of the fixture `finished` and returns its folder and result."""

    def begin(*arguments):
        run = tmp_path / "begun"
        basis = ("train", "--data-dir", digits_folder, "--out", run, "--steps", STEPS, *SHORT, "--device", "cpu")
        return run, command(*basis, *arguments)

    return begin
