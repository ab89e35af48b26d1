"""What MindSpore's Ascend plug-in says that it can run, asked without an NPU and without CANN.

The plug-in of the installed wheel is loaded in a child process, with a stand-in for CANN, and its own tables of
kernels are asked: `IsRegisteredAclnnOp` (kernels of CANN's operator library) and `FindAdapter` (operators that are
handed to CANN by name), which are what it asks itself when it chooses a kernel. Nothing is computed.
"""

import ctypes
import importlib.util
import json
import os
import re
import struct
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ms_gan.device.probe import condense, died, run_limited
from ms_gan.device.settings import user_environment, with_package
from ms_gan.device.stand_in import names_of_cann, write_stand_in
from ms_gan.errors import UserError

# Libraries of CANN that the plug-in is linked against, and that it would look for.
_OF_CANN = ("libshmem.so", "libhccl.so")
# Below mindspore/lib: the plug-in, and what it expects to have been loaded before it.
_KERNELS, _ADAPTERS = "plugin/libmindspore_ops_ascend.so", "plugin/ascend/libmindspore_ascend_res_manager.so"
_COLLECTIVE = "plugin/ascend/libd_collective.so"
_EARLIER = ("backend_common", "runtime_pipeline", "pyboost", "pynative", "cluster", "tools")
_IS_ACLNN = "_ZN9mindspore6kernel19IsRegisteredAclnnOpERKSs"
_ADAPTER_OF = "_ZN9mindspore6device6ascend11FindAdapterERKSsb"
_ANSWER = "ms_gan-plugin-answer:"
_TRIES, _SECONDS = 20, 300.0


def kernels_on_ascend(operators: Iterable[str]) -> dict[str, str]:
    """Ask the plug-in for operators.

    Parameters
    ----------
    operators : iterable of str
        Names as MindSpore's graphs have them, such as 'MatMul'.

    Returns
    -------
    dict[str, str]
        For each operator 'aclnn' (a kernel of CANN's operator library), 'acl' (handed to CANN by name) or '' (none).

    Raises
    ------
    UserError
        If the installed MindSpore has no Ascend plug-in, or it cannot be asked.
    """
    found = importlib.util.find_spec("mindspore")
    library = Path(found.origin).parent / "lib" if found and found.origin else Path("/nonexistent")
    parts = [library / part for part in (_KERNELS, _ADAPTERS, _COLLECTIVE)]
    if not all(part.is_file() for part in parts):
        raise UserError(f"audit: the installed MindSpore has no Ascend plug-in ({parts[0]} is not there)")
    names = names_of_cann(parts)
    with tempfile.TemporaryDirectory(prefix="ms_gan-plugin-") as folder:
        paths = (folder, library, library / "plugin/ascend", library / "plugin")
        environment = {"LD_LIBRARY_PATH": ":".join(map(str, paths)), "GLOG_v": "3"}
        environment = with_package(user_environment() | environment)
        command = [sys.executable, "-m", "ms_gan.device.plugin", str(library), *sorted(set(operators))]
        for _ in range(_TRIES):
            for name in _OF_CANN:
                write_stand_in(Path(folder) / name, names, parts[0])
            output, errors, status = run_limited(command, environment, _SECONDS)
            if _ANSWER in output:
                return json.loads(output.split(_ANSWER, 1)[1].splitlines()[0])
            missing = re.search(r"undefined symbol: (\w+)", errors)
            if not missing:
                break
            # Of a part of MindSpore that only a running Ascend backend loads.
            names.add(missing[1].encode())
    reason = "no answer in time" if status is None else died(status) if status < 0 else condense(errors[-500:])
    raise UserError(f"audit: MindSpore's Ascend plug-in cannot be asked here: {reason}")


class _Adapter(ctypes.Structure):
    # A std::shared_ptr, whose first word is null where there is none; longer than that one is, so that every machine
    # returns it by way of memory, as it does with the C++ class.
    _fields_ = (("pointer", ctypes.c_void_p), ("rest", ctypes.c_void_p * 3))


def _ask(library: Path, operators: list[str]) -> dict[str, str]:
    """Load the plug-in into this process, which is not good for anything else afterwards, and ask it."""
    mode = os.RTLD_GLOBAL | os.RTLD_LAZY
    earlier = (library / f"libmindspore_{name}.so" for name in _EARLIER)
    for path in (*_OF_CANN, *(path for path in earlier if path.is_file())):
        ctypes.CDLL(str(path), mode)
    kernels, adapters = (ctypes.CDLL(str(library / part), mode) for part in (_KERNELS, _ADAPTERS))
    is_aclnn, adapter_of = kernels[_IS_ACLNN], adapters[_ADAPTER_OF]
    is_aclnn.restype, adapter_of.restype = ctypes.c_bool, _Adapter
    found = {}
    for operator in operators:
        text = operator.encode()
        # A std::string as MindSpore is built: a pointer to the text, before which are length, capacity and users.
        memory = ctypes.create_string_buffer(struct.pack("<qqq", len(text), len(text), 1000) + text)
        string = ctypes.c_void_p(ctypes.addressof(memory) + 24)
        if is_aclnn(ctypes.byref(string)):
            found[operator] = "aclnn"
        else:
            found[operator] = "acl" if adapter_of(ctypes.byref(string), ctypes.c_bool(True)).pointer else ""
    return found


if __name__ == "__main__":
    print(_ANSWER, json.dumps(_ask(Path(sys.argv[1]), sys.argv[2:])), flush=True)
    # Without the plug-in's own end, which would look for an NPU.
    os._exit(0)
