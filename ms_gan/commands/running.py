"""A run from where it stands to its end: the loop, going back after a NaN, curves and animation."""

import dataclasses
import signal
import time

from ms_gan.commands.disk import describe_disk
from ms_gan.commands.finite import NotFinite
from ms_gan.commands.hints import resume_hint
from ms_gan.commands.job import Job
from ms_gan.commands.mending import restore
from ms_gan.commands.notes import note_events
from ms_gan.commands.preparing import Prepared
from ms_gan.commands.recording import Recorder
from ms_gan.commands.sharing import Leader, lead, release, stopping
from ms_gan.commands.show import animate, plot
from ms_gan.commands.signals import noted_signals
from ms_gan.commands.telling import describe_run, summarise_run
from ms_gan.data.stream import data_seed
from ms_gan.errors import Interrupted, TrainingDiverged
from ms_gan.networks import ImageShape
from ms_gan.runs.state import find_state, load_state
from ms_gan.training.loop import Position, run_loop
from ms_gan.training.precision import skipped_updates
from ms_gan.training.setup import prepare_steps
from ms_gan.training.steps import Steps
from ms_gan.wording import plural


def run_to_end(prepared: Prepared, job: Job, position: Position, best: dict | None) -> None:
    """Train from `position`, which is moved along; then draw the curves and the animation.

    Parameters
    ----------
    prepared : Prepared
        Data and device.
    job : Job
        The run; its folder is locked.
    position : Position
        Where it stands.
    best : dict or None
        What was noted of the best networks up to there.

    Raises
    ------
    Interrupted
        If SIGINT or SIGTERM stopped the run; it is saved.
    TrainingDiverged
        If a loss or a parameter is not finite, and the run does not go back any more.
    """
    config, console = job.config, job.console
    describe_run(job, console)
    console.line(describe_disk(config, job.players, job.plan))
    # First, as in `follow`: batch normalisation over all workers exchanges messages in the check of a penalty too.
    lead(job.worker, job.players, position)
    steps = prepare_steps(job.players, config, ImageShape(config.data.channels, config.data.size), console.line)
    recorder = Recorder(job, position, best)
    began = time.perf_counter()
    with noted_signals() as received:
        try:
            _train(prepared, job, steps, position, recorder, received)
        finally:
            recorder.close()
    if not job.plan.done(position.step, position.seconds):
        # Without a signal of its own where another worker got one.
        number = received[0] if received else signal.SIGTERM
        raise Interrupted(f"stopped after step {position.step:,}; everything is saved. {resume_hint(job.run)}", number)
    if skipped := skipped_updates(job.players):
        console.line(f"Notice: {plural(skipped, 'update')} skipped: the gradients were too large for float16")
    wall = time.perf_counter() - began
    drawing = time.perf_counter()
    plot(job.run)
    animate(job.run)
    recorder.seconds["curves and GIF"] = time.perf_counter() - drawing
    note_events(job, position)
    summarise_run(recorder, wall, position.step, job.run, console)


def _train(
    prepared: Prepared, job: Job, steps: Steps, position: Position, recorder: Recorder, received: list[int]
) -> None:
    """Run the loop; where a number is not finite, go back and on with other batches, as often as that is allowed."""
    worker = job.worker
    listener = Leader(recorder, worker, job.players) if worker.size > 1 else recorder
    while True:
        # With its own seed a run that went back sees other batches and latents; the networks are those of the state.
        seed = data_seed(job.config.seed, position.rollbacks)
        config, stream = dataclasses.replace(job.config, seed=seed), prepared.stream.reseeded(seed)
        try:
            stops = stopping(worker, position, received)
            run_loop(config, job.plan, stream, steps, position, listener, stops, worker)
            return
        except NotFinite as error:
            try:
                best = _go_back(job, position, error)
            except TrainingDiverged:
                release(worker)
                raise
            lead(worker, job.players, position)
            recorder.go_on(position, best)


def _go_back(job: Job, position: Position, error: NotFinite) -> dict | None:
    """Bring run and `position` back to the last state that was due; return what it notes of the best networks."""
    run, config, console = job.run, job.config, job.console
    # Not to one that a signal made: a run that was interrupted ends with the bits of one that was not.
    state = find_state(run.checkpoints, console.line, lambda about: about.get("due", True))
    last = find_state(run.checkpoints, console.line)
    if config.on_nan == "stop" or position.rollbacks >= config.max_rollbacks or state is None:
        went = f" for the {position.rollbacks + 1}. time" if position.rollbacks else ""
        networks = run.network_index()
        newest = f", its newest networks {run.generator_file()}" if networks else ""
        other = f", or other batches from there. {resume_hint(run, '--on-nan', 'rollback')}"
        raise TrainingDiverged(
            f"{error}, the training has diverged{went}; the last good state is "
            f"{last.folder if last else 'none'}{newest}. Try a smaller learning rate, "
            f"for example --set discriminator_optimizer.lr=5e-5 in a new run{other if config.on_nan == 'stop' else ''}"
        ) from None
    number = position.rollbacks + 1
    console.line(
        f"{error}: going back to the state of step {state.position.step:,} and on with other batches "
        f"(rollback {number} of at most {config.max_rollbacks})"
    )
    load_state(state, job.players)
    best = restore(run, state, job.plan, job.plan, console.line)
    event = {"number": number, "noticed": error.step, "what": error.what, "back_to": state.position.step}
    position.step, position.rollbacks = state.position.step, number
    note_events(job, position, event)
    return best
