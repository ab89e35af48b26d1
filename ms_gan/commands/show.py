"""`ms-gan plot` and `ms-gan animate`: pictures of a run that is there, finished or not. No MindSpore needed."""

import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ms_gan.errors import UserError, first_line
from ms_gan.files import write_atomically
from ms_gan.pictures.animation import choose_frames, save_gif
from ms_gan.pictures.curves import LOSS_TEXTS, STEPS_TEXT, read_loss_texts, save_curves, save_scatter
from ms_gan.pictures.grid import MOST_PIXELS, save_labelled
from ms_gan.runs.folder import RunFolder
from ms_gan.runs.heading import heading
from ms_gan.training.plan import Plan
from ms_gan.wording import plural

_MOST_FRAMES = 120
_MOST_PIXELS = 1 << 28  # of all frames; 120 of the usual grids, 1,000 pixels wide and high, are half of it
_MOST_SECONDS = 40.0
# Noisy early grids compress badly; 64 greys are at most 2 of 255 off and take a quarter less.
_GREYS = 64


def plan_of(run: RunFolder) -> Plan:
    """Return the cadences of a run."""
    return Plan(run.config(), run.steps_per_epoch())


def plot(source: RunFolder | str, out: str | Path | None = None) -> Path:
    """Draw the curves of a run, or of a folder with recipe dense's text files.

    Parameters
    ----------
    source : RunFolder or path-like
        A run folder, or a folder with d_loss.txt, d_acc.txt and g_loss.txt.
    out : path-like, optional
        The PNG file; None: losses.png in that folder.

    Returns
    -------
    Path
        The picture.
    """
    if not isinstance(source, RunFolder) and _holds_texts(source):
        folder = Path(source)
        target = Path(out or folder / "losses.png")
        save_curves(target, read_loss_texts(folder), title=f"Losses in {folder}", kind="gan")
        return target
    run = source if isinstance(source, RunFolder) else RunFolder.open(source)
    plan = plan_of(run)
    config = plan.config
    records = run.history()
    marks = [(record["step"], str(record["epoch"])) for record in records if plan.ends_epoch(record["step"])]
    target, kind = Path(out or run.losses_picture), config.objective.kind
    save_curves(target, records, title=heading(config, run.environment()), kind=kind, epoch_marks=marks)
    return target


def plot_epochs(run: RunFolder, epochs: Sequence[int], out: str | Path | None = None) -> Path:
    """Put the grids of several epochs side by side.

    Of each epoch it is the last grid that was drawn in it; where that is not its end, the label tells the step.

    Parameters
    ----------
    run : RunFolder
        The run.
    epochs : sequence of int
        Epochs, from 0, as in the records and in the checkpoints' names.
    out : path-like, optional
        The PNG file; None: epochs.png in the run folder.

    Raises
    ------
    UserError
        If no grid was drawn in one of the epochs.
    """
    plan, pictures = plan_of(run), run.grid_pictures()
    last = {plan.epoch_of(step): step for step in pictures}
    panels = []
    for epoch in epochs:
        if epoch not in last:
            others = f"only of {_ranges(last)}" if last else "and none of another"
            raise UserError(f"--epochs {epoch}: {run.images} holds no grid of it, {others}")
        step = last[epoch]
        label = f"epoch {epoch}" if plan.ends_epoch(step) else _caption(plan, step)
        panels.append((label, read_picture(pictures[step]).transpose(2, 0, 1)[None]))
    target = Path(out or run.path / "epochs.png")
    save_labelled(target, panels, 1, 1, title=heading(plan.config, run.environment()))
    return target


def animate(
    run: RunFolder, out: str | Path | None = None, seconds_per_frame: float | None = None, every: int = 1
) -> Path:
    """Build the GIF from the grids of a run: at most 120, evenly spaced; of very large grids fewer, for the memory.

    Parameters
    ----------
    run : RunFolder
        The run.
    out : path-like, optional
        The GIF file; None: training.gif in the run folder.
    seconds_per_frame : float, optional
        Pace; None: the configuration's, faster where that would take more than 40 seconds.
    every : int
        Take every so many-th grid (the source takes every 5th); the last one is always there.

    Raises
    ------
    UserError
        If there are no grids.
    """
    plan, pictures = plan_of(run), run.grid_pictures()
    if not pictures:
        raise UserError(f"{run.images}: holds no grids to animate; train first")
    if every < 1:
        raise UserError(f"--every {every}: the least is 1")
    steps = list(pictures)
    steps = sorted({*steps[every - 1 :: every], steps[-1]})
    most = _MOST_PIXELS // read_picture(pictures[steps[-1]])[..., 0].size
    chosen = [steps[index] for index in choose_frames(len(steps), min(_MOST_FRAMES, max(2, most)))]
    pace = seconds_per_frame or min(plan.config.samples.seconds_per_frame, _MOST_SECONDS / len(chosen))
    frames = [read_picture(pictures[step]) for step in chosen]
    captions = [_caption(plan, step) for step in chosen]
    target = Path(out or run.animation)
    progress = [step / max(1, chosen[-1]) for step in chosen]
    save_gif(target, frames, captions, pace, progress=progress, greys=_GREYS)
    return target


def read_picture(path: Path) -> np.ndarray:
    """Read a grid picture as uint8 (H, W, 1) or (H, W, 3)."""
    try:
        with Image.open(path) as picture:
            # Reads every checksum of a PNG file; decoding alone passes over that of the pixels.
            picture.verify()
        with Image.open(path) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise UserError(f"{path}: is too large for a grid picture")
            array = np.asarray(picture.convert("L" if picture.mode in ("L", "1") else "RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = first_line(error)
        raise UserError(f"{path}: cannot be read as a picture: {reason}; remove it to leave it out") from None
    return array[:, :, None] if array.ndim == 2 else array


def _holds_texts(folder: str | Path) -> bool:
    """Tell whether a folder is no run, but holds some of recipe dense's text files."""
    run = os.path.exists(RunFolder(folder).config_file)
    return not run and any(os.path.exists(Path(folder) / name) for name in LOSS_TEXTS.values())


def _column(records: Sequence[dict], key: str, where: Path) -> list[float]:
    """Return one number of every record."""
    if not all(key in record for record in records):
        raise UserError(f"{where}: not every record holds {key}")
    return [record[key] for record in records]


def _caption(plan: Plan, step: int) -> str:
    return f"epoch {plan.epoch_of(step)} · step {step:,}"


def _ranges(numbers: Collection[int]) -> str:
    """Return rising numbers as "0 to 3, 5, 7"."""
    starts = [number for number in numbers if number - 1 not in numbers]
    ends = [number for number in numbers if number + 1 not in numbers]
    pieces = (f"{a}" if a == b else f"{a} to {b}" for a, b in zip(starts, ends, strict=True))
    return ", ".join(pieces)


def scatter(source: RunFolder | str, out: str | Path | None = None) -> Path:
    """Draw both losses as points, as recipe dense does; arguments and result as for :func:`plot`, scatter.png."""
    folder = source.path if isinstance(source, RunFolder) else Path(source)
    records = read_loss_texts(folder) if _holds_texts(folder) else RunFolder.open(folder).history()
    columns = {key: _column(records, key, folder) for key in ("d_loss", "g_loss", "step")}
    target = Path(out or folder / "scatter.png")
    save_scatter(target, columns["d_loss"], columns["g_loss"], steps=columns["step"])
    return target


def export_texts(run: RunFolder, folder: str | Path, announce: Callable[[str], None] = print) -> Path:
    """Write d_loss.txt, d_acc.txt and g_loss.txt, one number a line, as recipe dense leaves them.

    Of the records only those of every ``log_every``-th step go out, of recipe dense every 100th, and not those
    between. A fourth file, steps.txt, holds their steps, so that the texts can be plotted as what they are.

    Parameters
    ----------
    run : RunFolder
        The run.
    folder : path-like
        Where the files go; made when it is missing. The accuracy is in per cent.
    announce : callable
        Takes a line on what is left out.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    UserError
        If there is no such record yet, or one lacks a number.
    """
    every = run.config().log_every
    history = run.history()
    records = [record for record in history if record["step"] % every == 0]
    if not records:
        raise UserError(f"{run.history_file}: holds no record of step {every} or a multiple of it yet; train further")
    names = LOSS_TEXTS | {"step": STEPS_TEXT}
    columns = {name: _column(records, key, run.history_file) for key, name in names.items()}
    columns[LOSS_TEXTS["d_accuracy"]] = [100 * share for share in columns[LOSS_TEXTS["d_accuracy"]]]
    for name, numbers in columns.items():
        write_atomically(Path(folder) / name, "".join(f"{number!r}\n" for number in numbers))
    if left := len(history) - len(records):
        announce(
            f"left out: {left:,} of {plural(len(history), 'record')}, between the multiples of {every:,} (log_every)"
        )
    return Path(folder)
