"""The real MNIST and CIFAR-10 horses: the right numbers, quickly, in little memory."""

import functools
import http.server
import os
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from ms_gan.data import load_images
from ms_gan.data.cifar10 import RECORD

DATA = Path(os.environ.get("MS_GAN_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data")
real = [
    pytest.mark.realdata,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data in {DATA} (set MS_GAN_TEST_DATA)"),
]


class TestReal:
    pytestmark = real

    def test_mnist(self):
        found = load_images(folder=DATA / "mnist", split="both")
        assert found.source == "mnist"
        assert found.images.shape == (70_000, 1, 28, 28)
        assert found.labels[:5].tolist() == [5, 0, 4, 1, 9]
        assert np.bincount(found.labels[:60_000]).tolist() == [
            5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
        ]  # fmt: skip
        assert found.images[:60_000].mean() == pytest.approx(33.318, abs=1e-3)

    def test_cifar_horses(self):
        found = load_images(folder=DATA / "cifar10-horses", split="both", classes=["horse"])
        assert found.images.shape == (6_000, 3, 32, 32)
        assert set(found.labels) == {7}
        # Skies are above, so the rows of the file are rows of the picture.
        assert found.images[:, :, :4].mean() > found.images[:, :, -4:].mean()

    @pytest.mark.parametrize("over", ["http", "folder"])
    def test_fetch_real_mnist_from_a_mirror(self, over, tmp_path, monkeypatch):
        monkeypatch.setenv("MS_GAN_DATA", str(tmp_path))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        handler = functools.partial(_Quiet, directory=str(DATA / "mnist"))
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, args=(0.02,)).start()
            url = f"http://127.0.0.1:{server.server_port}/"
            monkeypatch.setenv("MS_GAN_MIRROR", url if over == "http" else str(DATA / "mnist"))
            lines = []
            fetched = load_images("mnist", announce=lines.append)
            server.shutdown()
        assert fetched.sha256 == load_images(folder=DATA / "mnist").sha256
        assert len(lines) == 3  # the zip, that it is not there, the four files


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_all_of_cifar_costs_less_than_200_mb(tmp_path):
    records = np.zeros((10_000, RECORD), np.uint8)
    records[:, 0] = np.arange(10_000) % 10
    for number in range(1, 6):
        records.tofile(tmp_path / f"data_batch_{number}.bin")
    for classes, count in (((), 50_000), (range(9), 45_000)):
        tracemalloc.start()
        found = load_images(folder=tmp_path, classes=classes)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(found.images) == count
        assert peak < 170e6
