"""Where MNIST and CIFAR-10 are fetched from, and what must arrive.

The environment variable MS_GAN_MIRROR, an address (http, https) or a folder, takes the place of the official
mirrors: it holds `MNIST_Data.zip` or the four official MNIST `.gz` files, and `cifar-10-binary.tar.gz`.
"""

import os

from ms_gan.data.cifar10 import NAMES_FILE, RECORD
from ms_gan.data.download import Mirror
from ms_gan.data.unpack import DataFile, Parcel

_MINDSPORE = "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets"
_OSSCI = "https://ossci-datasets.s3.amazonaws.com/mnist"
_TORONTO = "https://www.cs.toronto.edu/~kriz"

MNIST_FILES = (
    DataFile("train/train-images-idx3-ubyte", 47_040_016, "6bbc9ace898e44ae57da46a324031adb"),
    DataFile("train/train-labels-idx1-ubyte", 60_008, "a25bea736e30d166cdddb491f175f624"),
    DataFile("test/t10k-images-idx3-ubyte", 7_840_016, "2646ac647ad5339dbf082846283269ea"),
    DataFile("test/t10k-labels-idx1-ubyte", 10_008, "27ae3e4e09519cfbb04c329615203637"),
)
_MNIST_GZ = {
    "train-images-idx3-ubyte.gz": (9_912_422, "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
    "train-labels-idx1-ubyte.gz": (28_881, "d53e105ee54ea40749a09fcbcd1e9432"),
    "t10k-images-idx3-ubyte.gz": (1_648_877, "9fb629c4189551a2d022fa330f9573f3"),
    "t10k-labels-idx1-ubyte.gz": (4_542, "ec29112dd5afa0611ce80d1b7f02629c"),
}
_MNIST_ZIP_LARGEST = 64 * 2**20  # bytes; the unpacked files have 55 MB

CIFAR10_FILES = (
    *(DataFile(f"data_batch_{number}.bin", 10_000 * RECORD) for number in range(1, 6)),
    DataFile("test_batch.bin", 10_000 * RECORD),
    DataFile(NAMES_FILE, 61),
)
_CIFAR10_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
_CIFAR10_LARGEST = 256 * 2**20  # bytes; the archive has 170 MB


def mnist_mirrors() -> list[Mirror]:
    """Return where MNIST is fetched from, in order."""
    own = os.environ.get("MS_GAN_MIRROR")
    if own:
        return [_mnist_zip(own), _mnist_gz(own)]
    return [_mnist_zip(_MINDSPORE), _mnist_gz(_OSSCI)]


def cifar10_mirrors() -> list[Mirror]:
    """Return where CIFAR-10 is fetched from: the binary version, never the pickled one."""
    url = _join(os.environ.get("MS_GAN_MIRROR") or _TORONTO, "cifar-10-binary.tar.gz")
    return [(Parcel(url, "tar.gz", _CIFAR10_MD5, _CIFAR10_LARGEST),)]


def _mnist_zip(base: str) -> Mirror:
    # The archive's own md5 is not known; those of the files in it are, and are checked.
    return (Parcel(_join(base, "MNIST_Data.zip"), "zip", None, _MNIST_ZIP_LARGEST),)


def _mnist_gz(base: str) -> Mirror:
    return tuple(Parcel(_join(base, name), "gz", md5, size) for name, (size, md5) in _MNIST_GZ.items())


def _join(base: str, name: str) -> str:
    return f"{base.rstrip('/')}/{name}"
