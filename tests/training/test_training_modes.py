"""Graph mode and PyNative give the same bits: parameters, moving statistics, optimizers and records."""

import dataclasses

import numpy as np
import pytest
from conftest import slow
from small_runs import RECIPES, SmallRun, compiled_run, differing, digits_for, small_config

pytestmark = pytest.mark.usefixtures("mindspore_cpu")


def in_pynative(run):
    return SmallRun(dataclasses.replace(run.config, mode="pynative"), run.images)


# Not wgan_gp: its D step is compiled in both modes, and its G step is that of wgan.
@pytest.mark.parametrize(("recipe", "steps"), [("mlp", 30), ("dense", 30), ("dcgan", 4), ("wgan", 2)])
def test_graph_and_pynative_give_the_same_bits(recipe, steps):
    graph = compiled_run(recipe).train(steps)
    assert differing(graph, in_pynative(graph).train(steps)) == []
    assert len(graph.records) == steps


@pytest.mark.parametrize(
    ("recipe", "steps"),
    [
        ("sngan_horses", 2),
        # What is penalised is compiled in both modes, so that these compare a step with itself.
        slow("conditional_mnist", 30),
        slow("best_mnist", 30),
        slow("sngan_horses", 30),
        slow("r3gan_horses", 30),
    ],
)
def test_graph_and_pynative_give_the_same_bits_in_our_recipes(recipe, steps):
    graph = SmallRun(small_config(recipe), digits_for(recipe, 80)).train(steps)
    assert differing(graph, in_pynative(graph).train(steps)) == []


@pytest.mark.parametrize("recipe", ["best_mnist", "r3gan_horses", "wgan_gp"])
def test_what_is_penalised_is_compiled_in_pynative_too(recipe, monkeypatch):
    from ms_gan.training import setup
    from ms_gan.training.steps import Steps

    monkeypatch.setattr(setup, "pynative_is_right", lambda *_: True)
    monkeypatch.setattr(setup, "as_graphs", lambda steps, level: Steps("D", "G", "both"))
    config = dataclasses.replace(small_config(recipe), mode="pynative")
    steps = SmallRun(config, digits_for(recipe, 80)).steps
    assert (steps.d_step, steps.joint_step) == ("D", "both")
    assert callable(steps.g_step)


def test_a_penalised_recipe_trains_with_its_own_networks():
    run = SmallRun(small_config("r3gan_horses"), digits_for("r3gan_horses", 80)).train(2)
    assert all(np.isfinite(value) for record in run.records for value in record.values())
    end = run.state()
    assert [name for name in end if name.endswith("weight") and np.array_equal(end[name], run.start[name])] == []


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["dcgan", "wgan", "wgan_gp"])
def test_graph_and_pynative_give_the_same_bits_for_30_steps(recipe):
    graph = compiled_run(recipe).train()
    assert differing(graph, in_pynative(graph).train()) == []
    assert len(graph.records) == 30


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "batch_size", "steps"),
    [("mlp", 64, 30), ("dense", 32, 30), ("dcgan", 64, 30), ("wgan", 256, 2), ("wgan_gp", 256, 2)],
)
def test_graph_and_pynative_give_the_same_bits_at_the_published_batch(recipe, batch_size, steps):
    config = small_config(recipe, f"batch_size={batch_size}", steps=steps)
    graph = SmallRun(config, digits_for(recipe, 5 * batch_size)).train()
    assert differing(graph, in_pynative(graph).train()) == []


@pytest.mark.parametrize("recipe", ["mlp", slow("dcgan")])
def test_pynative_does_not_depend_on_batch_sizes_of_before(recipe):
    # MindSpore's cross-entropy once did: it divided by the first batch size of the process.
    # The matter is the loss, whatever the width.
    widths = ("generator.options.widths=[16,16]", "discriminator.options.widths=[16]") if recipe == "mlp" else ()
    config = dataclasses.replace(small_config(recipe, "batch_size=6", *widths, steps=3), mode="pynative")
    images = digits_for(recipe, 40)
    SmallRun(config, images).train()
    eager = SmallRun(dataclasses.replace(config, batch_size=10), images).train()
    graph = SmallRun(dataclasses.replace(config, batch_size=10, mode="graph"), images).train()
    assert differing(eager, graph) == []


@pytest.mark.parametrize("recipe", RECIPES[:2])
def test_same_seed_same_run_and_another_seed_another(recipe):
    run = compiled_run(recipe).train(5)
    first, records = run.state(), run.records
    run.restart().train(5)
    assert {name: value.tobytes() for name, value in first.items()} == {
        name: value.tobytes() for name, value in run.state().items()
    }
    assert run.records == records
    # Both modes agree, so the seed alone makes the difference.
    other = SmallRun(dataclasses.replace(run.config, seed=2, mode="pynative"), run.images)
    assert other.train(1).records[0] != records[0]
