"""Commands that use a run: generate, export, draw, interpolate, animate, plot."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ms_gan.cli.words import device_options, grid
from ms_gan.errors import UserError
from ms_gan.runs.index import AVERAGE
from ms_gan.wording import plural

_HOW_TO_ASK = "by name or number (place among the run's classes, from 0)"


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add the commands to the parser."""
    _add_generate(commands)
    _add_export(commands)
    parser = commands.add_parser("interpolate", help="walk from one picture to the next: a strip, or a GIF")
    parser.set_defaults(run=run_interpolate)
    parser.add_argument("source", metavar="RUN_OR_CKPT", help="run folder (newest checkpoint), or a Generator*.ckpt")
    parser.add_argument("--seeds", type=int, nargs="+", default=(1, 2, 3, 4), metavar="S", help="stations (1 2 3 4)")
    parser.add_argument(
        "--frames",
        type=int,
        default=10,
        metavar="N",
        help="pictures from one to the next (10); 1,000 in all are the most",
    )
    parser.add_argument("--class", dest="class_name", metavar="CLASS", help=f"keep to this class, {_HOW_TO_ASK}")
    parser.add_argument("--out", default="interpolation.png", metavar="PATH", help="FILE.png or FILE.gif")
    parser.add_argument("--config", metavar="NAME", help="recipe of a checkpoint outside a run folder")
    device_options(parser)

    parser = commands.add_parser("animate", help="build the GIF of a run")
    parser.set_defaults(run=run_animate)
    parser.add_argument("source", metavar="RUN", help="run folder")
    parser.add_argument("--out", metavar="FILE.gif", help="RUN/training.gif")
    parser.add_argument("--seconds", type=float, metavar="S", help="seconds a frame")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every N-th grid only")

    parser = commands.add_parser("plot", help="draw the curves of a run, or grids of several epochs side by side")
    parser.set_defaults(run=run_plot)
    parser.add_argument("source", metavar="RUN", help="run folder, or a folder with d_loss.txt, d_acc.txt, g_loss.txt")
    parser.add_argument("--out", metavar="FILE.png", help="RUN/losses.png, RUN/epochs.png or RUN/scatter.png")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--epochs", type=int, nargs="+", metavar="N", help="the last grid of each of these epochs, counted from 0"
    )
    kind.add_argument("--scatter", action="store_true", help="both losses as points, as recipe dense has them")
    kind.add_argument("--texts", metavar="DIR", help="write d_loss.txt, d_acc.txt, g_loss.txt and their steps.txt")


def _add_generate(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("generate", help="draw images from a run or a checkpoint")
    parser.set_defaults(run=run_generate)
    parser.add_argument("source", metavar="RUN_OR_CKPT", help="run folder (newest checkpoint), or a Generator*.ckpt")
    parser.add_argument("--num", type=int, metavar="N", help="number of images (as many as the grid holds, or 25)")
    parser.add_argument("--grid", type=grid, metavar="RxC", help="rows x columns, for example 5x5")
    parser.add_argument("--seed", type=int, help="the latents follow from it (1)")
    asked = parser.add_mutually_exclusive_group()
    asked.add_argument("--class", dest="class_name", metavar="CLASS", help=f"draw this class, {_HOW_TO_ASK}")
    asked.add_argument(
        "--classes",
        nargs="+",
        metavar="CLASS",
        help="draw each of these (also 0-9) in a panel of its own, --num of each",
    )
    parser.add_argument("--out", default="generated.png", metavar="PATH", help="FILE.png, FILE.npy, or a folder")
    parser.add_argument("--config", metavar="NAME", help="recipe of a checkpoint outside a run folder")
    parser.add_argument("--training-grid", action="store_true", help="exactly the grid that the training draws")
    parser.add_argument("--batch-statistics", action="store_true", help="BatchNorm by the drawn batch, as in training")
    parser.add_argument(
        "--latent-scale",
        type=float,
        nargs="+",
        default=(),
        metavar="X",
        help="one grid for each factor, labelled",
    )
    device_options(parser)


def _add_export(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("export", help="write a generator to one file that others can run")
    parser.set_defaults(run=run_export)
    parser.add_argument("source", metavar="RUN_OR_CKPT", help="run folder (newest checkpoint), or a Generator*.ckpt")
    parser.add_argument("--format", required=True, metavar="NAME", help="mindir, onnx, or npz (for NumPy alone)")
    parser.add_argument("--out", metavar="FILE", help="a new file (generator.mindir and so on)")
    parser.add_argument("--config", metavar="NAME", help="recipe of a checkpoint outside a run folder")
    device_options(parser)

    parser = commands.add_parser("draw", help="draw images from a file that export wrote")
    parser.set_defaults(run=run_draw)
    parser.add_argument("file", metavar="FILE", help="*.mindir, *.onnx or *.npz")
    parser.add_argument("--num", type=int, metavar="N", help="number of images (as many as the grid holds, or 25)")
    parser.add_argument("--grid", type=grid, metavar="RxC", help="rows x columns, for example 5x5")
    parser.add_argument("--seed", type=int, help="the latents follow from it, as in generate (1)")
    parser.add_argument("--class", dest="class_name", metavar="CLASS", help=f"draw this class, {_HOW_TO_ASK}")
    parser.add_argument("--latents", metavar="FILE.npy", help="latents (N, n) of your own instead")
    parser.add_argument("--out", default="generated.png", metavar="PATH", help="FILE.png, FILE.npy, or a folder")
    device_options(parser)


def run_generate(options: argparse.Namespace) -> None:
    """Draw images."""
    from ms_gan.commands.generate import classes_of, find_generator, generate
    from ms_gan.device import activate, choose_device

    option, asked = ("--classes", options.classes) if options.class_name is None else ("--class", [options.class_name])
    fixed = (options.num, options.grid, options.seed, asked)
    if options.training_grid and any(given is not None for given in fixed):
        raise UserError(
            "--training-grid: number, grid, seed and classes are those of the training; leave out --num, --grid, "
            "--seed, --class"
        )
    checkpoint, settings = find_generator(options.source, options.config)
    classes = classes_of(asked or (), settings.class_names, option)
    _say_average(checkpoint)
    activate(choose_device(options.device, require_ascend=options.require_ascend))
    wish = _wish(options)
    written = generate(
        options.source,
        **wish,
        out=options.out,
        config=options.config,
        training_grid=options.training_grid,
        latent_scales=options.latent_scale,
        batch_statistics=options.batch_statistics,
        classes=classes,
    )
    _tell(written, Path(options.out))
    if len(classes) > 1 and Path(options.out).suffix.lower() != ".png":
        _tell_classes(written, classes, wish["num"])


def run_export(options: argparse.Namespace) -> None:
    """Write a generator to one file."""
    from ms_gan.commands.export import check_export, export
    from ms_gan.commands.generate import find_generator
    from ms_gan.device import activate, choose_device

    check_export(options.format, options.out)
    _say_average(find_generator(options.source, options.config)[0])
    activate(choose_device(options.device, require_ascend=options.require_ascend))
    written = export(options.source, options.format, out=options.out, config=options.config)
    print(f"wrote {written}; draw from it: ms-gan draw {written} --num 25 --out new.png")


def run_draw(options: argparse.Namespace) -> None:
    """Draw images from an exported generator."""
    from ms_gan.commands.export import draw
    from ms_gan.exported.reading import check_file

    if options.latents and any(given is not None for given in (options.num, options.seed, options.class_name)):
        raise UserError("--latents: number, seed and class are theirs; leave out --num, --seed, --class")
    if check_file(options.file) == "mindir":
        from ms_gan.device import activate, choose_device

        activate(choose_device(options.device, require_ascend=options.require_ascend))
    elif options.device == "ascend" or options.require_ascend:
        raise UserError(f"{options.file}: only *.mindir is drawn on Ascend; export with --format mindir")
    written = draw(
        options.file,
        **_wish(options),
        class_name=options.class_name,
        latents=options.latents,
        out=options.out,
    )
    _tell(written, Path(options.out))


def run_interpolate(options: argparse.Namespace) -> None:
    """Walk through the latent space."""
    from ms_gan.commands.generate import find_generator
    from ms_gan.device import activate, choose_device

    _say_average(find_generator(options.source, options.config)[0])
    activate(choose_device(options.device, require_ascend=options.require_ascend))
    from ms_gan.commands.interpolate import interpolate

    written = interpolate(
        options.source,
        seeds=options.seeds,
        frames=options.frames,
        out=options.out,
        config=options.config,
        class_name=options.class_name,
    )
    print(f"wrote {written}")


def run_animate(options: argparse.Namespace) -> None:
    """Build the GIF."""
    from ms_gan.commands.show import animate
    from ms_gan.runs.folder import RunFolder

    if options.seconds is not None and not 0.02 <= options.seconds <= 60:
        raise UserError(f"--seconds {options.seconds}: must be from 0.02 to 60")
    print(f"wrote {animate(RunFolder.open(options.source), options.out, options.seconds, options.every)}")


def run_plot(options: argparse.Namespace) -> None:
    """Draw curves, points, or several epochs side by side, or write the numbers as texts."""
    from ms_gan.commands.show import export_texts, plot, plot_epochs, scatter
    from ms_gan.runs.folder import RunFolder

    if options.texts and options.out:
        raise UserError(f"--texts {options.texts}: this is where the files go; leave out --out")
    if options.texts:
        written = export_texts(RunFolder.open(options.source), options.texts)
    elif options.epochs:
        written = plot_epochs(RunFolder.open(options.source), options.epochs, options.out)
    else:
        written = (scatter if options.scatter else plot)(options.source, options.out)
    print(f"wrote {written}")


def _wish(options: argparse.Namespace) -> dict[str, Any]:
    """Return number, grid and seed of what is drawn: as many images as the grid holds, or 25."""
    rows, columns = options.grid or (0, 0)
    num = options.num if options.num is not None else rows * columns or 25
    return {"num": num, "grid": options.grid, "seed": 1 if options.seed is None else options.seed}


def _say_average(checkpoint: Path) -> None:
    """Say so where a run draws with the average of G."""
    if checkpoint.name.startswith(AVERAGE):
        print(f"Drawing with {checkpoint.name}, the average of G over its updates")


def _tell(written: Sequence[Path], out: Path) -> None:
    """Say what was written as `out`, and that older pictures stay in that folder, if some do."""
    print(f"wrote {written[0]}" if len(written) == 1 else f"wrote {len(written)} pictures to {written[0].parent}")
    if out != written[0].parent:
        return
    older = sorted(path.name for path in set(out.glob("*.png")) - set(written) if path.stem.isdecimal())
    if older:
        stay = "stays" if len(older) == 1 else "stay"
        print(f"Note: {plural(len(older), 'older picture')} {stay} in {out}, such as {older[0]}")


def _tell_classes(written: Sequence[Path], classes: Sequence[str], num: int) -> None:
    """Say which of the pictures, `num` of each class, are of which class: by file, or by place in an array."""
    names = [path.name for path in written] if len(written) > 1 else [str(place) for place in range(num * len(classes))]
    spans = [
        f"{names[place]} to {names[place + num - 1]}" if num > 1 else names[place]
        for place in range(0, len(names), num)
    ]
    print("Classes: " + ", ".join(f"{span}: {name}" for span, name in zip(spans, classes, strict=True)))
