"""`ms-gan train`: from a configuration to a finished run folder."""

import dataclasses
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ms_gan.commands.console import Console
from ms_gan.commands.environment import describe_environment
from ms_gan.commands.preparing import Prepared, TrainOptions, build, check_lazy_penalty, check_measures, prepare
from ms_gan.commands.resume import data_digest, merge_resumed, redrawn, stored_config
from ms_gan.commands.signals import Phase, ending_signals
from ms_gan.commands.tensorboard import check_tensorboard
from ms_gan.config import Config, build_config, config_text, load_config
from ms_gan.config.schema import LENGTHS, DataConfig
from ms_gan.data.configured import check_class_names
from ms_gan.data.stream import generator_for
from ms_gan.device import activate, choose_device
from ms_gan.errors import UserError
from ms_gan.runs.folder import RunFolder
from ms_gan.runs.starts import changes, starts_of, with_resume
from ms_gan.wording import plural

if TYPE_CHECKING:
    from ms_gan.commands.job import Job
    from ms_gan.training.parallel import Alone

__all__ = ["Prepared", "TrainOptions", "dry_run", "prepare", "resume", "train"]


def train(
    config: str | Config = "mlp",
    *,
    settings: Iterable[str] = (),
    overrides: dict[str, Any] | None = None,
    console: Console | None = None,
    **options: Any,
) -> RunFolder | None:
    """Train a GAN and leave a run folder.

    Parameters
    ----------
    config : str or Config
        Name of a recipe, path of a YAML file, or a configuration.
    settings : iterable of str
        ``key=value`` texts with dotted keys, as on the command line after ``--set``.
    overrides : dict, optional
        The same as a dictionary, for example ``{"epochs": 2, "seed": 7}``.
    console : Console, optional
        Where the lines go.
    **options
        The fields of :class:`TrainOptions`.

    Returns
    -------
    RunFolder or None
        The finished run; None in a worker other than the first of several.

    Raises
    ------
    UserError
        If something that was given is wrong.
    Interrupted
        If SIGINT or SIGTERM stopped the run; it is saved.
    TrainingDiverged
        If a loss or a parameter is not finite, and the run does not go back any more.
    """
    console = console or Console()
    chosen = TrainOptions(**options)
    if not isinstance(config, Config):
        config = load_config(config, settings, overrides)
    with ending_signals() as phase:
        prepared = prepare(config, chosen, console.line)
        check_lazy_penalty(prepared.config, prepared.stream.batches_per_epoch)
        worker = _join_workers(prepared, console)
        return _run_new(prepared, chosen, console, phase, worker) if worker else None


def resume(
    path: str,
    *,
    settings: Iterable[str] = (),
    overrides: dict[str, Any] | None = None,
    device: str = "auto",
    require_ascend: bool = False,
    console: Console | None = None,
) -> RunFolder | None:
    """Go on with a run from its last saved state; it ends with the bits of a run that was never interrupted.

    Parameters
    ----------
    path : str
        The run folder.
    settings, overrides
        Changes; only those that cannot change the bits so far are allowed (length, cadences, mode, data folder).
    device, require_ascend, console
        As for :func:`train`.

    Raises
    ------
    UserError
        If there is no run, no intact state, or a change that is not allowed.
    """
    console = console or Console()
    run, stored = stored_config(path, console.line)
    config = merge_resumed(stored, settings, overrides or {})
    options = TrainOptions(device=device, require_ascend=require_ascend)
    with ending_signals() as phase:
        phase.run = run
        prepared = prepare(config, options, console.line)
        worker = _join_workers(prepared, console)
        return _run_resumed(prepared, run, stored, options, console, worker) if worker else None


def _join_workers(prepared: Prepared, console: Console) -> "Alone | None":
    """Meet the other workers, if there are any; one that does not write does its part here and returns None."""
    from ms_gan.commands.sharing import follow, meet

    worker, batch = meet(prepared.config), prepared.config.batch_size
    if worker.size > 1:
        console.line(
            f"Workers: {worker.size}, each with {batch // worker.size} of the {batch} images of a batch; gradients are "
            "averaged, and the statistics of batch normalisation are those of the whole batch"
        )
    return follow(prepared, worker, console.line) if worker.rank else worker


def _run_new(prepared: Prepared, options: TrainOptions, console: Console, phase: Phase, worker: "Alone") -> RunFolder:
    from ms_gan.commands.job import Job
    from ms_gan.commands.recording import keep_state
    from ms_gan.commands.running import run_to_end
    from ms_gan.runs.checkpoints import load_network
    from ms_gan.training.loop import Position

    config, players, plan = build(prepared.config, prepared.stream.batches_per_epoch)
    if options.init_generator:
        load_network(Path(options.init_generator), players.generator)
        if players.average:
            players.average.begin_at(players.generator)
    if options.init_discriminator:
        load_network(Path(options.init_discriminator), players.discriminator)
    run = RunFolder.new(config.recipe, options.out)
    job = Job(config, plan, prepared.images, players, run, console, worker)
    with run.locked():
        console.keep_in(run.log_file)
        run.write_environment(describe_environment(plan, prepared.images, prepared.device, dataclasses.asdict(options)))
        _draw_real(job)
        keep_state(job, Position(), None)
        run.write_config(config)
        phase.run = run
        run_to_end(prepared, job, Position(), None)
    return run


def _run_resumed(
    prepared: Prepared, run: RunFolder, stored: Config, options: TrainOptions, console: Console, worker: "Alone"
) -> RunFolder:
    from ms_gan.commands.job import Job
    from ms_gan.commands.mending import mend_complete, restore
    from ms_gan.commands.running import run_to_end
    from ms_gan.commands.sharing import release
    from ms_gan.runs.state import find_state, load_state
    from ms_gan.training.plan import Plan

    with run.locked():
        if data_digest(run, console.line) != prepared.images.sha256:
            raise UserError(
                f"--resume {run.path}: the data at {prepared.images.location} are not those that the run began with; "
                "give their folder with --data-dir"
            )
        config, players, plan = build(prepared.config, prepared.stream.batches_per_epoch)
        job = Job(config, plan, prepared.images, players, run, console, worker)
        state = find_state(run.checkpoints, console.line)
        if state is None:
            raise UserError(f"--resume {run.path}: {run.checkpoints} holds no intact state; start a new run")
        position = state.position
        _mend_description(job, prepared, options, stored)
        if plan.done(position.step, position.seconds):
            length = next(key for key in LENGTHS if getattr(config, key) is not None)
            console.line(
                f"{run.path}: complete after {plural(position.step, 'step')}, nothing to do; give a larger --{length}"
            )
            release(worker)
            if (drawn := redrawn(stored, config)) != stored:
                console.line("Drawn again, as settings of the pictures have changed")
                run.write_config(drawn)
            mend_complete(job, state)
            return run
        load_state(state, players)
        console.keep_in(run.log_file)
        console.line(f"Resuming after step {position.step:,} ({state.folder})")
        _note_start(job, prepared, options, position.step)
        run.write_config(config)
        # The cadences until now are those of the state: config.yaml may be that of a resume that was killed here.
        before = build_config(state.about["config"]) if "config" in state.about else stored
        best = restore(run, state, Plan(before, plan.steps_per_epoch), plan, console.line)
        run_to_end(prepared, job, position, best)
    return run


def _mend_description(job: "Job", prepared: Prepared, options: TrainOptions, stored: Config) -> None:
    """Write config.yaml and environment.json again where they are damaged."""
    run = job.run
    try:
        run.config()
    except UserError:
        run.write_config(stored)
    try:
        run.data_digest()
        run.steps_per_epoch()
    except UserError as error:
        described = describe_environment(job.plan, prepared.images, prepared.device, dataclasses.asdict(options))
        run.write_environment(described | {"written_again": "when the run was resumed: the first one was damaged"})
        job.console.line(f"{error}; written again from what the run goes on with")


def _note_start(job: "Job", prepared: Prepared, options: TrainOptions, step: int) -> None:
    """Note in environment.json on what a run goes on after `step`, and say what of that is another than before."""
    described = describe_environment(job.plan, prepared.images, prepared.device, dataclasses.asdict(options))
    environment = with_resume(job.run.environment(), step, described)
    if changed := changes(*starts_of(environment)[-2:]):
        job.console.line(
            f"Note: the start before this one ran on something else ({changed}); a run has the same bits only on one "
            "device, machine and version"
        )
    job.run.write_environment(environment)


def _draw_real(job: "Job") -> None:
    """Draw as many real images as a grid holds, at random: those of a folder come class by class."""
    from ms_gan.pictures.grid import save_grid

    samples = job.config.samples
    count = samples.rows * samples.columns
    chosen = generator_for(samples.seed).permutation(len(job.images.images))[:count]
    save_grid(job.run.real_picture, job.images.images[chosen], samples.rows, samples.columns)


def dry_run(config: Config) -> str:
    """Return the whole configuration and what a run with it would do and take, without data or device."""
    # The networks are built to see how large they are; the CPU does for that, with its settings made first.
    activate(choose_device("cpu", announce=lambda line: None))
    from ms_gan.commands.disk import describe_disk
    from ms_gan.networks.configured import image_shape, options_text
    from ms_gan.pictures.grid import check_grid

    check_measures(config)
    check_tensorboard(config)
    check_class_names(config)
    length = next(plural(getattr(config, key), key[:-1]) for key in LENGTHS if getattr(config, key) is not None)
    shape = image_shape(config)
    sized = dataclasses.replace(config, data=dataclasses.replace(config.data, size=shape.size, channels=shape.channels))
    images = config.data.images_per_epoch or _usual_images(config)
    check_grid(config.samples.rows, config.samples.columns, shape.size)
    batches = max(1, images // config.batch_size)
    check_lazy_penalty(sized, batches)
    completed, players, plan = build(sized, batches)
    return (
        f"{config_text(config)}\n"
        f"# Options of the networks, for --set: {options_text(config, 'generator')} "
        f"{options_text(config, 'discriminator')}\n"
        f"# Plan: {length} of {config.updates.d_steps} D and 1 G update, batch {config.batch_size}, "
        f"{config.mode} mode, data {config.data.source} from {_place(config.data)}. Nothing was trained.\n"
        f"# {describe_disk(completed, players, plan)} "
        f"(if an epoch has {plural(images, 'image')} of {shape.size}x{shape.size})"
    )


def _place(data: DataConfig) -> str:
    """Return where the data of a run would come from, for its plan."""
    if data.folder:
        there = os.path.isdir(os.path.expanduser(data.folder))
        made = "to be made" if data.source in ("mnist", "cifar10", "builtin") else "not there"
        return data.folder if there else f"{data.folder} (this folder is {made})"
    held = "the cache, if it holds them; else name their folder with --data-dir"
    return {"builtin": "the cache, or drawn", "raw": held, "pictures": held}.get(
        data.source, "the cache, or a download"
    )


def _usual_images(config: Config) -> int:
    """Return how many images the data set that a recipe prefers has."""
    train, test = (50_000, 10_000) if config.data.prefer == "cifar10" else (60_000, 10_000)
    total = {"train": train, "test": test, "both": train + test}[config.data.split]
    classes = config.data.classes or config.data.prefer_classes
    return total * len(classes) // 10 if classes else total
