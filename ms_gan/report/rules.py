"""The sentences of a report about the training, each from one rule with its numbers; docs/report.md lists them."""

from collections.abc import Callable

import numpy as np

from ms_gan.report.health import Finding, Story, longest_stretch, smoothed
from ms_gan.report.rules_of_evaluation import EVALUATION_RULES
from ms_gan.wording import plural

FEW = 20  # records, below which curves say nothing
WINDOW, LEAST_WINDOW = 0.02, 5  # share of the records over which they are averaged, and the least number of them
STRETCH = 0.1  # share of the records for which something must last to be told
STRONG_ACCURACY, STRONG_GAP = 0.99, 0.95
BLIND_ACCURACY, BLIND_GAP = 0.55, 0.05
LEADING_GAP = 0.75
LAST = 0.1  # share of the records that are "the end"
SWING = 2.0
FALLEN, RISEN, BELOW = 0.1, 0.25, 0.1
WORSE = 0.1


def findings(story: Story) -> list[Finding]:
    """Return what the rules say of a run, the most important first.

    Parameters
    ----------
    story : Story
        What is known of it.

    Returns
    -------
    list of Finding
        At least one: whether the run is complete.
    """
    told = [finding for rule in (*TRAINING_RULES, *EVALUATION_RULES) for finding in rule(story)]
    return sorted(told, key=lambda finding: ("bad", "look", "info", "good").index(finding.level))


def finished(story: Story) -> list[Finding]:
    """Say whether the run reached its planned end."""
    step = story.records[-1]["step"] if story.records else 0
    if story.finished and not story.diverged:
        return [Finding("finished", "good", f"The run is complete: {plural(step, 'step')}.", {"steps": step})]
    plan = f" of {story.total_steps:,}" if story.total_steps else ""
    text = f"The run is not complete: the last record is of step {step:,}{plan}."
    # A resume alone has the same bits, so it would diverge at the same step.
    if not story.diverged:
        text += " Go on with ms-gan train --resume."
    return [Finding("finished", "look", text, {"steps": step, "planned": story.total_steps})]


def short(story: Story) -> list[Finding]:
    """Whether there are too few records to judge curves by."""
    if len(story.records) >= FEW:
        return []
    text = f"The history holds only {plural(len(story.records), 'record')}; the curves say little."
    return [Finding("short", "info", text, {"records": len(story.records), "least": FEW})]


def not_finite(story: Story) -> list[Finding]:
    """Whether a number became NaN or infinite."""
    for record in story.records:
        for key, value in record.items():
            if not np.isfinite(value):
                text = f"{key} was no finite number at step {record['step']:,}: training diverged there."
                if story.diverged:
                    text += " Start a new run with smaller learning rates"
                    again = ", or go back and on with other batches: ms-gan train --resume RUN --on-nan rollback"
                    text += f"{again if story.may_roll_back else ''}."
                return [Finding("not-finite", "bad", text, {"step": record["step"], "key": key})]
    return []


def d_too_strong(story: Story) -> list[Finding]:
    """Whether D told real from generated for long, so that G learned little."""
    found = _lead(story)
    if found is None:
        return []
    steps, accuracy, gap = found
    mask = (accuracy >= STRONG_ACCURACY) | (gap >= STRONG_GAP)
    stretch = longest_stretch(mask)
    if stretch is None or stretch[1] - stretch[0] + 1 < STRETCH * len(steps):
        return []
    first, last = stretch
    lasts = last == len(steps) - 1
    numbers = {
        "from_step": int(steps[first]),
        "to_step": int(steps[last]),
        "accuracy": _mean(accuracy[first : last + 1]),
        "gap": _mean(gap[first : last + 1]),
    }
    until = "to the end" if lasts else f"to step {steps[last]:,}"
    text = (
        f"D too strong from step {steps[first]:,} {until}: it tells nearly every real from every generated picture, "
        "so G learns little there."
    )
    return [Finding("d-too-strong", "bad" if lasts else "look", text, numbers)]


def d_blind(story: Story) -> list[Finding]:
    """Whether D cannot tell real from generated at the end."""
    found = _lead(story)
    if found is None:
        return []
    accuracy, gap = (_mean(values[-_last(values) :]) for values in found[1:])
    if not (accuracy <= BLIND_ACCURACY or np.isnan(accuracy)) or not gap <= BLIND_GAP:
        return []
    text = (
        "At the end D cannot tell real from generated pictures. Either these are as good as D can judge, or D has "
        "stopped learning: the pictures decide."
    )
    return [Finding("d-blind", "look", text, {"accuracy": accuracy, "gap": gap})]


def balance(story: Story) -> list[Finding]:
    """Where D and G stand at the end, if neither has won and training did not diverge."""
    found = _lead(story)
    if (
        found is None
        or not_finite(story)
        or d_blind(story)
        or any(finding.level == "bad" for finding in d_too_strong(story))
    ):
        return []
    real, fake = (_mean(story.column(key)[1][-_last(found[0]) :]) for key in ("d_real", "d_fake"))
    numbers = {"d_real": real, "d_fake": fake, "leading_gap": LEADING_GAP}
    given = f"at the end D gives real pictures {real:.2f} and generated ones {fake:.2f} of probability to be real"
    if real - fake > LEADING_GAP:
        return [Finding("balance", "look", f"D leads clearly, so G learns slowly: {given}.", numbers)]
    return [Finding("balance", "good", f"D and G keep each other busy: {given}.", numbers)]


def distance_falls(story: Story) -> list[Finding]:
    """Whether a critic's estimated distance fell, as it should."""
    steps, values = story.column("distance")
    if story.kind != "wasserstein" or len(values) < FEW:
        return []
    smooth = smoothed(values, _window(values))
    # The running mean of a few values at the very start is not yet one.
    top = int(np.argmax(smooth[_window(values) - 1 :])) + _window(values) - 1
    peak, end = float(smooth[top]), _mean(values[-_last(values) :])
    lowest = float(smooth[top:].min())
    below = float((values[len(values) // 2 :] <= 0).mean())
    numbers = {"peak": peak, "peak_step": int(steps[top]), "end": end, "lowest_since": lowest, "below_0": below}
    if peak <= 0:
        text = "The critic scores generated pictures above real ones throughout: it has learned nothing yet."
        return [Finding("distance", "bad", text, numbers)]
    if below > BELOW:
        text = (
            f"The estimated distance swings through 0 ({100 * below:.0f} % of the later records are below it): the "
            "critic is not settled, so neither this number nor its fall means much."
        )
        return [Finding("distance", "look", text, numbers)]
    if end > lowest + RISEN * (peak - lowest) and lowest < (1 - FALLEN) * peak:
        text = f"The estimated distance fell to {lowest:.3g} and has risen again to {end:.3g}: training goes wrong."
        return [Finding("distance", "bad", text, numbers)]
    if end > (1 - FALLEN) * peak:
        text = f"The estimated distance has not fallen yet: {end:.3g} at the end, {peak:.3g} at most."
        return [Finding("distance", "look", text, numbers)]
    text = f"The estimated distance fell from {peak:.3g} (step {steps[top]:,}) to {end:.3g}, as it should."
    return [Finding("distance", "good", text, numbers)]


def swings(story: Story) -> list[Finding]:
    """Whether G's loss swings far more in the last quarter than in the one before."""
    values = story.column("g_loss")[1]
    quarter = len(values) // 4
    if quarter < FEW:
        return []
    before, last = (float(np.std(part)) for part in (values[-2 * quarter : -quarter], values[-quarter:]))
    if last < SWING * before or last < 1e-6:
        return []
    text = f"G's loss swings {last / max(before, 1e-9):.1f} times as much in the last quarter as in the one before."
    return [Finding("swings", "look", text, {"before": before, "last": last})]


def watched(story: Story) -> list[Finding]:
    """Repeat what the watch over the training has warned of."""
    # Its word on accuracy is the same as that of d-too-strong, which does not look at every loss and stretch.
    said = bool(d_too_strong(story))
    told = [warning for warning in story.warnings if not (said and warning["kind"] == "accuracy")]
    return [
        Finding("watch", "bad", str(warning["text"])[:1].upper() + str(warning["text"])[1:] + ".", dict(warning))
        for warning in told
    ]


def best_step(story: Story) -> list[Finding]:
    """Where the cheap measures of the history were best."""
    told = []
    for key, lower in story.measures.items():
        steps, values = story.column(key)
        if len(values) < 2:
            continue
        place = int(np.argmin(values) if lower else np.argmax(values))
        best, end = float(values[place]), float(values[-1])
        loss = (end - best if lower else best - end) / max(abs(best), 1e-12)
        numbers = {"measure": key, "best": best, "best_step": int(steps[place]), "end": end, "worse": loss}
        name = key.replace("_", " ")
        if loss > WORSE:
            advice = f" {story.best_file} holds those networks." if story.best_file else ""
            text = (
                f"Best at step {steps[place]:,} by {name} ({best:.3g}), worse since: {end:.3g} at the end, "
                f"{100 * loss:.0f} % more.{advice}"
            )
            told.append(Finding("best-step", "look", text, numbers))
        else:
            text = f"By {name} the end is near the best: {end:.3g}, the best is {best:.3g} (step {steps[place]:,})."
            told.append(Finding("best-step", "good", text, numbers))
    return told


TRAINING_RULES: tuple[Callable[[Story], list[Finding]], ...] = (
    finished,
    short,
    not_finite,
    d_too_strong,
    d_blind,
    balance,
    distance_falls,
    swings,
    watched,
    best_step,
)


def _lead(story: Story) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Return steps, and how far D leads by accuracy (NaN where unknown) and by probability, averaged; or None."""
    rows = [r for r in story.records if r.get("d_real") is not None and r.get("d_fake") is not None]
    if story.kind != "gan" or len(rows) < FEW:
        return None
    accuracy = np.array([r.get("d_accuracy", np.nan) for r in rows], float)
    gap = np.array([r["d_real"] - r["d_fake"] for r in rows], float)
    there = np.isfinite(gap)
    steps = np.array([r["step"] for r in rows])[there]
    if there.sum() < FEW:
        return None
    window = _window(steps)
    known = np.isfinite(accuracy[there]).all()
    smooth = smoothed(accuracy[there], window) if known else np.full(len(steps), np.nan)
    return steps, smooth, smoothed(gap[there], window)


def _window(values: np.ndarray) -> int:
    return max(LEAST_WINDOW, round(WINDOW * len(values)))


def _last(values: np.ndarray) -> int:
    return max(1, round(LAST * len(values)))


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values))
