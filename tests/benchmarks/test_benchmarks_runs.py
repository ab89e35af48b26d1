"""The benchmarks for real, as short as they can be: what they wrap and start is still there."""

import pytest
from conftest import ROOT

from benchmarks import against_pytorch, end_to_end, roofline
from ms_gan.config import load_config
from ms_gan.errors import UserError


@pytest.fixture
def small_data(digits_folder, child_environment, monkeypatch):
    for name in ("HOME", "MS_GAN_DATA", "MS_GAN_MIRROR"):
        monkeypatch.setenv(name, child_environment[name])
    monkeypatch.chdir(ROOT)
    return str(digits_folder)


def test_a_whole_run_is_taken_apart(small_data):
    result = end_to_end.main(["--recipe", "mlp", "--steps", "12", "--data-dir", small_data])
    numbers = result["recipes"]["mlp"]
    assert numbers["steps"] == 12
    assert all(seconds >= 0 for seconds in numbers["start_up"].values())
    assert numbers["start_up"]["first step"] > 0.1
    assert 0 < numbers["input_share_of_a_step"] < 1
    assert numbers["start_up_seconds"] < numbers["wall_seconds"]
    assert {"pictures", "saving", "logging", "curves and GIF"} <= set(numbers["shares_of_the_wall_time"])
    # No upper bound: a process inherits the peak of the one that started it, here of all tests.
    assert numbers["peak_gb"] > 0.1


def test_both_sides_train_the_same_networks(small_data):
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install -r requirements-pytorch.txt")
    words = ["--alternations", "1", "--seconds", "0", "--least", "1", "--data-dir", small_data]
    result = against_pytorch.main(["--recipe", "mlp", "dense", *words])
    for name, of_the_critic in (("mlp", 533_505), ("dense", 665_089)):
        numbers = result["recipes"][name]
        assert numbers["parameters"][1] == of_the_critic
        assert numbers["ratio"]["median"] > 0
        assert numbers["threads"][0] == numbers["threads"][1]


def test_products_of_a_step_are_those_of_its_layers(mindspore_cpu):
    # Recipe 1: G once forward for both updates, D on real and fake together, then D once more for G.
    g = [100 * 128, 128 * 256, 256 * 512, 512 * 1024, 1024 * 784]
    d = [784 * 512, 512 * 256, 256]
    expected = 64 * (3 * sum(g) - g[0]) + 128 * (3 * sum(d) - d[0]) + 64 * 2 * sum(d)
    products, weights = roofline.step_of(load_config("mlp"))
    assert sum(rows * inputs * outputs for _, (rows, inputs, outputs) in products) == expected
    assert weights == (1_510_032, 533_505)
    assert ("weights", (64, 1024, 784)) in products


def test_recipes_of_other_layers_are_refused(mindspore_cpu):
    with pytest.raises(UserError, match="dcgan: has other layers than dense ones"):
        roofline.step_of(
            load_config("dcgan", [f"{role}_optimizer.schedule=constant" for role in ("generator", "discriminator")])
        )
