"""Graph mode against PyNative: both are run in processes of their own, and the answer about bits is true."""

import json

import numpy as np
from PIL import Image

from ms_gan.commands.compare import Trial, _agreement, compare_table


def test_compare_runs_both_modes_and_finds_the_same_bits(run_child, digits_folder, tmp_path):
    result = run_child("compare", "--data-dir", digits_folder, "--steps", 15, "--repeats", 1, "--out", tmp_path / "c")
    assert result.status == 0, result.stderr
    assert "After 15 steps: the same bits; largest difference of losses 0, of parameters 0" in result.stdout
    found = json.loads((tmp_path / "c" / "compare.json").read_text())
    assert found["agreement"]["same_bits"]
    assert all(found["modes"][mode]["ms_per_step"]["median"] > 0 for mode in ("graph", "pynative"))
    assert compare_table(found) in result.stdout
    with Image.open(tmp_path / "c" / "compare.png") as picture:
        assert picture.width > 900


def test_compare_refuses_too_few_steps(command):
    result = command("compare", "--steps", "3")
    assert result.status == 2
    assert "--steps must be at least 10" in result.stderr


def test_agreement_sees_the_last_bit_and_says_how_large_it_is():
    weights = np.ones(3, np.float32)
    other = weights.copy()
    other[1] = np.nextafter(np.float32(1), np.float32(2))
    history = [{"step": 1, "d_loss": 1.0, "g_loss": 2.0}]
    one = Trial({}, history, {"w": weights})
    found = _agreement(one, Trial({}, history, {"w": other}))
    assert not found["same_bits"]
    assert found["losses"] == 0
    assert found["parameters"] == np.float64(other[1]) - 1
    assert _agreement(one, Trial({}, history, {"w": weights.copy()}))["same_bits"]
