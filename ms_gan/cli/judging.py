"""Commands that judge runs: evaluate, report, sweep."""

import argparse
from pathlib import Path

from ms_gan.cli.words import data_options, device_options
from ms_gan.device.numpy_kernels import take_fast_kernels
from ms_gan.errors import UserError


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add the commands to the parser."""
    _add_evaluate(commands)
    parser = commands.add_parser("report", help="write report.html: one self-contained page of a run, or of several")
    parser.set_defaults(run=run_report)
    parser.add_argument("sources", metavar="RUN", nargs="+", help="run folder; several are compared in one page")
    parser.add_argument("--out", metavar="FILE.html", help="RUN/report.html, or report-<date-time>.html for several")
    device_options(parser)

    parser = commands.add_parser("sweep", help="train several recipes or values one after the other, then compare")
    parser.set_defaults(run=run_sweep)
    parser.add_argument(
        "file", metavar="FILE.yaml", nargs="?", help="base, set, runs, evaluate, extractor; see configs/sweeps"
    )
    parser.add_argument("--resume", metavar="DIR", help="go on with a sweep: complete runs are passed over")
    parser.add_argument("--out", metavar="DIR", help="folder of the sweep (runs/sweep-<name>-<date-time>)")
    data_options(parser)
    parser.add_argument("--seed", type=int, help="of all runs")
    device_options(parser)


def _add_evaluate(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "evaluate",
        help="measure how good the images of a run are, beside real images measured the same way",
        description="Compare generated images with held-out real ones: Fréchet and kernel distance, precision, recall, "
        "density, coverage, classes, copies of training images, sliced Wasserstein distance.",
    )
    parser.set_defaults(run=run_evaluate)
    parser.add_argument("source", metavar="SOURCE", help="RUN (newest checkpoint), Generator*.ckpt, or SAMPLES.npy")
    parser.add_argument("--data", metavar="NAME", help="auto, mnist, cifar10, raw, pictures or builtin (the run's)")
    parser.add_argument("--data-dir", metavar="DIR", help="folder with the data (the run's)")
    parser.add_argument("--classes", nargs="+", metavar="CLASS", help="only these classes, by name or number")
    parser.add_argument("--num", type=int, metavar="N", help="generated and real images (10,000)")
    parser.add_argument(
        "--extractor",
        default="auto",
        metavar="NAME",
        help="auto, cnn, turns, random-conv-v1, or a .onnx, .mindir, .npz file",
    )
    parser.add_argument("--seed", type=int, help="of the latents and of the choice of images (1)")
    parser.add_argument("--json", metavar="FILE", help="write the result there too")
    parser.add_argument("--config", metavar="NAME", help="recipe of a checkpoint outside a run folder")
    device_options(parser)


def run_evaluate(options: argparse.Namespace) -> None:
    """Measure."""
    take_fast_kernels()  # before NumPy is imported
    from ms_gan.commands.evaluate import evaluate
    from ms_gan.commands.statistics import compare_statistics

    if Path(options.source).suffix.lower() == ".npz" or Path(options.extractor).suffix.lower() == ".npz":
        unused = ("data", "data_dir", "classes", "num", "seed", "config", "require_ascend")
        # A seed of 0 is one that was given.
        given = [name for name in unused if getattr(options, name) is not None and getattr(options, name) is not False]
        given += ["device"] if options.device == "ascend" else []
        if given:
            name = given[0].replace("_", "-")
            raise UserError(f"--{name}: two .npz files are compared as they are, on the CPU; leave it out")
        compare_statistics(options.source, options.extractor, options.json)
        return
    evaluate(
        options.source,
        extractor=options.extractor,
        data={"source": options.data, "folder": options.data_dir, "classes": options.classes},
        config=options.config,
        json_file=options.json,
        device=options.device,
        require_ascend=options.require_ascend,
        **{name: getattr(options, name) for name in ("num", "seed") if getattr(options, name) is not None},
    )


def run_report(options: argparse.Namespace) -> None:
    """Write a page."""
    from ms_gan.commands.report import draw_walk, report, walk_is_due
    from ms_gan.device import activate, choose_device
    from ms_gan.runs.folder import RunFolder

    due = [run for run in map(RunFolder.open, options.sources) if walk_is_due(run)]
    if due:
        activate(choose_device(options.device, require_ascend=options.require_ascend))
    for run in due:
        draw_walk(run)
    print(f"wrote {report(options.sources, options.out)}")


def run_sweep(options: argparse.Namespace) -> None:
    """Train and compare several runs."""
    if options.resume and (options.file or options.out):
        raise UserError(f"--resume: goes on with what {options.resume} holds; leave out FILE.yaml and --out")
    from ms_gan.commands.sweep import sweep

    given = {"data.source": options.data, "data.folder": options.data_dir, "seed": options.seed}
    sweep(
        options.file,
        out=options.resume or options.out,
        overrides={key: value for key, value in given.items() if value is not None},
        device=options.device,
        require_ascend=options.require_ascend,
    )
