"""`ms-gan sweep`: the same data through several recipes or values, one run after the other, then one report."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ms_gan.commands.evaluate import evaluate
from ms_gan.commands.report import draw_walk
from ms_gan.commands.sweep_file import Sweep, read_sweep
from ms_gan.commands.train import resume, train
from ms_gan.errors import TrainingDiverged, UserError
from ms_gan.files import write_atomically
from ms_gan.report import write_comparison, write_report
from ms_gan.runs.folder import RunFolder
from ms_gan.training.plan import Plan

_FILE = "sweep.yaml"


@dataclass(frozen=True)
class _Options:
    """What every run of a sweep gets."""

    overrides: dict[str, Any]
    device: dict[str, Any]
    announce: Callable[[str], None]


def sweep(
    file: str | Path | None = None,
    *,
    out: str | Path | None = None,
    overrides: dict[str, Any] | None = None,
    device: str = "auto",
    require_ascend: bool = False,
    announce: Callable[[str], None] = print,
) -> Path:
    """Train every run of a sweep that is not complete yet, evaluate them if the file says so, and compare them.

    Parameters
    ----------
    file : path-like, optional
        The sweep, see :func:`ms_gan.commands.sweep_file.read_sweep`; None: the one that `out` was begun with.
    out : path-like, optional
        The folder; one run folder in it for each run. One with the same sweep in it is gone on with. None:
        runs/sweep-<name>-<date-time>.
    overrides : dict, optional
        Settings for all runs, by dotted keys, such as ``{"data.folder": "DIR"}``.
    device, require_ascend
        As for :func:`ms_gan.train`.
    announce : callable
        Where the lines go.

    Returns
    -------
    Path
        The page that compares the runs.

    Raises
    ------
    UserError
        If something that was given is wrong; all runs are checked before the first one begins.
    Interrupted
        If a signal stopped a run; the same command goes on with it.
    TrainingDiverged
        If a run diverged; the others were trained all the same.
    """
    folder, path = _place(file, out)
    plan = read_sweep(path, overrides or {})
    _claim(folder, path)
    options = _Options(overrides or {}, {"device": device, "require_ascend": require_ascend}, announce)
    diverged = []
    for number, name in enumerate(plan.runs, 1):
        announce(f"--- {number} of {len(plan.runs)}: {name}, {folder / name}")
        try:
            _finish(plan, name, folder / name, options)
        except TrainingDiverged as error:
            announce(f"{name}: {error}")
            diverged.append(name)
    runs = [RunFolder.open(folder / name) for name in plan.runs]
    for run in runs:
        draw_walk(run)
        write_report(run)
    page = write_comparison(runs, folder / "report.html")
    announce(f"wrote {page}")
    if diverged:
        raise TrainingDiverged(f"{len(diverged)} of {len(plan.runs)} runs diverged: {', '.join(diverged)}; see {page}")
    return page


def _place(file: str | Path | None, out: str | Path | None) -> tuple[Path, Path]:
    """Return the folder of the sweep and its file."""
    if file is None:
        if out is None:
            raise UserError("sweep: name a .yaml file, or with --resume the folder of a sweep")
        if not (Path(out) / _FILE).is_file():
            raise UserError(f"--resume {out}: holds no {_FILE}, so it is no sweep")
        return Path(out), Path(out) / _FILE
    folder = out or Path("runs") / f"sweep-{Path(file).stem}-{datetime.now():%Y%m%d-%H%M%S}"
    return Path(folder), Path(file)


def _claim(folder: Path, path: Path) -> None:
    """Keep the sweep's file in its folder, or refuse the folder of another one."""
    kept, content = folder / _FILE, path.read_bytes()
    if kept.exists() and kept.read_bytes() != content:
        raise UserError(f"--out {folder}: holds another sweep ({kept} differs from {path}); name another folder")
    if not kept.exists():
        write_atomically(kept, content)


def _finish(plan: Sweep, name: str, folder: Path, options: _Options) -> None:
    """Train, resume or pass over a run, and evaluate it if that is wanted and not done yet."""
    if not RunFolder(folder).config_file.exists():
        train(plan.runs[name], out=str(folder), **options.device)
    elif not _complete(RunFolder(folder)):
        where = {key: value for key, value in options.overrides.items() if key in ("data.folder", "data.source")}
        resume(str(folder), overrides=where, **options.device)
    else:
        options.announce("complete")
    run = RunFolder(folder)
    if plan.evaluate and not list(run.evaluations.glob(f"{run.generator_file().stem}-*.json")):
        data = {"folder": options.overrides.get("data.folder"), "source": options.overrides.get("data.source")}
        evaluate(folder, num=plan.evaluate, data=data, announce=options.announce, **options.device)


def _complete(run: RunFolder) -> bool:
    """Tell whether a run reached its end and was drawn."""
    records = run.history() if run.history_file.exists() else []
    last = records[-1] if records else {"step": 0, "seconds": 0.0}
    done = Plan(run.config(), run.steps_per_epoch()).done(last["step"], last["seconds"])
    return done and run.animation.exists() and run.losses_picture.exists()
