#!/usr/bin/env python3
"""The same as `ms-gan data fetch mnist`, from any folder and without an installation."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ms_gan.cli import main

if __name__ == "__main__":
    # The usage text shall name the command that anybody can type.
    sys.argv[:1] = ["ms-gan", "data", "fetch", "mnist"]
    sys.exit(main(sys.argv[1:]))
