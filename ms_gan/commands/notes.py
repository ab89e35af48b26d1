"""What happened in a run besides its numbers, for programs: `warnings` and `rollbacks` in environment.json."""

from typing import Any

from ms_gan.commands.job import Job
from ms_gan.runs.history import read_history
from ms_gan.training.loop import Position
from ms_gan.training.watch import find_warnings


def note_events(job: Job, position: Position, rollback: dict[str, Any] | None = None) -> None:
    """Write the warnings and rollbacks up to `position` to environment.json.

    Parameters
    ----------
    job : Job
        The run.
    position : Position
        Where it stands.
    rollback : dict, optional
        The one that has just happened: number, at which step what was noticed, and the step that it went back to.
    """
    records = read_history(job.run.history_file) if job.run.history_file.exists() else []
    environment = job.run.environment()
    # Those of a future that was taken back do not count.
    known = [entry for entry in environment.get("rollbacks", []) if entry["number"] <= position.rollbacks]
    if rollback:
        known = [entry for entry in known if entry["number"] != rollback["number"]] + [rollback]
    warnings = find_warnings(records, accuracy=job.config.objective.kind != "wasserstein")
    job.run.write_environment(environment | {"warnings": warnings, "rollbacks": known})
