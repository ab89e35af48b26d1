"""`ms-gan sweep`: the same data through several recipes or values, one run after the other, then one report."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ms_gan.commands.evaluate import evaluate
from ms_gan.commands.evaluation_source import find_source
from ms_gan.commands.references import load_real_images
from ms_gan.commands.report import draw_walk
from ms_gan.commands.sweep_check import EVALUATION_SEED
from ms_gan.commands.sweep_file import Sweep, read_sweep
from ms_gan.commands.sweep_folder import begin, go_on
from ms_gan.commands.train import resume, train
from ms_gan.device import activate, choose_device
from ms_gan.errors import TrainingDiverged, UserError
from ms_gan.evaluation.extractors import version_meant
from ms_gan.evaluation.results import AS_THE_DATA
from ms_gan.report import write_comparison, write_report
from ms_gan.report.evaluations import newest_generator, read_evaluations
from ms_gan.runs.folder import RunFolder
from ms_gan.training.plan import Plan


@dataclass(frozen=True)
class _Options:
    """What every run of a sweep gets."""

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
        The sweep, see :func:`ms_gan.commands.sweep_file.read_sweep`; None: go on with the one that `out` holds.
    out : path-like, optional
        The folder; one run folder in it for each run. One with the same sweep in it is gone on with. None:
        runs/sweep-<name>-<date-time>.
    overrides : dict, optional
        Settings for all runs, by dotted keys, such as ``{"data.folder": "DIR"}``. Without `file` only where the data
        are now can differ from what the sweep was begun with.
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
        If something that was given is wrong; all runs and their data are checked before the first one begins.
    Interrupted
        If a signal stopped a run; the same command goes on with it.
    TrainingDiverged
        If a run diverged; the others were trained all the same.
    """
    if file is not None:
        plan = read_sweep(Path(file), overrides or {})
        # The networks of the runs are built to check them, and mindspore reads the device's settings when it is loaded.
        activate(choose_device(device, require_ascend=require_ascend, announce=lambda line: None))
        folder = begin(Path(out) if out else None, f"sweep-{Path(file).stem}", plan, announce)
    elif out is not None:
        folder = Path(out)
        plan = go_on(folder, overrides or {}, announce)
    else:
        raise UserError("sweep: name a .yaml file, or with --resume the folder of a sweep")
    options = _Options({"device": device, "require_ascend": require_ascend}, announce)
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
    page = write_comparison(runs, folder / "report.html", announce)
    announce(f"wrote {page}")
    if diverged:
        raise TrainingDiverged(f"{len(diverged)} of {len(plan.runs)} runs diverged: {', '.join(diverged)}; see {page}")
    return page


def _finish(plan: Sweep, name: str, folder: Path, options: _Options) -> None:
    """Train, resume or pass over a run, and evaluate it if that is wanted and not done yet."""
    config = plan.runs[name]
    data = {"source": config.data.source, "folder": config.data.folder}
    if not RunFolder(folder).config_file.exists():
        train(config, out=str(folder), **options.device)
    elif not _complete(RunFolder(folder)):
        where = {f"data.{key}": value for key, value in data.items()}
        resume(str(folder), overrides=where, **options.device)
    else:
        options.announce("complete")
    run = RunFolder(folder)
    if plan.evaluate and not _evaluated(run, plan, data):
        how = {"num": plan.evaluate, "extractor": plan.extractor, "data": data, "seed": EVALUATION_SEED}
        evaluate(folder, announce=options.announce, **how, **options.device)


def _evaluated(run: RunFolder, plan: Sweep, data: dict[str, Any]) -> bool:
    """Tell whether the newest generator was evaluated as `plan` says: others, on fewer images, are not in its stead."""
    newest = newest_generator(run)
    found = [result["protocol"] for result in read_evaluations(run)[0] if result["source"]["file"] == newest]
    if not found:
        return False
    wanted = {"seed": EVALUATION_SEED, "asked": AS_THE_DATA if run.config().conditional else None}
    planned = wanted | {"generated": plan.evaluate, "seen_sha256": run.data_digest()}
    if _holds(found, planned, version_meant(plan.extractor)):
        return True
    # Or what is planned is less, which only the data tell.
    real = load_real_images(find_source(run.path, data, None).data, None, lambda line: None, EVALUATION_SEED)
    # Where there are not as many images as planned, evaluate takes all.
    count = min(plan.evaluate, len(real.reference.images), len(real.other.images))
    planned = wanted | {"generated": count, "reference_sha256": real.reference.sha256}
    return _holds(found, planned, version_meant(plan.extractor, (real.train, real.test)))


def _holds(found: list[dict[str, Any]], wanted: dict[str, Any], version: str) -> bool:
    """Tell whether one of the protocols has all that is wanted, and an extractor whose name ends with `version`."""
    return any(protocol["extractor"].endswith(version) and wanted.items() <= protocol.items() for protocol in found)


def _complete(run: RunFolder) -> bool:
    """Tell whether a run reached its end and was drawn."""
    records = run.history() if run.history_file.exists() else []
    last = records[-1] if records else {"step": 0, "seconds": 0.0}
    done = Plan(run.config(), run.steps_per_epoch()).done(last["step"], last["seconds"])
    return done and run.animation.exists() and run.losses_picture.exists()
