"""Charts that hold a line of several runs: only of runs whose numbers have one scale."""

from collections.abc import Sequence
from typing import Any

from ms_gan.report.charts import overlay
from ms_gan.report.gather import Gathered

_TITLES = {
    "g_loss": "Loss of G",
    "d_loss": "Loss of D",
    "distance": "Estimated distance",
    "margin": "Margin of D",
}


def overlays(runs: Sequence[Gathered]) -> list[dict[str, Any]]:
    """Return the charts, each of at least two runs; a run has the same line in all of them."""
    titles = _TITLES | {key: key.replace("_", " ").capitalize() for one in runs for key in one.measures}
    charts = []
    for key, title in titles.items():
        groups: dict[str, list[int]] = {}
        for number, one in enumerate(runs):
            if any(record.get(key) is not None for record in one.records):
                groups.setdefault(_scale(key, one), []).append(number)
        for members in groups.values():
            full = f"{title} ({_kind(key, runs[members[0]])})" if len(groups) > 1 and key in _TITLES else title
            charts.append(overlay(full, key, [(number, runs[number].name, runs[number].records) for number in members]))
    return [one for one in charts if one]


def _scale(key: str, one: Gathered) -> str:
    """Return a text that runs share if this number of theirs can be compared."""
    config = one.config
    if key not in _TITLES:
        return f"{one.data_digest} {config.evaluation.images}"
    # The scale of scores is the critic's own.
    if one.kind == "wasserstein" or key == "margin":
        return f"{_kind(key, one)} {config.objective} {config.discriminator}"
    return _kind(key, one)


def _kind(key: str, one: Gathered) -> str:
    """Return the loss in words; that of D from updates in turn apart, which is half as large (their mean)."""
    in_turn = key == "d_loss" and one.config.updates.real_and_fake == "in_turn"
    return one.config.objective.loss.replace("_", " ") + (", in turn" if in_turn else "")
