"""A generator as a file for others: the same pictures, any batch size, metadata, and no need of the rest of ms_gan."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from conftest import ROOT, slow
from mindspore import nn

from ms_gan import load_exported
from ms_gan.commands import export as exporting
from ms_gan.config import config_text, load_config, recipe_names
from ms_gan.data.stream import fixed_latents
from ms_gan.errors import UserError
from ms_gan.exported import by_numpy, reading
from ms_gan.networks import ImageShape, build_generator
from ms_gan.runs.checkpoints import save_network

FORMATS = ("mindir", "onnx", "npz")
SMALL = {
    "mlp": [5, 6],
    "dense": [5, 6],
    "dcgan": [5, 4, 6],
    "wgan": [6, 5, 4, 3],
    "best_mnist": [6, 4, 3],
    "sngan_horses": [3, 4, 5],
}
# Recipes whose generator is one of these.
SAME = {"wgan_gp": "wgan", "conditional_mnist": "best_mnist", "r3gan_horses": "sngan_horses"}


def _needs(kind):
    if kind == "onnx":
        pytest.importorskip("onnxruntime", reason="not installed: pip install -r requirements-export.txt")
        pytest.importorskip("onnx", reason="not installed: pip install -r requirements-export.txt")


@pytest.fixture(scope="module")
def small(mindspore_cpu, tmp_path_factory):
    """Give a function that returns a recipe file and a checkpoint of its generator, small and of no special weights."""
    folder = tmp_path_factory.mktemp("small")

    def small(recipe):
        checkpoint, config = folder / f"{recipe}.ckpt", folder / f"{recipe}.yaml"
        if not checkpoint.exists():
            # A class on request is more latents to a generator.
            changes = [f"generator.options.widths={SMALL[recipe]}", "latent.size=7", "conditional=false"]
            settings = load_config(recipe, changes)
            config.write_text(config_text(settings))
            image = ImageShape(3, 32) if settings.data.prefer == "cifar10" else ImageShape(1, 28)
            generator = build_generator(settings.generator.name, 7, image, settings.generator.options)
            rng = np.random.default_rng(3)
            for parameter in generator.get_parameters():
                spread = 0.1 if len(parameter.shape) == 1 else 2 / np.sqrt(parameter.size / parameter.shape[0])
                value = spread * rng.standard_normal(parameter.shape)
                # Statistics and scales as a training leaves them: not 0 or 1.
                if parameter.name.endswith(("variance", "gamma")):
                    value = np.abs(value) + 0.5
                parameter.set_data(ms.Tensor(value.astype(np.float32)))
            save_network(checkpoint, generator)
        return checkpoint, config

    return small


def test_these_are_the_generators_of_all_recipes():
    assert sorted([*SMALL, *SAME]) == recipe_names()
    for recipe, same in SAME.items():
        assert load_config(recipe).generator == load_config(same).generator


@pytest.mark.parametrize(
    ("recipe", "kind"),
    # Their layers as a MindIR take seconds, and dcgan's are much the same.
    [
        (slow if kind == "mindir" and recipe in ("best_mnist", "sngan_horses") else pytest.param)(recipe, kind)
        for recipe in SMALL
        for kind in FORMATS
    ],
)
def test_every_recipe_in_every_format_draws_what_the_checkpoint_draws(small, command, tmp_path, recipe, kind):
    _needs(kind)
    checkpoint, config = small(recipe)
    out, expected, found = tmp_path / f"g.{kind}", tmp_path / "expected.npy", tmp_path / "found.npy"
    result = command("export", checkpoint, "--config", config, "--format", kind, "--out", out, "--device", "cpu")
    assert result.status == 0, result.stderr
    told = "the same bits" if kind == "mindir" else "with MindSpore's own tanh"
    assert f"batches of 1, 3 and 25 pictures against {recipe}.ckpt: " in result.stdout
    assert told in result.stdout
    wish = ("--num", 9, "--seed", 3, "--device", "cpu")
    assert command("generate", checkpoint, "--config", config, *wish, "--out", expected).status == 0
    assert command("draw", out, *wish, "--out", found).status == 0
    pictures = np.load(expected)
    assert np.ptp(pictures, axis=0).max() > 0.1, "equal pictures would prove nothing"
    # MindSpore's own tanh is off by 1e-4 on the CPU; the export itself compares to 1e-5 with an exact one.
    np.testing.assert_allclose(np.load(found), pictures, rtol=0, atol=0 if kind == "mindir" else 1.1e-4)


@pytest.fixture(scope="module")
def written(small, tmp_path_factory):
    """Give a function that returns the exported mlp in a format."""
    folder = tmp_path_factory.mktemp("exported")

    def written(kind):
        _needs(kind)
        out = folder / f"generator.{kind}"
        checkpoint, config = small("mlp")
        return out if out.exists() else exporting.export(checkpoint, kind, out=out, config=str(config))

    return written


@pytest.fixture(scope="module")
def conditional(written, tmp_path_factory):
    """Give an exported mlp that takes the last three of its seven numbers for classes."""
    metadata, weights = by_numpy.read(written("npz"))
    metadata["latents"]["classes"] = ["cat", "dog", "horse"]
    path = tmp_path_factory.mktemp("conditional") / "generator.npz"
    np.savez(path, ms_gan=np.array(json.dumps(metadata)), **weights)
    return path


@pytest.mark.parametrize("kind", FORMATS)
def test_file_says_what_it_is_and_where_it_comes_from(finished, command, tmp_path, kind):
    _needs(kind)
    out = tmp_path / f"mlp.{kind}"
    assert command("export", finished, "--format", kind, "--out", out, "--device", "cpu").status == 0
    metadata = load_exported(out).metadata
    checkpoint = finished / "checkpoints" / metadata["checkpoint"]["file"]
    assert metadata["recipe"] == "mlp"
    assert metadata["latents"] == {"size": 100, "distribution": "N(0, 1)"}
    assert metadata["images"] == {"shape": [1, 28, 28], "range": [-1, 1]}
    assert metadata["checkpoint"] == {
        "file": checkpoint.name,
        "sha256": hashlib.sha256(checkpoint.read_bytes()).hexdigest(),
        "run": "run",
        "step": 50,
    }
    assert {"ms_gan", "mindspore", "device"} <= metadata.keys()
    # Others get the file: nothing in it tells where it was made.
    assert str(finished.parent).encode() not in out.read_bytes()


def test_a_checkpoint_of_a_run_can_be_chosen(finished, command, tmp_path):
    out = tmp_path / "early.npz"
    result = command(
        "export", finished / "checkpoints" / "Generator_step20.ckpt", "--format", "npz", "--out", out, "--device", "cpu"
    )
    assert result.status == 0
    assert load_exported(out).metadata["checkpoint"]["step"] == 20


def test_mindir_runs_with_mindspore_alone(written):
    network = nn.GraphCell(ms.load(str(written("mindir"))))
    for count in (1, 5):
        assert network(ms.Tensor(fixed_latents(1, count, 7))).shape == (count, 1, 28, 28)


def test_onnx_runs_with_onnxruntime_alone(written):
    path = written("onnx")
    import onnx
    import onnxruntime

    model = onnx.load(str(path))
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 13)]
    session = onnxruntime.InferenceSession(str(path))
    assert [(put.name, put.shape) for put in session.get_inputs()] == [("latents", ["batch", 7])]
    assert [(put.name, put.shape) for put in session.get_outputs()] == [("images", ["batch", 1, 28, 28])]
    for count in (1, 5):
        assert session.run(None, {"latents": fixed_latents(1, count, 7)})[0].shape == (count, 1, 28, 28)


def test_npz_runs_with_numpy_and_one_copied_file_alone(written, tmp_path):
    (tmp_path / "by_numpy.py").write_bytes(Path(by_numpy.__file__).read_bytes())
    script = (
        "import sys, numpy, by_numpy\n"
        "metadata, weights = by_numpy.read(sys.argv[1])\n"
        "latents = numpy.random.default_rng([3]).standard_normal((4, metadata['latents']['size']), dtype='float32')\n"
        "numpy.save('images.npy', by_numpy.draw(metadata, weights, latents))\n"
        "assert not {'ms_gan', 'mindspore'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(written("npz"))], cwd=tmp_path, check=True, timeout=60)
    # The latents of the documented line are those of --seed 3.
    expected = load_exported(written("npz"))(fixed_latents(3, 4, 7))
    np.testing.assert_array_equal(np.load(tmp_path / "images.npy"), expected)


@pytest.mark.parametrize("kind", ["onnx", "npz"])
def test_draw_needs_no_mindspore(written, run_child, tmp_path, kind):
    out = tmp_path / "new.png"
    arguments = ["draw", str(written(kind)), "--num", "4", "--out", str(out)]
    script = f"import sys; sys.modules['mindspore'] = None\nfrom ms_gan.cli import main\nsys.exit(main({arguments}))"
    result = run_child(program=("-c", script))
    assert result.stderr == ""
    assert result.stdout == f"wrote {out}\n"
    assert out.read_bytes()[:4] == b"\x89PNG"


def test_serving_example_answers_every_line(conditional, command, child_environment, tmp_path):
    serve = [sys.executable, ROOT / "examples" / "serve.py", conditional, tmp_path / "pictures"]
    result = subprocess.run(
        serve, input="7\n8\n-1\n9\n", env=child_environment, text=True, capture_output=True, timeout=60, check=True
    )
    lines = result.stdout.splitlines()
    # A line that is no seed ends nothing.
    assert lines.pop(2).split(":")[0] == "'-1' is no seed"
    assert [line.split(" ms ")[1] for line in lines] == [
        str(tmp_path / "pictures" / f"{seed}.png") for seed in (7, 8, 9)
    ]
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == ["7.png", "8.png", "9.png"]
    assert command("draw", conditional, "--seed", 7, "--out", tmp_path / "7.png").status == 0
    assert (tmp_path / "7.png").read_bytes() == (tmp_path / "pictures" / "7.png").read_bytes()
    for wrong in ([], ["/nowhere.npz", tmp_path]):
        done = subprocess.run([*serve[:2], *wrong], env=child_environment, text=True, capture_output=True, timeout=60)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_latents_of_ones_own(written, command, tmp_path):
    latents = fixed_latents(5, 6, 7)
    np.save(tmp_path / "latents.npy", latents)
    out = tmp_path / "images.npy"
    assert command("draw", written("npz"), "--latents", tmp_path / "latents.npy", "--out", out).status == 0
    np.testing.assert_array_equal(np.load(out), load_exported(written("npz"))(latents))


def test_pictures_go_into_a_folder_that_is_there_whatever_its_name(written, command, small, tmp_path):
    checkpoint, config = small("mlp")
    (tmp_path / "drawn.v2").mkdir()
    for words in (("draw", written("npz")), ("generate", checkpoint, "--config", config, "--device", "cpu")):
        result = command(*words, "--num", 2, "--out", tmp_path / "drawn.v2")
        assert result.status == 0, result.stderr
        for name in ("0.png", "1.png"):
            (tmp_path / "drawn.v2" / name).unlink()


def test_what_is_drawn_is_bounded(written, command, small, tmp_path, monkeypatch):
    checkpoint, config = small("mlp")
    monkeypatch.setattr(reading, "_LARGEST", 300 * 28 * 28 * 4)
    np.save(tmp_path / "latents.npy", fixed_latents(5, 301, 7))
    draw, generate = ("draw", written("npz")), ("generate", checkpoint, "--config", config, "--device", "cpu")
    for words in (draw, generate):
        assert command(*words, "--num", 300, "--out", tmp_path / "x.npy").status == 0
    for words in ((*draw, "--num", 301), (*draw, "--latents", tmp_path / "latents.npy"), (*generate, "--num", 301)):
        result = command(*words, "--out", tmp_path / "y.npy")
        assert (result.status, result.stderr.count("\n")) == (2, 1)
        assert "ms-gan: 301 images of 1 x 28 x 28 numbers need 0.0 GiB of memory" in result.stderr
        assert "--" not in result.stderr
        assert not (tmp_path / "y.npy").exists()


@pytest.mark.parametrize("drawn", [(2, 1, 4, 4), (4, 1, 4, 3)])
def test_a_generator_that_draws_another_number_or_size_is_refused(drawn):
    parts = [np.zeros((4, 1, 4, 4)), np.zeros(drawn)]
    with pytest.raises(ValueError, match="is expected"):
        reading.draw_in_batches(lambda _: parts.pop(0), np.zeros((8, 2)), 4)


@pytest.mark.parametrize("kind", FORMATS)
def test_export_that_draws_other_pictures_is_refused_and_nothing_is_left(small, command, tmp_path, monkeypatch, kind):
    _needs(kind)
    monkeypatch.setattr(exporting, "load_exported", lambda path: _Wrong(load_exported(path)))
    checkpoint, config = small("mlp")
    folder = tmp_path / "new"
    result = command(
        "export", checkpoint, "--config", config, "--format", kind, "--out", folder / f"g.{kind}", "--device", "cpu"
    )
    assert result.status == 2
    assert f"--format {kind}: not exported, because it draws other pictures than mlp.ckpt: " in result.stderr
    assert "wrote" not in result.stdout
    assert not folder.exists()
    assert "HF32" not in result.stderr
    # On an NPU the pictures to compare with are less exact than the file.
    monkeypatch.setattr(ms, "get_context", lambda name: "Ascend")
    with pytest.raises(UserError) as caught:
        exporting.export(checkpoint, kind, out=folder / f"g.{kind}", config=str(config))
    assert str(caught.value).endswith("HF32: export with --device cpu") is (kind != "mindir")


class _Wrong:
    """An exported generator whose pictures are a little off."""

    def __init__(self, exported):
        self.latents, self._exported = exported.latents, exported

    def __call__(self, latents):
        return self._exported(latents) + np.float32(2e-5)
