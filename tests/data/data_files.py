"""Small data files of every kind, written for tests."""

import gzip
import struct
from pathlib import Path

import numpy as np
from PIL import Image


def idx_bytes(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def grey_set(count: int = 20, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    images = np.random.default_rng(seed).integers(0, 256, (count, 28, 28), dtype=np.uint8)
    return images, (np.arange(count) % 10).astype(np.uint8)


def write_mnist(folder: Path, nested: bool = False, packed: bool = False, test: bool = True) -> Path:
    for split, stem, seed in (("train", "train", 1), ("test", "t10k", 2)) if test else (("train", "train", 1),):
        place = folder / split if nested else folder
        place.mkdir(parents=True, exist_ok=True)
        images, labels = grey_set(20 if split == "train" else 10, seed)
        for name, array in ((f"{stem}-images-idx3-ubyte", images), (f"{stem}-labels-idx1-ubyte", labels)):
            content = idx_bytes(array)
            if packed:
                (place / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (place / name).write_bytes(content)
    return folder


def write_cifar(folder: Path, per_file: int = 20) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(["data_batch_1.bin", "data_batch_2.bin", "test_batch.bin"]):
        records = np.random.default_rng(number).integers(0, 256, (per_file, 3073), dtype=np.uint8)
        records[:, 0] = np.arange(per_file) % 10
        (folder / name).write_bytes(records.tobytes())
    return folder


def write_raw(folder: Path, test: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for split in ("Train", "Test") if test else ("Train",):
        images, labels = grey_set(20, len(split))
        (folder / f"images{split}.bin").write_bytes(images.tobytes())
        (folder / f"labels{split}.bin").write_bytes(labels.tobytes())
    return folder


def write_picture(path: Path, size: tuple[int, int] = (8, 8), colour=(200, 10, 30), mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)
    return path
