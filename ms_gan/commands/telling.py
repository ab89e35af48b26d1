"""What a training run says of itself before its first step and after its last."""

import resource
from typing import Any

import numpy as np

from ms_gan.commands.console import Console, duration
from ms_gan.commands.hints import command_line
from ms_gan.commands.job import Job
from ms_gan.commands.lines import reading_of
from ms_gan.commands.recording import Recorder
from ms_gan.config import Config, OptimizerConfig
from ms_gan.report import write_report
from ms_gan.runs.folder import RunFolder
from ms_gan.training.plan import Plan
from ms_gan.wording import plural


def describe_run(job: Job, console: Console) -> None:
    """Say what is going to be trained, where the results go, and what the numbers mean."""
    config, plan, run = job.config, job.plan, job.run
    length = plural(plan.total_steps, "step") if plan.total_steps else plural(config.minutes, "minute")
    console.line(
        f"{config.recipe}: {length} of {config.updates.d_steps} D and 1 G update, batch {config.batch_size}, "
        f"{plural(plan.steps_per_epoch, 'step')} an epoch, {config.mode} mode, seed {config.seed}"
    )
    if idle := _idle_steps(config, plan):
        console.line(f"Note: {idle}")
    console.line(f"Run folder: {run.path}")
    console.line(reading_of(config))
    if config.ema.decay:
        console.line(f"Pictures and measures are of the average of G (ema.decay {config.ema.decay:g})")


def _idle_steps(config: Config, plan: Plan) -> str:
    """Return the line for a run that goes on after the learning rate of a network has fallen to 0, or an empty one."""
    idle = []
    for role in ("generator", "discriminator"):
        section: OptimizerConfig = getattr(config, f"{role}_optimizer")
        ends_at_zero = section.schedule in ("cosine", "linear") and section.lr_end == 0
        if ends_at_zero and (plan.total_steps or 0) > section.lr_steps:
            idle.append(f"the {role} learns nothing after step {section.lr_steps:,}")
    if not idle:
        return ""
    return (
        f"{' and '.join(idle)}: there its learning rate is 0 (schedule, lr_end and lr_steps of its optimizer). "
        f"Begin a new run of {plan.total_steps:,} steps with larger lr_steps or lr_end; --init-generator and "
        "--init-discriminator start it from checkpoints"
    )


def summarise_run(recorder: Recorder, wall: float, step: int, run: RunFolder, console: Console) -> None:
    """Say how long it took, where the results lie, and what to try next."""
    aside = sum(recorder.seconds[key] for key in ("pictures", "evaluation", "checks", "saving", "logging"))
    first = recorder.seconds["first step"]
    shares = ", ".join(
        f"{key} {recorder.seconds[key]:.1f} s"
        for key in ("first step", "pictures", "evaluation", "checks", "saving", "logging", "curves and GIF")
        if recorder.seconds[key]
    )
    rate = f"{np.median(recorder.ms_per_step):.1f} ms/step (median)" if recorder.ms_per_step else "one step"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
    run.write_environment(run.environment() | {"timing": _timing(recorder, wall, peak)})
    write_report(run)
    console.line()
    console.line(f"Done: {plural(step, 'step')} in {duration(wall)}, {rate}, peak memory {peak:.2f} GB")
    console.line(f"Time: training {wall - aside - first:.1f} s, {shares}")
    console.line(f"  {run.animation}   the digits or pictures as they appear")
    console.line(f"  {run.losses_picture}   the curves")
    console.line(f"  {run.report}   the run on one page: pictures through time, curves, what they say")
    console.line(f"  {run.generator_file()}   the newest generator")
    console.line("Next, draw 25 new images:")
    console.line(f"  {command_line(['generate', str(run.path), '--num', '25', '--out', 'new.png'])}")


def _timing(recorder: Recorder, wall: float, peak: float) -> dict[str, Any]:
    """Return what the time of this start went to, for environment.json."""
    shares = {key.replace(" ", "_"): round(seconds, 3) for key, seconds in recorder.seconds.items()}
    return {
        "wall_seconds": round(wall, 3),
        "first_step_seconds": shares.pop("first_step"),
        "ms_per_step": float(np.median(recorder.ms_per_step)) if recorder.ms_per_step else None,
        "seconds_beside_training": shares,
        "peak_gb": round(peak, 3),
    }
