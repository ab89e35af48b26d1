"""Everything that a report shows of a run, read from its folder."""

import itertools
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ms_gan.config import Config, config_text, to_mapping
from ms_gan.config.schema import LossKind
from ms_gan.evaluation.cheap import CHEAP_MEASURES
from ms_gan.report.evaluations import read_evaluations
from ms_gan.report.health import Story
from ms_gan.runs.folder import RunFolder
from ms_gan.runs.heading import heading
from ms_gan.runs.sealed import file_digest
from ms_gan.runs.starts import changes, starts_of
from ms_gan.training.plan import Plan
from ms_gan.training.watch import find_warnings
from ms_gan.wording import plural


@dataclass(frozen=True)
class Gathered:
    """A run as it lies in its folder."""

    run: RunFolder
    name: str
    """What it is called on the page."""
    config: Config
    plan: Plan
    environment: Mapping[str, Any]
    records: list[dict[str, float]]
    evaluations: list[dict[str, Any]]
    """From the oldest checkpoint to the newest, see :func:`ms_gan.report.evaluations.read_evaluations`."""
    pictures: Mapping[str, Path]
    """Of the newest evaluation: `first` and `closest`, generated images over the nearest training image of each."""
    notes: list[str]
    """What could not be read."""

    @property
    def title(self) -> str:
        """What was trained, and on what, in a line."""
        return heading(self.config, self.environment)

    @property
    def data_digest(self) -> str | None:
        """SHA-256 of the training images, as far as it is known."""
        return _mapping(self.environment.get("data")).get("sha256")

    @property
    def kind(self) -> LossKind:
        """What the numbers of D mean: which curves there are, and which rules speak."""
        return self.config.objective.kind

    @property
    def finished(self) -> bool:
        """Whether the run reached its planned end."""
        last = self.records[-1] if self.records else {"step": 0, "seconds": 0.0}
        return self.plan.done(int(last["step"]), float(last.get("seconds", 0.0)))

    @property
    def measures(self) -> dict[str, bool]:
        """Cheap measures in the history, and whether lower is better."""
        there = {key for record in self.records for key in record}
        return {name: measure.lower_is_better for name, measure in CHEAP_MEASURES.items() if name in there}

    def story(self) -> Story:
        """Return what the rules look at."""
        best = self.run.best_generator_file()
        return Story(
            records=self.records,
            kind=self.kind,
            total_steps=self.plan.total_steps,
            finished=self.finished,
            measures=self.measures,
            warnings=find_warnings(self.records, accuracy=self.kind != "wasserstein"),
            evaluation=self.evaluations[-1] if self.evaluations else None,
            best_file=best.name if best else None,
            may_roll_back=self.config.on_nan == "stop",
        )


def gather(run: RunFolder, name: str | None = None) -> Gathered:
    """Read a run folder; it is called `name`, or after its folder.

    Raises
    ------
    UserError
        If configuration, environment or history cannot be read.
    """
    environment = run.environment()
    records = run.history() if run.history_file.exists() else []
    evaluations, notes = read_evaluations(run)
    pictures = {}
    if evaluations:
        stem = evaluations[-1]["stem"]
        found = {kind: run.evaluations / f"{stem}-{kind}.png" for kind in ("first", "closest")}
        pictures = {kind: path for kind, path in found.items() if path.is_file()}
    config = run.config()
    name = name or run.path.resolve().name
    plan = Plan(config, run.steps_per_epoch())
    return Gathered(run, name, config, plan, environment, records, evaluations, pictures, notes)


def telling_names(runs: Sequence[RunFolder]) -> list[str]:
    """Return for each run the shortest end of its path that no other one's path has."""
    paths = [run.path.resolve().parts for run in runs]
    names = []
    for parts in paths:
        count = next(n for n in range(1, len(parts) + 1) if sum(other[-n:] == parts[-n:] for other in paths) == 1)
        names.append(str(Path(*parts[-count:])))
    return names


def commands(gathered: Gathered) -> list[tuple[str, str]]:
    """Return what to type to repeat the run and to go on with it, each with what it does."""
    run, told = gathered.run, []
    given = gathered.environment.get("command")
    if isinstance(given, list) and all(isinstance(word, str) for word in given):
        told.append(("as it was started", shlex.join(given)))
    again = ["ms-gan", "train", "--config", str(run.config_file), "--out", f"{run.path.name}-again"]
    told.append(("the same run from its folder alone, with every setting that it had", shlex.join(again)))
    resume, story = ["ms-gan", "train", "--resume", str(run.path)], gathered.story()
    if story.diverged and story.may_roll_back:
        told.append(
            ("go back before it diverged, and on with other batches", shlex.join([*resume, "--on-nan", "rollback"]))
        )
    elif not (story.diverged or gathered.finished):
        told.append(("go on where it stopped", shlex.join(resume)))
    told.append(("draw new pictures", shlex.join(["ms-gan", "generate", str(run.path), "--num", "25"])))
    told.append(("measure it", shlex.join(["ms-gan", "evaluate", str(run.path)])))
    return told


def facts(gathered: Gathered) -> list[tuple[str, str]]:
    """Return what the run ran on, as label and text; what has changed since its first start is under `Resumed`."""
    environment = gathered.environment
    machine, device, data = (_mapping(environment.get(key)) for key in ("machine", "device", "data"))
    timing = _mapping(environment.get("timing"))
    seed, mode = gathered.config.seed, gathered.config.mode
    shape = data.get("images")
    size = f"{shape[0]:,} of {shape[3]}x{shape[2]}, {'grey' if shape[1] == 1 else 'colour'}" if shape else None
    versions = ", ".join(
        f"{key} {machine[key]}" for key in ("python", "mindspore", "numpy", "cann") if machine.get(key)
    )
    cores = plural(machine["cores"], "core") if type(machine.get("cores")) is int else "cores not known"
    told = {
        "Started": environment.get("started"),
        "Resumed": _resumed(environment),
        "Device": f"{device.get('target')}: {device.get('reason')}",
        "Settings": ", ".join(f"{key}={value}" for key, value in _mapping(device.get("settings")).items()),
        "Machine": f"{machine.get('cpu')}, {cores}, {machine.get('memory_gb')} GB",
        "Versions": f"ms_gan {environment.get('ms_gan')}, {versions}",
        "Revision": environment.get("git_revision"),
        "Mode and seed": f"{mode}, seed {seed}",
        "Data": f"{data.get('source')}: {size}, from {data.get('location')}",
        "Data notes": " ".join(data.get("notices") or ()),
        "Peak memory": f"{timing['peak_gb']} GB" if timing.get("peak_gb") else None,
    }
    return [(label, str(text)) for label, text in told.items() if text]


def _resumed(environment: Mapping[str, Any]) -> str:
    """Return how often a run was resumed, and where on something else than before; empty if never."""
    starts = starts_of(environment)
    if len(starts) == 1:
        return ""
    told = [
        f"after step {later.get('step')} with {changed}"
        for earlier, later in itertools.pairwise(starts)
        if (changed := changes(earlier, later))
    ]
    times = "once" if len(starts) == 2 else f"{len(starts) - 1} times"
    return "; ".join([times, *told] if told else [f"{times}, on the same device, machine and versions"])


def hashes(gathered: Gathered) -> list[tuple[str, str]]:
    """Return the SHA-256 of the data, the configuration and the newest networks."""
    run = gathered.run
    told = [("data (training images)", str(gathered.data_digest))]
    files = [run.config_file]
    index = run.network_index()
    if index:
        files += [run.checkpoints / name for name in index[max(index)]]
    files += run.kept_best_files()
    return told + [(path.name, file_digest(path)) for path in files if path.is_file()]


def settings(gathered: Gathered) -> str:
    """Return the whole configuration as text."""
    return config_text(gathered.config)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def config_mapping(gathered: Gathered) -> dict[str, Any]:
    """Return the whole configuration as nested mappings."""
    return to_mapping(gathered.config)
