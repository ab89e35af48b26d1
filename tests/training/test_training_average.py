"""The moving average of G: its numbers, its bits in both modes, its files, and what is drawn with it."""

import dataclasses
import os
import signal

import mindspore as ms
import numpy as np
import pytest
from conftest import SHORT, slow
from mindspore import Parameter, Tensor, nn
from run_folders import copy_run, differences, replace, states
from small_runs import SmallRun, digits_for, small_config

from ms_gan.runs.folder import RunFolder
from ms_gan.training.average import MovingAverage

pytestmark = pytest.mark.usefixtures("compiled_once")
EMA = ("--set", "ema.decay=0.9")
# G's second layer has batch normalisation.
SMALL = ("generator.options.widths=[16,16]", "discriminator.options.widths=[16]")


class Constant(nn.Cell):
    """A network of two numbers."""

    def __init__(self, values):
        super().__init__()
        self.weight = Parameter(Tensor(values, ms.float32), name="generator.weight")


def differing(one, other):
    ours, theirs = one.state(), other.state()
    return [name for name in ours if ours[name].tobytes() != theirs[name].tobytes()]


@pytest.mark.parametrize("compiled", [True, False])
def test_average_of_a_constant_comes_nearer_by_the_product_of_the_decays(compiled):
    generator, average = Constant([3.0, -2.0]), MovingAverage(Constant([1.0, 5.0]), 0.6)
    follow = average.follower(generator)
    follow = ms.jit(follow) if compiled else follow
    left = 1.0
    for update in range(9):
        follow()
        left *= min(0.6, (1 + update) / (10 + update))
        expected = np.array([3 - 2 * left, -2 + 7 * left])
        np.testing.assert_allclose(average.network.weight.asnumpy(), expected, rtol=0, atol=2e-6)
    assert average.updates.asnumpy() == 9


@pytest.mark.parametrize("mode", ["graph", "pynative"])
@pytest.mark.parametrize("settings", [(), ("latent.shared=false",)])
def test_weights_and_moving_statistics_are_averaged_as_by_hand(mode, settings):
    config = small_config("mlp", "batch_size=8", *SMALL, "ema.decay=0.3", *settings, steps=6)
    run = SmallRun(dataclasses.replace(config, mode=mode), digits_for("mlp", 80))
    start = run.state()
    own = [name for name in start if name.startswith("generator.")]
    expected = {name: start[name].astype(np.float64) for name in own}
    for step in range(6):
        run.train(step + 1)
        now, decay = run.state(), min(0.3, (1 + step) / (10 + step))
        for name in own:
            expected[name] = decay * expected[name] + (1 - decay) * now[name]
    state = run.state()
    assert any("moving_mean" in name for name in own)
    for name in own:
        np.testing.assert_allclose(state[f"ema.{name}"], expected[name], rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("recipe", ["mlp", slow("dcgan")])
def test_average_has_the_same_bits_in_both_modes_and_changes_nothing_else(recipe):
    basis = ("batch_size=8", *(SMALL if recipe == "mlp" else ()))
    config = small_config(recipe, *basis, "ema.decay=0.9", steps=5)
    images = digits_for(recipe, 80)
    graph = SmallRun(config, images).train()
    eager = SmallRun(dataclasses.replace(config, mode="pynative"), images).train()
    assert differing(graph, eager) == []
    plain = SmallRun(small_config(recipe, *basis, "mode=pynative", steps=5), images).train()
    assert differing(plain, graph) == []
    assert plain.records == graph.records


def test_half_precision_averages_too():
    settings = ("batch_size=8", *SMALL, "ema.decay=0.5", "precision=fp16")
    run = SmallRun(small_config("mlp", *settings, steps=3), digits_for("mlp", 80)).train()
    state = run.state()
    name = "generator.layers.0.weight"
    assert np.abs(state[f"ema.{name}"] - state[name]).max() > 0
    assert np.abs(state[f"ema.{name}"] - run.start[name]).max() > 0


@pytest.fixture(scope="module")
def averaged(train_here):
    return train_here("--steps", 50, *EMA, "--evaluate-every", "10", "--keep-best", "sliced_wasserstein")


def test_run_saves_both_and_draws_with_the_average(averaged, command, tmp_path):
    folder = RunFolder(averaged)
    assert folder.network_index()[20] == [
        f"{role}_step20.ckpt" for role in ("Generator", "Discriminator", "GeneratorEMA")
    ]
    newest = folder.generator_file()
    assert newest.name == "GeneratorEMA_step50.ckpt"
    result = command("generate", averaged, "--training-grid", "--out", tmp_path / "grid.png")
    assert result.status == 0
    assert "Drawing with GeneratorEMA_step50.ckpt, the average of G" in result.stdout
    assert (tmp_path / "grid.png").read_bytes() == folder.grid_picture(50).read_bytes()
    raw = folder.checkpoints / "Generator_step50.ckpt"
    assert command("generate", raw, "--training-grid", "--out", tmp_path / "raw.png").status == 0
    assert (tmp_path / "raw.png").read_bytes() != folder.grid_picture(50).read_bytes()
    assert "average" in (averaged / "log.txt").read_text()


def test_checkpoints_hold_what_the_state_holds_under_the_names_of_a_generator(averaged):
    saved = {
        name: value.asnumpy() for name, value in ms.load_checkpoint(str(RunFolder(averaged).generator_file())).items()
    }
    with np.load(states(averaged)[-1] / "parameters.npz") as state:
        assert saved.keys() == {name for name in state.files if name.startswith("generator.")}
        assert all(saved[name].tobytes() == state[f"ema.{name}"].tobytes() for name in saved)


def test_best_average_is_kept_and_measured(averaged, command, tmp_path):
    folder = RunFolder(averaged)
    assert folder.best_generator_file().name == "GeneratorEMABest.ckpt"
    assert [path.exists() for path in folder.kept_best_files()] == [True] * 3
    assert "kept as GeneratorEMABest.ckpt" in (averaged / "log.txt").read_text()
    result = command("export", averaged, "--format", "npz", "--out", tmp_path / "g.npz")
    assert "against GeneratorEMA_step50.ckpt" in result.stdout


@pytest.mark.parametrize("step", [slow(13), 37])
def test_interrupted_run_ends_with_the_same_average(begin, at_step, command, averaged, step):
    at_step(step, lambda: os.kill(os.getpid(), signal.SIGTERM))
    run, _ = begin(*EMA, "--evaluate-every", "10", "--keep-best", "sliced_wasserstein")
    assert command("train", "--resume", run, "--mode", "pynative").status == 0
    assert differences(run, averaged, free=("mode",)) == []


def test_damaged_average_is_mended_from_the_state(averaged, command, tmp_path):
    run = copy_run(averaged, tmp_path / "run")
    newest, best = RunFolder(run).generator_file(), RunFolder(run).best_generator_file()
    before = newest.read_bytes(), best.read_bytes()
    for path in (newest, best):
        replace(path, b"not a checkpoint")
    result = command("train", "--resume", run)
    assert (newest.read_bytes(), best.read_bytes()) == before, result.stdout


def test_average_begins_where_a_given_generator_is(averaged, command, digits_folder, tmp_path):
    given = RunFolder(averaged).checkpoints / "Generator_step50.ckpt"
    run = tmp_path / "run"
    words = ("--init-generator", given, "--data-dir", digits_folder, "--out", run, "--steps", "1", "--device", "cpu")
    assert command("train", *SHORT, *EMA, *words).status == 0
    with np.load(states(run)[0] / "parameters.npz") as state:
        own = [name for name in state.files if name.startswith("generator.")]
        assert all(state[f"ema.{name}"].tobytes() == state[name].tobytes() for name in own)


def test_rollback_takes_the_average_back_too(begin, monkeypatch, averaged):
    from ms_gan.data.stream import BatchStream

    original = BatchStream.batch

    def poisoned(self, index):
        return original(self, index) * np.float32("nan" if (index, self._seed) == (32, 1) else 1)

    monkeypatch.setattr(BatchStream, "batch", poisoned)
    run, result = begin(*EMA, "--on-nan", "rollback")
    assert "going back to the state of step 20" in result.stdout
    with np.load(states(run)[-1] / "parameters.npz") as state:
        assert all(np.isfinite(state[name]).all() for name in state.files)
        assert state["ema.updates"] == 50
