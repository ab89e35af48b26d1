"""`ms-gan train`: from a configuration to a finished run folder."""

import dataclasses
import os
import resource
import shlex
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ms_gan.commands.console import Console, duration
from ms_gan.commands.environment import describe_environment
from ms_gan.commands.resume import finish_pictures, merge_resumed, take_back
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
    from ms_gan.commands.recording import Recorder, reading_of
    from ms_gan.commands.show import animate, plot
    from ms_gan.networks import ImageShape
    from ms_gan.training.loop import run_loop
    from ms_gan.training.setup import prepare_steps

    _describe(prepared, config, plan, run, console)
    console.line(reading_of(config))
    steps = prepare_steps(players, config, ImageShape(config.data.channels, config.data.size), console.line)
    recorder = Recorder(config, plan, run, players, console, position)
    began = time.perf_counter()
    with _signals() as received:
        try:
            run_loop(config, plan, prepared.stream, steps, position, recorder, lambda: bool(received))
        finally:
            recorder.close()
    if received and not plan.done(position.step, position.seconds):
        raise Interrupted(
            f"stopped after step {position.step:,}; everything is saved. "
            f"Go on with: {_command(['train', '--resume', str(run.path)])}",
            received[0],
        )
    wall = time.perf_counter() - began
    drawing = time.perf_counter()
    plot(run)
    animate(run)
    recorder.seconds["curves and GIF"] = time.perf_counter() - drawing
    _summarise(recorder, wall, position, run, console)


def _describe(prepared: Prepared, config: Config, plan, run: RunFolder, console: Console) -> None:
    images = prepared.images
    length = f"{plan.total_steps:,} steps" if plan.total_steps else f"{config.minutes:g} minutes"
    console.line(
        f"{config.recipe}: {length} of {config.updates.d_steps} D and 1 G update, batch {config.batch_size}, "
        f"{plan.steps_per_epoch} steps an epoch, {config.mode} mode, seed {config.seed}"
    )
    channels, size = images.images.shape[1:3]
    kind = "colour" if channels == 3 else "grey"
    console.line(f"Data: {images.source}, {len(images.images):,} images of {size}x{size} {kind}, {images.location}")
    for notice in images.notices:
        console.line(f"Note: {notice}")
    console.line(f"Run folder: {run.path}")


def _summarise(recorder, wall: float, position, run: RunFolder, console: Console) -> None:
    """Say how long it took, where the results lie, and what to try next."""
    import numpy as np

    aside = sum(recorder.seconds[key] for key in ("pictures", "saving", "logging"))
    first = recorder.seconds["first step"]
    shares = ", ".join(
        f"{key} {recorder.seconds[key]:.1f} s"
        for key in ("first step", "pictures", "saving", "logging", "curves and GIF")
    )
    rate = f"{np.median(recorder.ms_per_step):.1f} ms/step (median)" if recorder.ms_per_step else "one step"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
    run.write_environment(run.environment() | {"timing": _timing(recorder, wall, peak)})
    console.line()
    console.line(f"Done: {position.step:,} steps in {duration(wall)}, {rate}, peak memory {peak:.2f} GB")
    console.line(f"Time: training {wall - aside - first:.1f} s, {shares}")
    console.line(f"  {run.animation}   the digits or pictures as they appear")
    console.line(f"  {run.losses_picture}   the curves")
    console.line(f"  {run.generator_file()}   the newest generator")
    console.line("Next, draw 25 new images:")
    console.line(f"  {_command(['generate', str(run.path), '--num', '25', '--out', 'new.png'])}")


def _timing(recorder, wall: float, peak: float) -> dict[str, Any]:
    """Return what the time of this start went to, for environment.json."""
    import numpy as np

    shares = {key.replace(" ", "_"): round(seconds, 3) for key, seconds in recorder.seconds.items()}
    return {
        "wall_seconds": round(wall, 3),
        "first_step_seconds": shares.pop("first_step"),
        "ms_per_step": float(np.median(recorder.ms_per_step)) if recorder.ms_per_step else None,
        "seconds_beside_training": shares,
        "peak_gb": round(peak, 3),
    }


def _command(arguments: list[str]) -> str:
    """Return a command line that works as it is pasted: with ms-gan where it is installed for this Python."""
    beside = Path(sys.executable).parent / "ms-gan"
    program = "python -m ms_gan"
    if beside.exists():
        program = "ms-gan" if shutil.which("ms-gan") == str(beside) else shlex.quote(str(beside))
    return f"{program} {shlex.join(arguments)}"


@contextmanager
def _signals():
    """Turn SIGINT and SIGTERM into a note, so that the step that runs is finished and saved.

    A second SIGINT interrupts at once. Signals can only be caught in the main thread.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def note(number: int, _frame: object) -> None:
        if received and number == signal.SIGINT:
            raise KeyboardInterrupt
        received.append(number)
        # Not sys.stderr, which may be in the middle of a line of the progress bar.
        os.write(2, b"\nstopping after this step and saving; once more to stop at once\n")

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
