"""Which kernels NumPy's matrix products take on this CPU."""

import os
import sys

from ms_gan.device.machine import proc_fields

SETTING = "OPENBLAS_CORETYPE"
_NEEDS = {
    "SkylakeX": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
    "Haswell": {"avx2", "fma"},
}


def kernels_for(cpu: dict[str, str]) -> str | None:
    """Return what OPENBLAS_CORETYPE should be on a CPU of Intel, None for others.

    Parameters
    ----------
    cpu : dict
        Fields of /proc/cpuinfo.
    """
    flags = set(cpu.get("flags", "").split())
    if cpu.get("vendor_id") != "GenuineIntel":
        return None
    return next((name for name, needs in _NEEDS.items() if needs <= flags), None)


def take_fast_kernels() -> None:
    """Set OPENBLAS_CORETYPE, unless the user did, or NumPy has read it already.

    OpenBLAS knows CPUs by their model numbers. That of NumPy 1.26 (0.3.23) knows none of 2023 and later, and computes
    there with SSE (Prescott): on an Emerald Rapids a fifth as fast as with AVX-512. For an evaluation alone, whose last
    bits then depend on this; nothing of a training does.
    """
    kernels = kernels_for(proc_fields("/proc/cpuinfo"))
    if kernels and "numpy" not in sys.modules:
        os.environ.setdefault(SETTING, kernels)
