"""Which kit of convolutional layers: MindSpore's own on Ascend, the batch-last one on the CPU."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from types import ModuleType, SimpleNamespace

import mindspore as ms
from mindspore import nn

from ms_gan.device.team import team_size

_PLAIN = ContextVar("plain", default=False)


@contextlib.contextmanager
def plain_layers() -> Iterator[None]:
    """Build networks of MindSpore's own layers in this block, whatever the device, for whoever reads what they are."""
    token = _PLAIN.set(True)
    try:
        yield
    finally:
        _PLAIN.reset(token)


def kit() -> ModuleType | SimpleNamespace:
    """Return the layers that suit the device; of several workers, with batch normalisation over all of them.

    Both kits have the same parameters and compute the same; on the CPU, MindSpore's own convolutions are up to
    fifty times slower than the machine (see docs/speed.md).
    """
    from ms_gan.networks import batch_last, native
    from ms_gan.networks.synchronised import synchronised

    on_cpu = ms.get_context("device_target") == "CPU"
    module = batch_last if on_cpu and not _PLAIN.get() else native
    size = team_size()
    return module if size == 1 else synchronised(module, size)


def doubling(
    k: ModuleType | SimpleNamespace, before: int, after: int, size: int, upsample: bool, has_bias: bool
) -> nn.Cell:
    """Return a layer of kit `k` that makes images of `size` pixels twice as large.

    A transposed convolution of 4x4 with stride 2 has weights of its own for each of the image's four phases; with
    `upsample` it is nearest upsampling and a 3x3 convolution, which has none (Odena et al. 2016).
    """
    if upsample:
        return k.UpsampleConv2d(before, after, 3, size, has_bias)
    return k.Conv2dTranspose(before, after, 4, 2, 1, size, has_bias)
