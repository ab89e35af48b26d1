"""Networks and statistics of the user's."""

import sys
import types

import numpy as np
import pytest

from ms_gan.data.digits import render_digits
from ms_gan.data.images import make_image_set
from ms_gan.errors import UserError
from ms_gan.evaluation.extractors import choose_extractor
from ms_gan.evaluation.foreign import read_statistics


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Give digits, which these extractors are not trained on."""
    images, labels = render_digits(100, 1)
    return make_image_set(images[:, None], labels, tuple("0123456789"), "builtin", tmp_path_factory.mktemp("digits"))


def write_network(path, mindspore, size):
    """Export a small network: the first 16 pixels, doubled."""
    from mindspore import Tensor, nn

    class Doubled(nn.Cell):
        def construct(self, images):
            return images.reshape((images.shape[0], -1))[:, :16] * 2.0

    mindspore.export(
        Doubled(), Tensor(np.zeros((50, 1, size, size), np.float32)), file_name=str(path), file_format="MINDIR"
    )


def test_a_mindir_file_is_an_extractor(mindspore_cpu, digits, tmp_path):
    path = tmp_path / "my_net.mindir"
    write_network(path, mindspore_cpu, 28)
    found = choose_extractor(str(path), digits, digits, lambda line: None)
    assert found.name.startswith("my-net-")
    features, probabilities = found.measure(digits.images[:100])
    assert probabilities is None
    expected = (digits.images[:100].reshape(100, -1)[:, :16] / 127.5 - 1) * 2
    assert np.allclose(features, expected, atol=1e-5)


def test_an_onnx_file_is_an_extractor(digits, tmp_path, monkeypatch):
    class Session:
        def __init__(self, path, providers):
            assert path.endswith("net.onnx")

        def get_inputs(self):
            return [types.SimpleNamespace(name="images")]

        def run(self, outputs, inputs):
            return [inputs["images"].mean(axis=(2, 3), keepdims=True)]

    monkeypatch.setitem(sys.modules, "onnxruntime", types.SimpleNamespace(InferenceSession=Session))
    (tmp_path / "net.onnx").write_bytes(b"a network")
    found = choose_extractor(str(tmp_path / "net.onnx"), digits, digits, lambda line: None)
    features, _ = found.measure(digits.images[:60])
    assert np.allclose(features[:, 0], digits.images[:60].mean(axis=(1, 2, 3)) / 127.5 - 1, atol=1e-5)


def test_onnx_without_its_runtime_says_what_to_install(digits, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    (tmp_path / "net.onnx").write_bytes(b"a network")
    with pytest.raises(UserError, match="pip install onnxruntime"):
        choose_extractor(str(tmp_path / "net.onnx"), digits, digits, lambda line: None)


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("missing.mindir", None, "no such file"),
        ("broken.mindir", b"no network", "cannot be loaded"),
        ("net.pt", b"", "unknown; give auto, cnn, turns"),
        ("cnnn", None, "unknown; give auto, cnn, turns"),
    ],
)
def test_what_is_no_extractor_is_refused(mindspore_cpu, digits, tmp_path, name, content, word):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=word):
        choose_extractor(str(tmp_path / name), digits, digits, lambda line: None)


def test_statistics_are_read_from_either_kind_of_file(tmp_path):
    features = np.random.default_rng(1).standard_normal((50, 3))
    np.savez(tmp_path / "features.npz", features=features)
    np.savez(tmp_path / "statistics.npz", mu=features.mean(axis=0), sigma=np.cov(features.T))
    (one, count), (other, unknown) = (read_statistics(tmp_path / f"{name}.npz") for name in ("features", "statistics"))
    assert (count, unknown) == (50, None)
    assert np.allclose(one.covariance, other.covariance)
    assert np.allclose(one.mean, other.mean)


@pytest.mark.parametrize(
    ("arrays", "word"),
    [
        ({"mu": np.zeros(3)}, "must hold mu"),
        ({"mu": np.zeros(3), "sigma": np.eye(2)}, "needs a sigma of 3 x 3"),
        ({"features": np.zeros(3)}, r"shape \(N, d\)"),
        ({"features": np.zeros((3, 0))}, r"shape \(N, d\)"),
        ({"mu": np.zeros(0), "sigma": np.zeros((0, 0))}, "mu of 0 numbers"),
        ({"mu": np.array(["a"]), "sigma": np.eye(1)}, "must hold numbers"),
        ({"mu": np.array([{}], object), "sigma": np.eye(1)}, "cannot be read"),
    ],
)
def test_other_files_are_refused(tmp_path, arrays, word):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(UserError, match=word):
        read_statistics(tmp_path / "x.npz")
