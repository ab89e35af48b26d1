"""`ms-gan report`: the page of a run, or one page for several."""

from collections.abc import Callable, Sequence
from pathlib import Path

from ms_gan.errors import UserError
from ms_gan.files import dated
from ms_gan.report import write_comparison, write_report
from ms_gan.runs.folder import RunFolder

_SEEDS, _FRAMES = (1, 2, 3, 4), 10


def report(
    sources: Sequence[str | Path], out: str | Path | None = None, announce: Callable[[str], None] = print
) -> Path:
    """Write the page of one run, or one page that compares several.

    Parameters
    ----------
    sources : sequence of path-like
        Run folders, finished or not.
    out : path-like, optional
        The file; None: report.html in the run folder, or report-<date-time>.html here for several.
    announce : callable
        Takes a line for each group of runs that differ only in their seed: mean and range of what ranks them.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    UserError
        If a folder is no run, or the file cannot be written.
    """
    runs = [RunFolder.open(source) for source in sources]
    if len({run.path.resolve() for run in runs}) < len(runs):
        raise UserError("report: a run is named twice; name each once")
    if out is not None and Path(out).suffix.lower() not in (".html", ".htm"):
        raise UserError(f"--out {out}: the page's name must end in .html")
    if len(runs) == 1:
        return write_report(runs[0], out)
    target = out or next(path for path in dated("report", ".html") if not path.exists())
    return write_comparison(runs, target, announce)


def finish_report(run: RunFolder) -> Path:
    """Draw the walk between pictures where it is older than the newest generator, and write the page of a run.

    The device must have been chosen (:func:`ms_gan.device.activate`); for use at the end of a training or evaluation.
    """
    draw_walk(run)
    return write_report(run)


def walk_is_due(run: RunFolder) -> bool:
    """Tell whether a run has a generator, and no picture of a walk through its latents that is as new."""
    if not run.network_index():
        return False
    picture, generator = run.interpolation, run.generator_file()
    try:
        saved = generator.stat().st_mtime
    except OSError:  # removed by hand, or by a training that goes on and keeps only the newest
        return False
    return not picture.exists() or picture.stat().st_mtime < saved


def draw_walk(run: RunFolder) -> None:
    """Draw the pictures between pictures, if that is due; MindSpore is needed for that."""
    if not walk_is_due(run):
        return
    from ms_gan.commands.interpolate import interpolate

    interpolate(run.path, seeds=_SEEDS, frames=_FRAMES, out=run.interpolation)
