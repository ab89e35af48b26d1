"""ms_gan: generative adversarial networks with MindSpore.

``from ms_gan import train, generate, load_generator`` gives the functions that the command line calls. They are
looked up when first used, so that importing the package does not start MindSpore before its settings are made.
"""

import importlib
import sys
from typing import Any

# Nothing that an older Python cannot compile stands above or around this, nor in scripts/modelarts_train.py.
if sys.version_info < (3, 10):  # noqa: UP036
    print(
        f"ms_gan: needs Python 3.10, 3.11 or 3.12, and {sys.executable} is {sys.version.split()[0]}; "
        "bash scripts/run_ascend.sh finds one and makes .venv with it",
        file=sys.stderr,
    )
    sys.exit(2)

__version__ = "0.1.0"

_PUBLIC = {
    "animate": "ms_gan.commands.show",
    "draw": "ms_gan.commands.export",
    "evaluate": "ms_gan.commands.evaluate",
    "export": "ms_gan.commands.export",
    "generate": "ms_gan.commands.generate",
    "load_config": "ms_gan.config",
    "load_exported": "ms_gan.exported",
    "load_generator": "ms_gan.commands.generate",
    "load_images": "ms_gan.data.sources",
    "plot": "ms_gan.commands.show",
    "resume": "ms_gan.commands.train",
    "show_data": "ms_gan.commands.data",
    "sweep": "ms_gan.commands.sweep",
    "train": "ms_gan.commands.train",
    "write_report": "ms_gan.report",
}

__all__ = sorted([*_PUBLIC, "__version__"])


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'ms_gan' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)
