"""Which kit of convolutional layers: MindSpore's own on Ascend, the batch-last one on the CPU."""

from types import ModuleType

import mindspore as ms


def kit() -> ModuleType:
    """Return the module whose layers suit the device.

    Both kits have the same parameters and compute the same; on the CPU, MindSpore's own convolutions are up to
    fifty times slower than the machine (see docs/speed.md).
    """
    from ms_gan.networks import batch_last, native

    return batch_last if ms.get_context("device_target") == "CPU" else native
