"""`ms-gan train`: from a configuration to a finished run folder."""

import dataclasses
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ms_gan.commands.console import Console
from ms_gan.commands.environment import describe_environment
from ms_gan.commands.resume import finish_pictures, merge_resumed, take_back
from ms_gan.commands.signals import noted_signals
from ms_gan.config import Config, config_text, load_config
from ms_gan.data.images import ImageSet
from ms_gan.data.sources import load_images
from ms_gan.data.stream import BatchStream
from ms_gan.device import DeviceChoice, activate, choose_device
from ms_gan.errors import Interrupted, UserError
from ms_gan.runs.folder import RunFolder


@dataclass(frozen=True)
class TrainOptions:
    """What a training run takes besides its configuration."""

    out: str | None = None
    """Folder of the run; None: runs/<recipe>-<date-time>."""
    device: str = "auto"
    """auto, ascend or cpu."""
    require_ascend: bool = False
    """End with an error rather than use the CPU."""
    init_generator: str | None = None
    """A checkpoint to start G from."""
    init_discriminator: str | None = None
    """A checkpoint to start D from."""


@dataclass(frozen=True)
class Prepared:
    """Everything that is known before the first parameter exists."""

    config: Config
    images: ImageSet
    stream: BatchStream
    device: DeviceChoice


def train(
    config: str | Config = "mlp",
    *,
    settings: Iterable[str] = (),
    overrides: dict[str, Any] | None = None,
    console: Console | None = None,
    **options: Any,
) -> RunFolder:
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
    RunFolder
        The finished run.

    Raises
    ------
    UserError
        If something that was given is wrong.
    Interrupted
        If SIGINT or SIGTERM stopped the run; it is saved.
    TrainingDiverged
        If a loss is not finite.
    """
    console = console or Console()
    chosen = TrainOptions(**options)
    if not isinstance(config, Config):
        config = load_config(config, settings, overrides)
    prepared = prepare(config, chosen, console)
    return _run_new(prepared, chosen, console)


def resume(
    path: str,
    *,
    settings: Iterable[str] = (),
    overrides: dict[str, Any] | None = None,
    device: str = "auto",
    require_ascend: bool = False,
    console: Console | None = None,
) -> RunFolder:
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
    run = RunFolder.open(path)
    config = merge_resumed(run.config(), settings, overrides or {})
    prepared = prepare(config, TrainOptions(device=device, require_ascend=require_ascend), console)
    return _run_resumed(prepared, run, console)


def prepare(config: Config, options: TrainOptions, console: Console) -> Prepared:
    """Choose the device, load the images, and complete the configuration by their shape."""
    choice = choose_device(options.device, require_ascend=options.require_ascend, announce=console.line)
    data = config.data
    images = load_images(
        source=data.source,
        folder=data.folder,
        split=data.split,
        classes=data.classes,
        size=data.size,
        channels=data.channels,
        prefer=data.prefer,
        prefer_classes=data.prefer_classes,
        announce=console.line,
    )
    channels, size = images.images.shape[1:3]
    config = dataclasses.replace(config, data=dataclasses.replace(data, size=size, channels=channels))
    stream = BatchStream(images, config.batch_size, data.images_per_epoch, config.seed)
    activate(choice)
    return Prepared(config, images, stream, choice)


def _run_new(prepared: Prepared, options: TrainOptions, console: Console) -> RunFolder:
    from ms_gan.runs.checkpoints import load_network
    from ms_gan.runs.state import save_state
    from ms_gan.training.loop import Position

    config, players, plan = _build(prepared)
    if options.init_generator:
        load_network(Path(options.init_generator), players.generator)
    if options.init_discriminator:
        load_network(Path(options.init_discriminator), players.discriminator)
    run = RunFolder.new(config.recipe, options.out)
    with run.locked():
        console.keep_in(run.log_file)
        run.write_environment(describe_environment(plan, prepared.images, prepared.device, dataclasses.asdict(options)))
        _draw_real(prepared, run)
        save_state(run.checkpoints, players, Position())
        run.write_config(config)
        _train(prepared, config, players, plan, run, Position(), console)
    return run


def _run_resumed(prepared: Prepared, run: RunFolder, console: Console) -> RunFolder:
    from ms_gan.runs.state import find_state, load_state
    from ms_gan.training.plan import Plan

    if run.data_digest() != prepared.images.sha256:
        raise UserError(
            f"--resume {run.path}: the data at {prepared.images.location} are not those that the run began with; "
            "give their folder with --data-dir"
        )
    config, players, plan = _build(prepared)
    with run.locked():
        state = find_state(run.checkpoints, console.line)
        if state is None:
            raise UserError(f"--resume {run.path}: {run.checkpoints} holds no intact state; start a new run")
        position = state.position
        if plan.done(position.step, position.seconds):
            console.line(f"{run.path}: complete after {position.step:,} steps, nothing to do; give a larger --epochs")
            finish_pictures(run, state.folder)
            return run
        load_state(state, players)
        console.keep_in(run.log_file)
        console.line(f"Resuming after step {position.step:,} ({state.folder})")
        before = Plan(run.config(), plan.steps_per_epoch)
        # In this order: killed in between, the run takes back the same when it is resumed again.
        run.write_config(config)
        take_back(run, before, plan, position.step)
        _train(prepared, config, players, plan, run, position, console)
    return run


def _build(prepared: Prepared) -> tuple[Config, Any, Any]:
    """Return the completed configuration, the players and the plan."""
    from ms_gan.networks import ImageShape
    from ms_gan.training.plan import make_plan
    from ms_gan.training.setup import build_players

    config = prepared.config
    horizon = make_plan(config, prepared.stream.batches_per_epoch).total_steps
    for role in ("generator_optimizer", "discriminator_optimizer"):
        section = getattr(config, role)
        if section.schedule != "constant" and section.lr_steps is None:
            # Written down, so that a longer run that is resumed keeps the schedule that it began with.
            config = dataclasses.replace(config, **{role: dataclasses.replace(section, lr_steps=horizon)})
    players = build_players(config, ImageShape(config.data.channels, config.data.size))
    return config, players, make_plan(config, prepared.stream.batches_per_epoch)


def _draw_real(prepared: Prepared, run: RunFolder) -> None:
    """Draw as many real images as a grid holds."""
    from ms_gan.pictures.grid import save_grid

    samples = prepared.config.samples
    count = samples.rows * samples.columns
    save_grid(run.real_picture, prepared.images.images[:count], samples.rows, samples.columns)


def _train(prepared: Prepared, config: Config, players, plan, run: RunFolder, position, console: Console) -> None:
    """Run the loop, then draw the curves and the animation."""
    from ms_gan.commands.recording import Recorder
    from ms_gan.commands.show import animate, plot
    from ms_gan.commands.telling import command_line, describe_run, summarise_run
    from ms_gan.networks import ImageShape
    from ms_gan.training.loop import run_loop
    from ms_gan.training.setup import prepare_steps

    describe_run(prepared.images, plan, run, console)
    steps = prepare_steps(players, config, ImageShape(config.data.channels, config.data.size), console.line)
    recorder = Recorder(config, plan, run, players, console, position)
    began = time.perf_counter()
    with noted_signals() as received:
        try:
            run_loop(config, plan, prepared.stream, steps, position, recorder, lambda: bool(received))
        finally:
            recorder.close()
    if received and not plan.done(position.step, position.seconds):
        raise Interrupted(
            f"stopped after step {position.step:,}; everything is saved. "
            f"Go on with: {command_line(['train', '--resume', str(run.path)])}",
            received[0],
        )
    wall = time.perf_counter() - began
    drawing = time.perf_counter()
    plot(run)
    animate(run)
    recorder.seconds["curves and GIF"] = time.perf_counter() - drawing
    summarise_run(recorder, wall, position.step, run, console)


def dry_run(config: Config) -> str:
    """Return the whole configuration and what a run with it would do, without data or device."""
    if config.epochs is not None:
        length = f"{config.epochs} epochs"
    else:
        length = f"{config.steps} steps" if config.steps is not None else f"{config.minutes:g} minutes"
    folder = config.data.folder or "the cache, or a download"
    return (
        f"{config_text(config)}\n"
        f"# Plan: {length} of {config.updates.d_steps} D and 1 G update, batch {config.batch_size}, "
        f"{config.mode} mode, data {config.data.source} from {folder}. Nothing was trained."
    )
