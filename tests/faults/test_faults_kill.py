"""`kill -9` at random instants over the whole life of runs of every recipe; resumed, each ends with the same bits.

    FAULTS_KILLS=50 python -m pytest tests/faults/test_faults_kill.py -m slow -s

FAULTS_KILLS (default 5) says how many kills each recipe gets, FAULTS_SEED (default 1) at which instants. A run is
killed, resumed, killed again and so on until a process reaches its end; then it is compared bit for bit with one that
went through: parameters, optimizers, moving statistics, history, best networks, pictures, GIF. Each process runs in
graph or in PyNative mode, at random. The networks are small, so that a kill costs little more than a start.
"""

import os
import random
import time
from collections import Counter

import pytest
from run_folders import differences

from ms_gan.config import recipe_names

pytestmark = pytest.mark.slow

_KILLS = int(os.environ.get("FAULTS_KILLS", "5"))
_STEPS = 12
_WORDS = (
    *("--steps", _STEPS, "--device", "cpu", "--size", 16, "--log-every", 2, "--save-every", 3, "--evaluate-every", 4),
    *("--keep-best", "sliced_wasserstein", "--set", "batch_size=4", "samples.every=4", "saving.networks_every=5"),
    *("saving.networks_keep=2", "evaluation.images=32"),
)
_DENSE = ("generator.options.widths=[16,16]", "discriminator.options.widths=[16,16]")
_CRITIC = ("generator.options.widths=[4,4,4,4]", "discriminator.options.widths=[4,4,4,4]")
_DIGITS = ("generator.options.widths=[16,4,4]", "discriminator.options.widths=[16,16]")
_HORSES = ("generator.options.widths=[4,4]", "discriminator.options.widths=[4,4,4]")
_SMALL = {
    "mlp": _DENSE,
    "dense": _DENSE,
    "best_mnist": _DIGITS,
    "conditional_mnist": _DIGITS,
    "dcgan": ("generator.options.widths=[4,4]", "discriminator.options.widths=[4,4]"),
    "sngan_horses": _HORSES,
    "r3gan_horses": _HORSES,
    "wgan": _CRITIC,
    "wgan_gp": _CRITIC,
}
# Where a kill is aimed at. Without aim, nearly all would hit the start, which takes longest.
_AIMS = ["start"] * 4 + ["training"] * 6 + ["saving"] * 6 + ["drawing"] * 4


class Victim:
    """A process that trains or resumes a run, to be killed."""

    def __init__(self, start, run, data, recipe, mode):
        self.run, self.resumes = run, (run / "config.yaml").exists()
        self.before = self._progress()
        words = ("--resume", run) if self.resumes else ("--config", recipe, "--out", run, "--data-dir", data, *_WORDS)
        small = () if self.resumes else ("--set", *_SMALL[recipe])
        self.began = time.monotonic()
        self.process = start("train", *words, *small, "--mode", mode)

    def until(self, reached, seconds=120.0):
        """Wait until `reached()` or the end of the process; say whether it lives."""
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end and not reached():
            time.sleep(0.0005)
        return self.process.poll() is None

    def aim(self, aim, instants, seconds):
        """Wait for a random instant of a phase; say whether the process still lives."""
        if aim == "start":
            instant = self.began + instants.uniform(0.02, 0.7) * seconds
            return self.until(lambda: time.monotonic() >= instant)
        if aim == "saving":
            # The n-th time that something is seen being written beside.
            for _ in range(instants.randint(0, 4)):
                self.until(self._half_written)
                self.until(lambda: not self._half_written())
            return self.until(self._half_written)
        if aim == "drawing":
            self.until(lambda: self._final().exists())
        else:
            self.until(lambda: self._progress() != self.before)
        # The steps of such small networks and the drawing are short, compared with the start.
        instant = time.monotonic() + instants.uniform(0, 0.05 if aim == "training" else 0.1) * seconds
        return self.until(lambda: time.monotonic() >= instant)

    def kill(self):
        """Kill it; say in which phase that was, by what it left."""
        self.process.kill()
        self.process.communicate()
        if not (self.run / "config.yaml").exists():
            return "before there is a run"
        if self._half_written():
            return "saving"
        if self._final().exists():
            return "drawing"
        return "training" if self._progress() != self.before else "start of a resume" if self.resumes else "start"

    def _half_written(self):
        folders = (self.run, self.run / "checkpoints", self.run / "images")
        return any(".tmp" in entry.name for folder in folders if folder.is_dir() for entry in os.scandir(folder))

    def _final(self):
        return self.run / "checkpoints" / f"state-{_STEPS:08d}"

    def _progress(self):
        history = self.run / "history.jsonl"
        return history.read_bytes() if history.exists() else b""


@pytest.fixture(scope="module")
def table():
    """Give the kills of each recipe by phase; printed at the end."""
    kills = {}
    yield kills
    phases = sorted({phase for counts, _ in kills.values() for phase in counts})
    print("\n| recipe | kills | " + " | ".join(phases) + " | runs compared, all the same bits |")
    print("|" + "---|" * (len(phases) + 3))
    for recipe, (counts, runs) in kills.items():
        print(f"| {recipe} | {counts.total()} | {' | '.join(str(counts[phase]) for phase in phases)} | {runs} |")


def _whole(start, data, run, recipe):
    """Train a run that goes through; return the seconds of its process."""
    victim = Victim(start, run, data, recipe, "graph")
    _, stderr = victim.process.communicate(timeout=600)
    assert victim.process.returncode == 0, stderr
    return time.monotonic() - victim.began


@pytest.mark.parametrize("recipe", recipe_names())
def test_killed_again_and_again(start, digits_folder, tmp_path, table, recipe):
    seconds = _whole(start, digits_folder, tmp_path / "whole", recipe)
    instants = random.Random(f"{os.environ.get('FAULTS_SEED', '1')} {recipe}")
    phases, runs = Counter(), 0
    while True:
        run = tmp_path / f"run{runs}"
        victim = Victim(start, run, digits_folder, recipe, instants.choice(["graph", "pynative"]))
        aim = instants.choice(_AIMS)
        if phases.total() < _KILLS and victim.aim(aim, instants, seconds):
            phases[victim.kill()] += 1
            continue
        _, stderr = victim.process.communicate(timeout=600)
        assert victim.process.returncode == 0, stderr
        assert differences(run, tmp_path / "whole", free=("mode",)) == []
        runs += 1
        print(f"{recipe}: {runs} runs ended with the same bits after {phases.total()} kills", flush=True)
        if phases.total() == _KILLS:
            break
    table[recipe] = phases, runs
