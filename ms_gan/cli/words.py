"""Options that several commands share, and readers of their values."""

import argparse

from ms_gan.device import REQUESTS


def device_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add the choice of the device; return its group."""
    group = parser.add_argument_group("device")
    group.add_argument("--device", choices=REQUESTS, default="auto", help="auto: Ascend if it works, else the CPU")
    group.add_argument("--require-ascend", action="store_true", help="end with an error rather than use the CPU")
    return group


def data_options(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add the choice of the data."""
    parser.add_argument("--data", metavar="NAME", help="auto, mnist, cifar10, raw, pictures or builtin")
    parser.add_argument("--data-dir", metavar="DIR", help="folder with data; what it holds is recognised")


def grid(text: str) -> tuple[int, int]:
    """Read a grid such as 5x5: rows x columns."""
    rows, cross, columns = text.lower().partition("x")
    if not cross or not rows.isdecimal() or not columns.isdecimal() or not 0 < int(rows) * int(columns) <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no grid; give rows x columns, for example 5x5")
    return int(rows), int(columns)
