"""Commands about data: data show, data fetch."""

import argparse

from ms_gan.cli.words import grid


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add the commands to the parser."""
    parser = commands.add_parser("data", help="look at a data set, or download one")
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    show = actions.add_parser("show", help="draw labelled examples")
    show.set_defaults(run=run_show)
    show.add_argument("--data", default="auto", metavar="NAME", help="auto, mnist, cifar10, raw, pictures or builtin")
    show.add_argument("--data-dir", metavar="DIR", help="folder with data; what it holds is recognised")
    show.add_argument("--split", default="train", choices=("train", "test", "both"))
    show.add_argument("--classes", nargs="+", default=(), metavar="CLASS", help="only these, by name or number")
    show.add_argument("--size", type=int, metavar="PIXELS", help="resize to so many pixels")
    show.add_argument("--channels", type=int, choices=(1, 3), help="1 grey, 3 colour")
    show.add_argument("--grid", type=grid, default=(3, 3), metavar="RxC", help="rows x columns (3x3)")
    show.add_argument("--seed", type=int, default=1, help="which examples")
    show.add_argument("--out", default="examples.png", metavar="FILE.png")
    fetch = actions.add_parser("fetch", help="download a data set, verified, into the cache")
    fetch.set_defaults(run=run_fetch)
    fetch.add_argument("name", choices=("mnist", "cifar10"))
    fetch.add_argument("--data-dir", metavar="DIR", help="where to (MS_GAN_DATA, or ~/.cache/ms_gan)")


def run_show(options: argparse.Namespace) -> None:
    """Draw labelled examples."""
    from ms_gan.commands.data import show_data

    written = show_data(
        options.out,
        source=options.data,
        folder=options.data_dir,
        split=options.split,
        classes=options.classes,
        size=options.size,
        channels=options.channels,
        grid=options.grid,
        seed=options.seed,
    )
    print(f"wrote {written}")


def run_fetch(options: argparse.Namespace) -> None:
    """Download a data set."""
    from ms_gan.data.sources import fetch_cifar10, fetch_mnist

    fetch = {"mnist": fetch_mnist, "cifar10": fetch_cifar10}[options.name]
    print(f"{options.name}: {fetch(options.data_dir)}")
