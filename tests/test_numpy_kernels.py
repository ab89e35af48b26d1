"""NumPy's matrix products on CPUs that its OpenBLAS does not know."""

import os
import subprocess
import sys

import pytest

from ms_gan.device.numpy_kernels import SETTING, kernels_for

_AVX2 = "fpu sse2 avx avx2 fma"
_AVX512 = f"{_AVX2} avx512f avx512dq avx512cd avx512bw avx512vl"


@pytest.mark.parametrize(
    ("vendor", "flags", "kernels"),
    [
        ("GenuineIntel", _AVX512, "SkylakeX"),
        ("GenuineIntel", _AVX2, "Haswell"),
        ("GenuineIntel", f"{_AVX2} avx512f", "Haswell"),
        ("GenuineIntel", "fpu sse2", None),
        ("AuthenticAMD", _AVX512, None),
    ],
)
def test_kernels_are_those_of_what_the_cpu_has(vendor, flags, kernels):
    assert kernels_for({"vendor_id": vendor, "flags": flags}) == kernels
    assert kernels_for({}) is None


@pytest.mark.parametrize(
    ("first", "given", "expected"),
    [("sys", None, "SkylakeX"), ("sys", "Nehalem", "Nehalem"), ("numpy", None, None)],
)
def test_evaluate_takes_them_before_numpy_is_there_and_never_over_the_users(tmp_path, first, given, expected):
    script = (
        f"import os, {first}, ms_gan.device.numpy_kernels as k\n"
        f"k.proc_fields = lambda path: {{'vendor_id': 'GenuineIntel', 'flags': '{_AVX512}'}}\n"
        f"from ms_gan.cli import main\nmain(['evaluate', 'nowhere'])\nprint(os.environ.get('{SETTING}'))\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != SETTING}
    environment |= {SETTING: given} if given else {}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == str(expected)
    assert "nowhere" in done.stderr
