"""The sentences of a report about an evaluation."""

from collections.abc import Callable

from ms_gan.evaluation import turns
from ms_gan.evaluation.classes import MISSING
from ms_gan.evaluation.results import interval, number
from ms_gan.report.health import Finding, Story

RARE, OFTEN = 0.5, 2.0  # times its share of the data
COPIED = 0.03
LEVEL, BEHIND, FAR = 0.9, 0.7, 0.35  # times the value of real images


def class_mix(story: Story) -> list[Finding]:
    """Which classes are missing, rare or too frequent in the output."""
    classes = story.evaluation.get("classes") if story.evaluation else None
    if not classes:
        return []
    shares = list(zip(classes["names"], classes["generated"], classes["real"], strict=True))
    told = []
    for name, ours, theirs in shares:
        if theirs <= 0 or RARE * theirs <= ours <= OFTEN * theirs:
            continue
        level = "bad" if ours < MISSING * theirs else "look"
        text = f"Class {name} is {100 * ours:.1f} % of the output; of the real images it is {100 * theirs:.1f} %."
        told.append(Finding("classes", level, text, {"class": name, "output": ours, "real": theirs}))
    if not told:
        factors = [ours / theirs for _, ours, theirs in shares if theirs > 0]
        text = (
            f"All {len(factors)} classes appear, from {min(factors):.2f} to {max(factors):.2f} times as often as "
            "among the real images."
        )
        told.append(Finding("classes", "good", text, {"least": min(factors), "most": max(factors)}))
    return told


def copies(story: Story) -> list[Finding]:
    """Whether generated images are copies of training images."""
    metric = story.metric("copies")
    if metric is None:
        return []
    numbers = {"rate": metric["value"], "real": metric["floor"], "alarm": COPIED}
    if metric["value"] > COPIED:
        text = (
            f"{100 * metric['value']:.1f} % of the output is suspiciously near to a single training image "
            f"(of real images {100 * metric['floor']:.1f} %): look at the nearest neighbours below."
        )
        return [Finding("copies", "bad", text, numbers)]
    text = (
        f"No sign of copied training images: {100 * metric['value']:.1f} % are as near to a single one as "
        f"{100 * metric['floor']:.1f} % of real images are."
    )
    return [Finding("copies", "good", text, numbers)]


def fidelity_and_variety(story: Story) -> list[Finding]:
    """Whether precision and recall are near those of real images."""
    told = []
    words = {
        "precision": (
            "The pictures look real",
            "Most pictures look real",
            "Many pictures do not look real",
            "Most pictures do not look real",
        ),
        "recall": (
            "They are as varied as real ones",
            "They are nearly as varied as real ones",
            "Some variety is missing",
            "Most of the variety is missing",
        ),
    }
    for kind, openings in words.items():
        metric = story.metric(kind)
        if metric is None or not metric["floor"]:
            continue
        # To features of turns noise lies among the real images (docs/evaluation.md).
        if kind == "precision" and story.extractor_kind() == turns.KIND:
            continue
        ratio = metric["value"] / metric["floor"]
        opening = openings[sum(ratio < bound for bound in (LEVEL, BEHIND, FAR))]
        numbers = {kind: metric["value"], "real": metric["floor"], "level": LEVEL, "behind": BEHIND, "far": FAR}
        text = f"{opening}: {kind} {metric['value']:.2f}, of real images {metric['floor']:.2f}."
        told.append(Finding(kind, "good" if ratio >= BEHIND else "look", text, numbers))
    return told


def overall(story: Story) -> list[Finding]:
    """Put the Fréchet distance beside its floor."""
    metric = story.metric("fid")
    if metric is None:
        return []
    around = interval(metric["low"], metric["high"])
    text = (
        f"Fréchet distance to real images: {number(metric['value'])}{around and f' (interval {around})'}; real images "
        f"among themselves: {number(metric['floor'])}."
    )
    numbers = {key: metric[key] for key in ("value", "low", "high", "floor")}
    return [Finding("overall", "info", text, numbers)]


EVALUATION_RULES: tuple[Callable[[Story], list[Finding]], ...] = (class_mix, copies, fidelity_and_variety, overall)
