"""Commands that train: train, and summary of what would be trained."""

import argparse
import functools
from typing import TYPE_CHECKING

from ms_gan.cli.words import data_options, device_options
from ms_gan.config import load_config, recipe_names
from ms_gan.errors import UserError

if TYPE_CHECKING:
    from ms_gan.commands.launch import Launch


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add the commands to the parser."""
    parser = commands.add_parser(
        "train",
        help="train a GAN and leave a run folder",
        description="Train a GAN; leave checkpoints, pictures, curves, a GIF. *: or the recipe's.",
        usage="ms-gan train [--config NAME|FILE.yaml | --resume RUN] [options]",
        # Wide enough for every option and its help on one line of 80 columns, so that all fit a screen.
        formatter_class=functools.partial(argparse.HelpFormatter, max_help_position=36),
        add_help=False,
    )
    parser.set_defaults(run=run_train)
    what = parser.add_argument_group("what")
    what.add_argument("-h", "--help", action="help", help="show this help message and exit")
    what.add_argument("--config", metavar="NAME", help="recipe or .yaml (mlp); summary -h lists them")
    what.add_argument(
        "--set", metavar="KEY=VAL", nargs="+", action="extend", default=[], help="any setting; --dry-run lists them"
    )
    what.add_argument("--mode", choices=("graph", "pynative"), help="compile the steps, or run them as they are")
    what.add_argument("--precision", choices=("fp32", "fp16"), help="fp16: products in float16, the loss scaled")
    what.add_argument("--seed", type=int, help="everything random follows from it (1)")
    data = parser.add_argument_group("data")
    data_options(data)
    data.add_argument("--classes", nargs="+", metavar="CLASS", help="only these classes, by name or number")
    data.add_argument("--split", choices=("train", "test", "both"), help="which part of the data set")
    data.add_argument("--size", type=int, metavar="PIXELS", help="resize to so many pixels")
    data.add_argument("--channels", type=int, choices=(1, 3), help="make the images grey (1) or coloured (3)")
    length = parser.add_argument_group("length (one of them)").add_mutually_exclusive_group()
    length.add_argument("--epochs", type=int, metavar="N")
    length.add_argument("--steps", type=int, metavar="N")
    length.add_argument("--minutes", type=float, metavar="M")
    output = parser.add_argument_group("output")
    output.add_argument("--out", metavar="DIR", help="run folder (runs/<recipe>-<date-time>)")
    output.add_argument("--save-every", type=int, metavar="STEPS", help="save the state to resume from (each epoch*)")
    output.add_argument("--keep", type=int, metavar="N", help="checkpoints of the networks to keep (all*)")
    output.add_argument("--keep-best", metavar="MEASURE", help="keep the best ones too, by sliced_wasserstein")
    output.add_argument("--evaluate-every", type=int, metavar="STEPS", help="measure the pictures (never)")
    output.add_argument("--log-every", type=int, metavar="STEPS", help="log and record the losses (10*)")
    output.add_argument("--tensorboard", action="store_const", const=True, help="write TensorBoard event files too")
    start = parser.add_argument_group("start")
    start.add_argument("--resume", metavar="RUN", help="go on with a run folder, to the same bits")
    start.add_argument("--init-generator", metavar="CKPT", help="start G from a checkpoint")
    start.add_argument("--init-discriminator", metavar="CKPT", help="start D from a checkpoint")
    start.add_argument("--on-nan", choices=("stop", "rollback"), help="or go back, and on with other batches (stop)")
    start.add_argument("--dry-run", action="store_true", help="print configuration and plan, train nothing")
    worker_options(device_options(parser))

    parser = commands.add_parser("summary", help="print the layers and options of a recipe's networks")
    parser.set_defaults(run=run_summary)
    parser.add_argument("config", metavar="CONFIG", help=f"recipe or .yaml file: {', '.join(recipe_names())}")
    parser.add_argument("--set", metavar="KEY=VAL", nargs="+", action="extend", default=[], help="any setting")


def worker_options(group: argparse._ArgumentGroup) -> None:
    """Add the number of workers, and where they are: the launcher's own options, told of in docs/workers.md."""
    group.add_argument("--workers", type=int, metavar="N", help="devices that share each batch (docs/workers.md)")
    for name, kind in (("local_worker_num", int), ("master_addr", str), ("master_port", int), ("node_rank", int)):
        group.add_argument(f"--{name}", type=kind, help=argparse.SUPPRESS)


def run_train(options: argparse.Namespace) -> None:
    """Train, resume, or show the plan."""
    from ms_gan.commands.train import dry_run, resume, train
    from ms_gan.commands.workers import resume_on_workers, train_on_workers
    from ms_gan.device.team import check_size, role, serve_as_scheduler

    overrides = {
        "mode": options.mode,
        "precision": options.precision,
        "seed": options.seed,
        "data.source": options.data,
        "data.folder": options.data_dir,
        "data.classes": options.classes,
        "data.split": options.split,
        "data.size": options.size,
        "data.channels": options.channels,
        "epochs": options.epochs,
        "steps": options.steps,
        "minutes": options.minutes,
        "log_every": options.log_every,
        "tensorboard": options.tensorboard,
        "saving.state_every": options.save_every,
        "saving.networks_keep": options.keep,
        "saving.best": options.keep_best,
        "evaluation.every": options.evaluate_every,
        "on_nan": options.on_nan,
    }
    device = {"device": options.device, "require_ascend": options.require_ascend}
    common = {"settings": options.set, "overrides": overrides}
    part = role()
    launch = _launch(options)
    if options.workers and part == "worker":
        check_size(options.workers)
    if part == "scheduler":
        serve_as_scheduler()
    elif options.dry_run:
        if options.resume:
            raise UserError("--dry-run: shows a new run; leave out --resume")
        print(dry_run(load_config(options.config or "mlp", **common)))
    elif options.resume:
        refused = [name for name in ("config", "out", "init_generator", "init_discriminator") if getattr(options, name)]
        if refused:
            raise UserError(
                f"--resume: goes on with what {options.resume} holds; leave out --{refused[0].replace('_', '-')}"
            )
        if launch and part == "alone":
            resume_on_workers(options.resume, launch, **common, options=device)
        else:
            resume(options.resume, **common, **device)
    elif launch and part == "alone":
        files = {name: getattr(options, name) for name in ("out", "init_generator", "init_discriminator")}
        train_on_workers(load_config(options.config or "mlp", **common), launch, device | files)
    else:
        train(
            options.config or "mlp",
            **common,
            **device,
            out=options.out,
            init_generator=options.init_generator,
            init_discriminator=options.init_discriminator,
        )


def _launch(options: argparse.Namespace) -> "Launch | None":
    """Return how many workers were asked for, and where; None for one, which needs no launcher."""
    from ms_gan.commands.launch import Launch

    places = ("local_worker_num", "master_addr", "master_port", "node_rank")
    given = {name: getattr(options, name) for name in places if getattr(options, name) is not None}
    if options.workers is None and given:
        raise UserError(f"--{next(iter(given))}: goes with --workers N, the number of all workers")
    launch = Launch(1 if options.workers is None else options.workers, **given)
    launch.check()
    return launch if launch.worker_num > 1 else None


def run_summary(options: argparse.Namespace) -> None:
    """Print the layer tables."""
    from ms_gan.device import activate, choose_device

    config = load_config(options.config, options.set)
    activate(choose_device("cpu", announce=lambda line: None))
    from ms_gan.commands.summary import summary

    print(summary(config))
