"""The evaluations that lie in a run folder, and those by which several runs can be compared."""

from collections.abc import Mapping, Sequence
from typing import Any

from ms_gan.errors import UserError
from ms_gan.evaluation.results import IN_TURN, protocol_key
from ms_gan.runs.folder import RunFolder
from ms_gan.runs.sealed import read_sealed


def read_evaluations(run: RunFolder) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the evaluations in a run folder, and a note on each that cannot be read.

    From the oldest checkpoint to the newest. Of one step, that of the generator that one draws with is the last; of
    that, the one on most images. `stem` is the name of the file without its end.
    """
    found, notes, newest = [], [], newest_generator(run)
    asked_before = IN_TURN if run.config().conditional else None
    for path in sorted(run.evaluations.glob("*.json")):
        try:
            result = read_sealed(path) | {"stem": path.stem}
            _check(result)
            # Older versions did not say it.
            result["protocol"].setdefault("asked", asked_before)
            found.append(result)
        except (UserError, KeyError, TypeError, ValueError) as error:
            notes.append(f"{path.name} cannot be read and is left out ({error}).")
    found.sort(
        key=lambda result: (
            result["source"].get("step") or 0,
            result["source"]["file"] == newest,
            result["protocol"]["generated"],
            result["date"],
        )
    )
    return found, notes


def newest_generator(run: RunFolder) -> str | None:
    """Return the name of the newest checkpoint that one draws with, or None where the run has none."""
    return run.generator_file().name if run.network_index() else None


def under_one_protocol(
    evaluations: Sequence[Sequence[Mapping[str, Any]]], newest: Sequence[str | None]
) -> list[Mapping[str, Any]] | None:
    """Return one evaluation of each run, all of them under one protocol; None where the runs share none.

    Parameters
    ----------
    evaluations : sequence of sequence of mapping
        Those of each run, in the order of :func:`read_evaluations`.
    newest : sequence of str or None
        Name of each run's newest generator. Its evaluation counts; if there is none, that of the newest checkpoint
        that was evaluated.

    Returns
    -------
    list of mapping, or None
        Of several protocols that all runs share, the one under which most newest generators were evaluated; of
        these, the one that was used last.
    """
    by_protocol = [
        # The last of a key counts: sorting is stable.
        {protocol_key(one): one for one in sorted(those, key=lambda one: one["source"]["file"] == name)}
        for those, name in zip(evaluations, newest, strict=True)
    ]
    shared = set.intersection(*(set(found) for found in by_protocol))
    if not shared:
        return None

    def worth(key: tuple) -> tuple:
        chosen = [found[key] for found in by_protocol]
        of_newest = sum(one["source"]["file"] == name for one, name in zip(chosen, newest, strict=True))
        return of_newest, max(one["date"] for one in chosen), str(key)

    best = max(shared, key=worth)
    return [found[best] for found in by_protocol]


def _check(result: dict[str, Any]) -> None:
    """Raise KeyError or TypeError where an evaluation is none."""
    _ = result["protocol"]["extractor"], int(result["protocol"]["generated"]), str(result["date"])
    _ = result["source"]["file"], result["source"].get
    for metric in result["metrics"]:
        _ = [metric[key] for key in ("name", "kind", "title", "value", "floor", "low", "high", "better", "reading")]
