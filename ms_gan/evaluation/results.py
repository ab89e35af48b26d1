"""An evaluation as a table for the console, and the question whether two can be compared."""

import math
from typing import Any

AS_THE_DATA, IN_TURN = "as the data", "in turn"
"""How often each class was asked for; in turn by older versions alone."""
_BETTER = {"lower": "lower is better", "higher": "higher is better", "floor": "best near that of real images"}


def table(result: dict[str, Any]) -> list[str]:
    """Return the metrics of an evaluation as lines of text.

    Parameters
    ----------
    result : dict
        What `ms-gan evaluate` writes.
    """
    rows = [("metric", "value", "95 % interval", "real images", "")]
    for metric in result["metrics"]:
        if metric["value"] is None:
            rows.append((metric["name"], "none", "", "", metric.get("problem", "")))
            continue
        spread = f", deviation over subsets {number(metric['deviation'])}" if "deviation" in metric else ""
        rows.append(
            (
                metric["name"],
                number(metric["value"]),
                interval(metric["low"], metric["high"]),
                number(metric["floor"]),
                f"{metric['title']}, {_BETTER[metric['better']]}{spread}",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(row[k].rjust(widths[k]) for k in (1, 2, 3)), row[4]]).rstrip()
        for row in rows
    ]
    if "classes" in result:
        lines += ["", *_class_lines(result["classes"])]
    protocol = result["protocol"]
    lines += [
        "",
        f"Data: {protocol['data']}",
        f"{protocol['generated']:,} generated against {protocol['real']:,} "
        f"{'held-out ' if protocol['unseen'] else ''}real images; intervals: {protocol['interval']}.",
        '"real images": other real images against the same real ones, the best that a generator can hope for.',
    ]
    return lines


def number(value: float | None) -> str:
    """Return a number with three significant digits and no exponent where it can be helped."""
    if value is None or not math.isfinite(value):
        return "none"
    if not value:
        return "0"
    if abs(value) < 1e-4:
        return f"{value:.1e}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def interval(low: float | None, high: float | None) -> str:
    """Return an interval as text; nothing where there is none."""
    return "" if low is None or high is None else f"{number(low)} to {number(high)}"


def protocol_key(result: dict[str, Any]) -> tuple:
    """Return what two evaluations must share so that their numbers can be compared."""
    protocol = result["protocol"]
    # Not the extractor's name: of one digest it can differ between versions.
    names = ("generated", "real", "extractor_digest", "reference_sha256", "unseen", "seed")
    # The classes of a generator that is not asked are of its own making, to be judged like those that are asked for so.
    return (*(protocol.get(name) for name in names), protocol.get("asked") or AS_THE_DATA)


def _class_lines(classes: dict[str, Any]) -> list[str]:
    shares = zip(classes["names"], classes["generated"], classes["real"], strict=True)
    told = ", ".join(f"{name} {100 * ours:.1f} ({100 * theirs:.1f})" for name, ours, theirs in shares)
    missing = ", ".join(classes["missing"]) or "none"
    lines = [f"Classes of the output, in % (of the real images): {told}", f"Missing classes: {missing}"]
    if "as_asked" in classes:
        lines.append(f"Classified as the class that was asked for: {100 * classes['as_asked']:.1f} %")
    return lines
