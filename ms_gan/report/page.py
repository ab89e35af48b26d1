"""The page itself: a template filled with what was gathered."""

from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import jinja2

import ms_gan
from ms_gan.config.build import flatten
from ms_gan.config.checks import idle_settings
from ms_gan.evaluation.results import interval, number
from ms_gan.files import write_atomically
from ms_gan.report import embedding, gather
from ms_gan.report.charts import chart, panels_of
from ms_gan.report.gather import Gathered
from ms_gan.report.overlays import overlays
from ms_gan.report.ranking import rank
from ms_gan.report.rules import findings
from ms_gan.runs.folder import RunFolder
from ms_gan.runs.starts import starts_of

_TEMPLATES = Path(__file__).parent / "templates"


def write_report(run: RunFolder, out: str | Path | None = None) -> Path:
    """Write the page of one run.

    Parameters
    ----------
    run : RunFolder
        The run, finished or not.
    out : path-like, optional
        The file; None: report.html in the run folder.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    UserError
        If the folder cannot be read or the file not written.
    """
    gathered = gather.gather(run)
    page = _render(gathered.title, [_section(gathered, embedding.MOST_BYTES)], None)
    target = Path(out or run.report)
    write_atomically(target, page)
    return target


def write_comparison(runs: Sequence[RunFolder], out: str | Path, announce: Callable[[str], None]) -> Path:
    """Write one page for several runs: a ranking, their pictures and curves side by side, then each run.

    Runs that differ only in their seed are summed up in a row, which `announce` gets as a line too.
    """
    names = gather.telling_names(runs)
    gathered = [gather.gather(run, name) for run, name in zip(runs, names, strict=True)]
    sections = [_section(one, embedding.MOST_BYTES // len(runs)) for one in gathered]
    ranking = rank(gathered)
    for line in ranking.lines():
        announce(line)
    together = {
        "ranking": ranking,
        "differences": _differences(gathered),
        "charts": overlays(gathered),
    }
    write_atomically(Path(out), _render(f"{len(runs)} runs side by side", sections, together))
    return Path(out)


def _render(title: str, sections: Sequence[dict[str, Any]], together: dict[str, Any] | None) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "percent": lambda share: f"{100 * share:.1f}"}
    return environment.get_template("report.html").render(
        title=title,
        sections=sections,
        together=together,
        version=ms_gan.__version__,
        written=datetime.now(timezone.utc).strftime("%d %B %Y, %H:%M UTC"),
        interval=interval,
    )


def _section(gathered: Gathered, most_bytes: int) -> dict[str, Any]:
    """Return everything that the template shows of one run."""
    run, measures, records = gathered.run, gathered.measures, gathered.records
    charts = [chart(panel, records) for panel in panels_of(gathered.kind, measures)] if records else []
    return {
        "name": gathered.name,
        "title": gathered.title,
        "source": gathered.config.source,
        "summary": _summary(gathered),
        "findings": findings(gathered.story()),
        "frames": _frames(gathered, most_bytes),
        "real": embedding.picture(run.real_picture) if run.real_picture.is_file() else None,
        "gif": embedding.animation(run.animation),
        "film": run.animation.name if run.animation.is_file() else None,
        "charts": [one for one in charts if one],
        "evaluation": gathered.evaluations[-1] if gathered.evaluations else None,
        "earlier": _earlier(gathered),
        "neighbours": {kind: embedding.picture(path) for kind, path in gathered.pictures.items()},
        "interpolation": embedding.picture(run.interpolation) if run.interpolation.is_file() else None,
        "commands": gather.commands(gathered),
        "facts": gather.facts(gathered),
        "hashes": gather.hashes(gathered),
        "settings": gather.settings(gathered),
        "notes": gathered.notes,
    }


def _summary(gathered: Gathered) -> list[tuple[str, str]]:
    """Return the few facts at the top."""
    config, last = gathered.config, gathered.records[-1] if gathered.records else None
    data = gathered.environment.get("data") or {}
    told = [("Recipe", config.recipe), ("Data", str(data.get("source")))]
    if last:
        told += [("Steps", f"{last['step']:,}"), ("Epochs", f"{last['step'] / gathered.plan.steps_per_epoch:.4g}")]
        told.append(("Training time", _duration(last.get("seconds", 0.0))))
    devices = dict.fromkeys(str((start.get("device") or {}).get("target")) for start in starts_of(gathered.environment))
    return [*told, ("Seed", str(config.seed)), ("Device", ", then ".join(devices))]


def _frames(gathered: Gathered, most_bytes: int) -> list[dict[str, str]]:
    """Return the grids through time, with their captions."""
    pictures = gathered.run.grid_pictures()
    if not pictures:
        return []
    steps = list(pictures)
    plan = gathered.plan
    return [
        {"src": uri, "label": f"step {steps[index]:,} · epoch {plan.epoch_of(steps[index])}"}
        for index, uri in embedding.frames(list(pictures.values()), most_bytes)
    ]


def _earlier(gathered: Gathered) -> list[dict[str, Any]]:
    """Return the evaluations of other checkpoints or protocols, in a few words each."""
    told = []
    for result in gathered.evaluations[:-1]:
        metrics = [m for m in result["metrics"] if m["kind"] in ("fid", "kid", "swd") and m["value"] is not None]
        step = result["source"].get("step")
        where = f"step {step:,}" if step else result["source"]["file"]
        told.append({"where": f"{where}, {result['protocol'].get('data', 'its data')}", "metrics": metrics})
    return told


def _differences(runs: Sequence[Gathered]) -> list[tuple[str, list[str]]]:
    """Return the settings in which runs differ, with each run's value; none where it changes nothing."""
    # Without empty options: those of another run have rows of their own.
    flat = [
        {key: value for key, value in flatten(gather.config_mapping(one)).items() if value != {}}
        | dict.fromkeys(idle_settings(one.config))
        for one in runs
    ]
    keys = dict.fromkeys(key for values in flat for key in values)
    aside = ("title", "source", "reading", "recipe")
    rows = [(key, [_told(values.get(key)) for values in flat]) for key in keys if key not in aside]
    return [row for row in rows if len(set(row[1])) > 1]


def _told(value: Any) -> str:
    """Return a setting as text."""
    return "–" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
