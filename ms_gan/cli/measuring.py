"""Commands that measure: compare and profile."""

import argparse

from ms_gan.cli.words import data_options, device_options
from ms_gan.config import Config, load_config


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add the commands to the parser."""
    parser = commands.add_parser(
        "compare",
        help="graph mode against PyNative: time, memory, and the same bits?",
        description="Run a recipe in graph mode and in PyNative, alternately and each in a process of its own: "
        "time, memory, and whether they end with the same bits. On Ascend graph mode at both levels, O0 and O1.",
    )
    parser.set_defaults(run=run_compare)
    _what(parser)
    parser.add_argument("--steps", type=int, default=100, metavar="N", help="steps of each run (100)")
    parser.add_argument("--repeats", type=int, default=3, metavar="R", help="runs of each mode (3)")
    parser.add_argument(
        "--stock", action="store_true", help="also a script as people write it: MindSpore's own layers, no settings"
    )
    parser.add_argument(
        "--stock-steps", type=int, metavar="N", help="its timed steps (as many as fit 20 s, at least 3)"
    )
    parser.add_argument("--out", metavar="DIR", help="folder of the result (runs/compare-<recipe>-<date-time>)")
    device_options(parser)

    parser = commands.add_parser(
        "profile",
        help="where the time of a step goes, by operator",
        description="Let MindSpore's profiler watch the updates of D and G in graph mode, and list the operators.",
    )
    parser.set_defaults(run=run_profile)
    _what(parser)
    parser.add_argument("--steps", type=int, default=20, metavar="N", help="updates to watch (20)")
    parser.add_argument(
        "--top", type=int, default=15, metavar="N", help="operators in the table (15); the file has all"
    )
    parser.add_argument("--out", metavar="DIR", help="folder of the result (runs/profile-<recipe>-<date-time>)")
    device_options(parser)


def _what(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", default="mlp", metavar="NAME", help="recipe or .yaml file (mlp)")
    parser.add_argument("--set", metavar="KEY=VAL", nargs="+", action="extend", default=[], help="any setting")
    data_options(parser)


def _config(options: argparse.Namespace) -> Config:
    return load_config(options.config, options.set, {"data.source": options.data, "data.folder": options.data_dir})


def run_compare(options: argparse.Namespace) -> None:
    """Compare the modes."""
    from ms_gan.commands.compare import compare

    written = compare(
        _config(options),
        steps=options.steps,
        repeats=options.repeats,
        stock=options.stock,
        stock_steps=options.stock_steps,
        out=options.out,
        device=options.device,
        require_ascend=options.require_ascend,
    )
    print(f"wrote {written / 'compare.json'} and {written / 'compare.png'}")


def run_profile(options: argparse.Namespace) -> None:
    """Profile both steps."""
    from ms_gan.commands.profile import profile

    written = profile(
        _config(options),
        steps=options.steps,
        top=options.top,
        out=options.out,
        device=options.device,
        require_ascend=options.require_ascend,
    )
    print(f"wrote {written / 'profile.json'}")
