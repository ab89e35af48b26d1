#!/usr/bin/env python3
"""Fetch and verify MNIST, if it is not there yet, and print its folder."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ms_gan.data.sources import fetch_mnist
from ms_gan.errors import UserError


def main() -> int:
    """Return the exit status: 0, or 2 after one line on what was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", help="keep it in this folder (default: MS_GAN_DATA or ~/.cache/ms_gan)")
    try:
        print(fetch_mnist(parser.parse_args().data_dir))
    except UserError as error:
        print(f"download_mnist.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
