"""`kill -9` at random instants over a run of every recipe; resumed, each ends with the bits of one that went through.

    python -m pytest tests/faults -m slow

takes about 12 s for each kill on two cores. FAULTS_KILLS (default 5) says how many kills each recipe gets, for example
`FAULTS_KILLS=50 python -m pytest tests/faults -m slow -k mlp`; FAULTS_SEED (default 1) says at which instants. A run is
killed again and again until it is complete, at a random instant of what is left, drawing and start included.
"""

import os
import random
import subprocess
import time

import pytest
from run_folders import differences

from ms_gan.config import recipe_names

pytestmark = pytest.mark.slow

_KILLS = int(os.environ.get("FAULTS_KILLS", "5"))
_STEPS = 12
_SMALL = ("--set", "batch_size=8", "--log-every", "2", "--save-every", "3", "--set", "samples.every=4")


def _begin(start, data, run):
    words = ("--steps", _STEPS, *_SMALL, "--set", "saving.networks_every=5", "--device", "cpu", "--data-dir", data)
    # The networks of the CIFAR-10 recipes want a multiple of 8 pixels.
    sizes = {"wgan": ("--size", 32), "wgan_gp": ("--size", 32)}
    return lambda recipe: start("train", "--config", recipe, "--out", run, *words, *sizes.get(recipe, ()))


@pytest.fixture(scope="module")
def reference(start, digits_folder, tmp_path_factory):
    """Give a function that returns a recipe's run that went through, and the seconds it took."""
    known = {}

    def reference(recipe):
        if recipe not in known:
            run = tmp_path_factory.mktemp("reference") / "run"
            began = time.monotonic()
            _, stderr = (child := _begin(start, digits_folder, run)(recipe)).communicate(timeout=600)
            assert child.returncode == 0, stderr
            known[recipe] = run, time.monotonic() - began
        return known[recipe]

    return reference


@pytest.mark.parametrize("recipe", recipe_names())
def test_killed_again_and_again(start, digits_folder, reference, tmp_path, recipe):
    whole, seconds = reference(recipe)
    instants = random.Random(f"{os.environ.get('FAULTS_SEED', '1')} {recipe}")
    run, kills, runs = tmp_path / "run", 0, 0
    while kills < _KILLS:
        resumable = (run / "config.yaml").exists()
        child = start("train", "--resume", run) if resumable else _begin(start, digits_folder, run)(recipe)
        try:
            # Most instants in the part after the libraries have been loaded.
            _, stderr = child.communicate(timeout=instants.uniform(0.3, 1.1) * seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            kills += 1
            continue
        assert child.returncode == 0, stderr
        assert differences(run, whole) == []
        runs, run = runs + 1, tmp_path / f"run{runs}"
    if (run / "config.yaml").exists():
        _, stderr = (child := start("train", "--resume", run)).communicate(timeout=600)
        assert child.returncode == 0, stderr
        assert differences(run, whole) == []
