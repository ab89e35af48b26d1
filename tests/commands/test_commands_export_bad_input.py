"""What is wrong with an export, or with a file to draw from, is told in one line; status 2; nothing is written."""

import json
import os
import shutil
import sys

import mindspore as ms
import numpy as np
import pytest
from mindspore import nn
from run_folders import copy_run, replace

from ms_gan.commands.export import export
from ms_gan.device import probe
from ms_gan.errors import UserError
from ms_gan.networks import GENERATORS
from ms_gan.networks.registry import generator as register

# Words after the command (RUN: a run of 50 steps; below the current folder) -> what the line holds.
EXPORT = {
    "RUN --format onxn": "--format: unknown name 'onxn'; did you mean onnx?",
    "RUN --format npz --out g.onnx": "--out g.onnx: must end in .npz with --format npz",
    "RUN --format npz --out g": "--out g: must end in .mindir, .onnx, .npz",
    "RUN --format npz --out there.npz": "--out there.npz: is there already; remove it, or name another file",
    "RUN --format npz --out folder.npz": "--out folder.npz: is there already",
    "RUN --format npz --out file/g.npz": "cannot write file/g.npz: ",
    "gone --format npz": "gone: no such run folder or checkpoint",
    "empty --format npz": "empty: is no run folder",
    "text.ckpt --format npz": "text.ckpt: lies in no run folder; say with --config",
    "text.ckpt --format npz --config mlp": "text.ckpt: cannot be read as a MindSpore checkpoint",
    "RUN --format npz --config dense": "of another network",
    "RUN --format mindir --device ascend": "no Ascend device to use",
    "damaged --format npz": "is damaged (its checksum in index.json does not hold)",
}
DRAW = {
    "gone.npz": "gone.npz: no such file; ms-gan export writes one",
    "RUN": "RUN: must end in .mindir, .onnx, .npz",
    "folder.npz": "folder.npz: no such file",
    "file.npz": "file.npz: cannot be read as what ms-gan export writes",
    "file.mindir": "file.mindir: cannot be read as what ms-gan export writes",
    "other.npz": "other.npz: cannot be read as what ms-gan export writes",
    "cut.npz": "cut.npz: cannot be read as what ms-gan export writes",
    "g.npz --num 0": "--num 0: must be from 1",
    "g.npz --seed -1": "--seed -1: must be from 0",
    "g.npz --num 5 --grid 2x2": "5 images do not fit a grid of 2 x 2",
    "g.npz --out new.gif": "--out new.gif: must end in .png or .npy",
    "g.npz --latents z.npy --num 3": "--latents: number, seed and class are theirs; leave out --num, --seed, --class",
    "g.npz --latents gone.npy": "--latents gone.npy: no such file",
    "g.npz --latents file": "--latents file: cannot be read as a .npy file",
    "g.npz --latents huge.npy": "--latents huge.npy: cannot be read as a .npy file: Unable to allocate",
    "text.npz": "text.npz: cannot be read as what ms-gan export writes: ValueError: its metadata say that latents have",
    "none.npz": "none.npz: cannot be read as what ms-gan export writes: ValueError: its metadata say that latents have",
    "g.npz --latents z.npy": "g.npz: takes latents (N, 100), not (2, 7)",
    "g.npz --latents flat.npy": "--latents flat.npy: must hold an array (N, n)",
    "g.npz --latents nan.npy": "g.npz: takes latents that are finite real numbers",
    "g.npz --latents words.npy": "g.npz: takes latents that are finite real numbers",
    "g.npz --device ascend": "g.npz: only *.mindir is drawn on Ascend",
}


@pytest.fixture(scope="module")
def place(finished, tmp_path_factory):
    """Give a folder with what the tables name."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "RUN").symlink_to(finished)
    for name in ("empty", "folder.npz"):
        (folder / name).mkdir()
    for name in ("file", "file.npz", "file.mindir", "text.ckpt", "there.npz"):
        (folder / name).write_text("no such thing")
    damaged = copy_run(finished, folder / "damaged")
    for path in (damaged / "checkpoints").glob("Generator*.ckpt"):
        replace(path, path.read_bytes()[:-9] + b"123456789")
    export(finished, "npz", out=folder / "g.npz")
    (folder / "cut.npz").write_bytes((folder / "g.npz").read_bytes()[:-100])
    np.savez(folder / "other.npz", weights=np.ones(3))
    for name, value in {"z": np.ones((2, 7)), "flat": np.ones(100), "nan": np.full((1, 100), np.nan)}.items():
        np.save(folder / f"{name}.npy", value)
    np.save(folder / "words.npy", np.full((1, 100), "z"))
    with open(folder / "huge.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (10**13, 100)})
    for name, size in {"text": "100", "none": 0}.items():
        metadata = {"latents": {"size": size}, "images": {"shape": [1, 28, 28]}}
        np.savez(folder / f"{name}.npz", ms_gan=json.dumps(metadata))
    return folder


def _assert_one_line(command, place, monkeypatch, words, line):
    monkeypatch.chdir(place)
    before = sorted(os.listdir(place))
    result = command(*words)
    assert result.status == 2
    message = result.stderr.splitlines()[-1]
    assert message.startswith("ms-gan: ")
    assert line in message
    assert "Traceback" not in result.stderr
    assert "wrote" not in result.stdout
    assert sorted(os.listdir(place)) == before


@pytest.mark.parametrize("words", EXPORT)
def test_export_says_what_is_wrong(command, place, monkeypatch, words):
    device = () if "--device" in words else ("--device", "cpu")
    # MindSpore's own words are test_device.py's matter.
    monkeypatch.setattr(probe, "TRIAL", f"print({probe.FAILED!r}, 'no NPU')")
    _assert_one_line(command, place, monkeypatch, ("export", *words.split(), *device), EXPORT[words])


@pytest.mark.parametrize("words", DRAW)
def test_draw_says_what_is_wrong(command, place, monkeypatch, words):
    device = () if "--device" in words else ("--device", "cpu")
    _assert_one_line(command, place, monkeypatch, ("draw", *words.split(), *device), DRAW[words])


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_without_the_packages_of_onnx_one_line(command, place, monkeypatch, package):
    for name in ("onnx", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None if name == package else sys)
    words = ("export", "RUN", "--format", "onnx", "--out", "new.onnx", "--device", "cpu")
    line = f"onnx: the package {package} is not installed: pip install -r requirements-export.txt"
    _assert_one_line(command, place, monkeypatch, words, line)


def test_drawing_from_onnx_without_onnxruntime_is_one_line(command, place, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    shutil.copy(place / "file", place / "g.onnx")
    _assert_one_line(command, place, monkeypatch, ("draw", "g.onnx"), "the package onnxruntime is not installed")


def test_damaged_onnx_is_one_line(command, place, monkeypatch):
    pytest.importorskip("onnxruntime", reason="not installed: pip install -r requirements-export.txt")
    shutil.copy(place / "file", place / "damaged.onnx")
    line = "damaged.onnx: cannot be read as what ms-gan export writes"
    _assert_one_line(command, place, monkeypatch, ("draw", "damaged.onnx"), line)


def test_folder_that_may_not_be_written_to(finished, tmp_path):
    if os.geteuid() == 0:
        folder = "/proc/nobody"  # root may write everywhere else
    else:
        folder = tmp_path / "closed"
        folder.mkdir(mode=0o500)
    with pytest.raises(UserError, match=r"cannot write .*g\.npz: "):
        export(finished, "npz", out=f"{folder}/g.npz", announce=lambda line: None)


def test_diverged_checkpoint_is_not_exported(finished, tmp_path):
    content = ms.load_checkpoint(str(max((finished / "checkpoints").glob("Generator_step*.ckpt"))))
    weight = content["generator.layers.0.weight"]
    weight.set_data(ms.Tensor(np.full(weight.shape, np.nan, np.float32)))
    path = tmp_path / "nan.ckpt"
    ms.save_checkpoint([{"name": name, "data": value} for name, value in content.items()], str(path))
    with pytest.raises(UserError, match=r"nan\.ckpt: holds numbers that are not finite"):
        export(path, "npz", out=tmp_path / "g.npz", config=str(finished / "config.yaml"))
    assert not (tmp_path / "g.npz").exists()


@pytest.mark.parametrize("nested", [True, False])
def test_network_with_a_layer_that_only_mindir_can_hold(command, digits_folder, tmp_path, monkeypatch, nested):
    class Odd(nn.Cell):
        """Somebody's own generator."""

        def __init__(self, latent_size, image):
            super().__init__()
            self.image = (-1, image.channels, image.size, image.size)
            last = nn.Dense(latent_size, image.channels * image.size**2)
            self.layers = nn.SequentialCell(last, nn.Sigmoid()) if nested else last

        def construct(self, latents):
            return self.layers(latents).reshape(self.image)

    monkeypatch.setitem(GENERATORS, "odd", register("odd")(Odd))
    run = tmp_path / "run"
    words = ("--data-dir", digits_folder, "--out", run, "--steps", 1, "--set", "generator.name=odd", "--device", "cpu")
    assert command("train", *words, "--set", "batch_size=2").status == 0
    result = command("export", run, "--format", "npz", "--out", tmp_path / "g.npz", "--device", "cpu")
    assert result.status == 2
    what = "has a layer Sigmoid" if nested else "keeps no nn.SequentialCell called layers"
    assert f"generator Odd {what}, which only mindir can hold; export with --format mindir" in result.stderr
    assert command("export", run, "--format", "mindir", "--out", tmp_path / "g.mindir", "--device", "cpu").status == 0
