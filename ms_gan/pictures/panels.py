"""What the plots of a training show, and the words that tell a stranger how to read them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from ms_gan.config.schema import LossKind
from ms_gan.errors import UserError
from ms_gan.pictures import sheet
from ms_gan.pictures.sheet import BLUE, BROWN, GREEN, GREY, PURPLE, VERMILION, Heading

MANY = 150  # from so many records on, the raw line is faint under a running mean
FEW = 30  # up to so many records, each gets a dot


@dataclass(frozen=True)
class Panel:
    """One plot: its lines as (record key, name, colour), and how to read it in at most 115 letters."""

    title: str
    reading: str
    lines: tuple[tuple[str, str, str], ...]
    height: float
    share: bool = False  # from 0 to 1, with a dotted line at one half


ACCURACY = Panel(
    "How often D is right",
    "Share of pictures that D sorts correctly: 1 is always, 0.5 (dotted) is no better than guessing.",
    (("d_accuracy", "accuracy of D", BROWN),),
    height=1.5,
    share=True,
)
MEASURED = (
    Panel(
        "Distance of the pictures from real ones",
        "Sliced Wasserstein distance, always to the same real pictures: it should fall. Compare it on one data set.",
        (("sliced_wasserstein", "sliced Wasserstein distance", GREEN),),
        height=1.5,
    ),
    Panel(
        "How different the pictures of the grid are",
        "Distance from a picture to the one most like it: 1 is as among real pictures; near 0, G draws only a few.",
        (("diversity", "diversity of the grid", PURPLE),),
        height=1.5,
    ),
)


def _losses(explained: str) -> Panel:
    """Return the panel of both losses, with the line that says how to read them."""
    curves = (("d_loss", "discriminator D", BLUE), ("g_loss", "generator G", VERMILION))
    return Panel("Losses", explained, curves, height=2.3)


PANELS: dict[LossKind, tuple[Panel, ...]] = {
    "gan": (
        _losses("D and G work against each other and neither should win. If D's loss stays near 0, G learns no more."),
        Panel(
            "How real D thinks the pictures are",
            "D's mean probability that a picture is real. Both at 0.5 (dotted): D cannot tell them apart.",
            (("d_real", "D(real)", GREEN), ("d_fake", "D(fake)", PURPLE)),
            height=1.9,
            share=True,
        ),
        ACCURACY,
        *MEASURED,
    ),
    "scores": (
        _losses("D and G work against each other and neither should win. If D's loss stays near 0, D has won."),
        Panel(
            "How high D scores the pictures",
            "D's mean score; it is no probability. D pulls the two apart: where they meet, it cannot tell them apart.",
            (("d_real", "real pictures", GREEN), ("d_fake", "generated pictures", PURPLE)),
            height=1.9,
        ),
        ACCURACY,
        *MEASURED,
    ),
    "wasserstein": (
        Panel(
            "Distance between real and generated pictures",
            "The critic's estimate: its mean score of real less that of generated pictures. It should fall.",
            (("distance", "estimated distance", GREEN),),
            height=2.3,
        ),
        Panel(
            "Losses",
            "A critic's scores have no fixed zero and no bounds: the level of these lines alone means nothing.",
            (("d_loss", "critic D", BLUE), ("g_loss", "generator G", VERMILION)),
            height=1.9,
        ),
        *MEASURED,
    ),
    "pairs": (
        _losses("Both 0.69: D cannot tell which of a pair is real. If D's loss stays near 0, G learns no more."),
        Panel(
            "How much more real D finds the real picture of a pair",
            "D's mean score of real less that of generated pictures: 0 is no difference. Scores have no fixed zero.",
            (("margin", "D(real) - D(fake)", GREEN),),
            height=1.9,
        ),
        Panel(
            "How often D is right",
            "Share of pairs in which D scores the real picture higher: 1 is always, 0.5 (dotted) is guessing.",
            (("d_accuracy", "accuracy of D", BROWN),),
            height=1.5,
            share=True,
        ),
        *MEASURED,
    ),
}
_BAND = (
    "What to look for: after a lively start, curves that stay within a band. Losses do not measure how "
    "good the pictures are, so look at the pictures too."
)
FOOTERS: dict[LossKind, str] = {
    "gan": _BAND,
    "scores": _BAND,
    "wasserstein": (
        "What to look for: the distance is positive, rises for a moment while the critic learns, then falls "
        "and levels off as the pictures get better. If it keeps growing or swings wildly, training has gone "
        "wrong. Compare it within one run only: its scale differs between runs."
    ),
    "pairs": (
        "What to look for: after a lively start, curves that stay within a band, and a margin that stays small. "
        "Losses do not measure how good the pictures are, so look at the pictures too."
    ),
}


@dataclass(frozen=True)
class Line:
    """The records of one key, in the order of their steps."""

    key: str
    name: str
    colour: str
    steps: np.ndarray
    values: np.ndarray

    def window(self) -> int:
        """Return over how many records (an odd number) the line is smoothed; 1 is not at all."""
        return 1 if len(self.steps) < MANY else max(9, len(self.steps) // 40 | 1)

    def notes(self, shown: tuple[float, float]) -> list[str]:
        """Say what a plot with the limits `shown` cannot show of it."""
        return sheet.outlier_notes(self.name, self.values, self.steps, shown)

    def draw(self, axes: Axes, shown: tuple[float, float]) -> None:
        """Draw every record, and a running mean of those within the limits `shown` where there are many."""
        values = np.where(np.isfinite(self.values), self.values, np.nan)
        look = {"color": self.colour, "solid_capstyle": "round"}
        if self.window() > 1:
            axes.plot(self.steps, values, linewidth=0.7, alpha=0.35, gid=self.key, **look)
            smooth = running_mean(values, self.window(), shown)
            axes.plot(self.steps, smooth, linewidth=1.8, label=self.name, gid=f"mean of {self.key}", **look)
        else:
            dot = "o" if len(self.steps) <= FEW else ""
            look |= {"marker": dot, "markersize": 4, "linewidth": 1.5}
            axes.plot(self.steps, values, label=self.name, gid=self.key, **look)


@dataclass(frozen=True)
class Plot:
    """A panel with its data."""

    panel: Panel
    lines: tuple[Line, ...]

    def limits(self) -> tuple[float, float]:
        """Return the range of the vertical axis."""
        values = np.concatenate([line.values for line in self.lines])
        return sheet.limits(values, 0, 1) if self.panel.share else sheet.limits(values)

    def heading(self) -> Heading:
        """Return what stands over it."""
        shown = self.limits()
        notes = tuple(note for line in self.lines for note in line.notes(shown))
        return Heading(self.panel.title, self.panel.reading, notes)

    def draw(self, axes: Axes) -> None:
        """Draw all lines."""
        shown = self.limits()
        for line in self.lines:
            line.draw(axes, shown)
        if self.panel.share:
            axes.axhline(0.5, color=GREY, linewidth=1, linestyle=":", zorder=1.5)
        axes.grid(False, axis="x")
        axes.set_ylim(shown)


def fill(panel: Panel, records: Sequence[Mapping]) -> Plot:
    """Pick a panel's lines out of the records; a key that no record holds gives no line.

    Raises
    ------
    UserError
        If a record has no whole-number step, or a value that is not a number.
    """
    lines = [Line(*line, *_column(records, line[0])) for line in panel.lines]
    return Plot(panel, tuple(line for line in lines if len(line.steps)))


def _column(records: Sequence[Mapping], key: str) -> tuple[np.ndarray, np.ndarray]:
    values = {}
    for number, record in enumerate(records, 1):
        step, value = record.get("step"), record.get(key)
        if not isinstance(step, int | np.integer):
            raise UserError(f"record {number} of {len(records)}: the step must be a whole number, not {step!r}")
        if value is None:
            continue
        try:
            values[int(step)] = float(value)
        except (TypeError, ValueError):
            raise UserError(f"record {number} (step {step}): {key} is {value!r}, not a number") from None
    steps = np.array(sorted(values), dtype=np.int64)
    return steps, np.array([values[step] for step in steps.tolist()])


def running_mean(values: np.ndarray, window: int, shown: tuple[float, float]) -> np.ndarray:
    """Return the centred mean over `window` values, fewer at the ends.

    Values outside the limits `shown` do not count, or one wild record would lift the line for the whole window;
    where a value is not finite the line has a gap (NaN).
    """
    places = np.arange(len(values))
    start, stop = np.maximum(places - window // 2, 0), np.minimum(places + window // 2 + 1, len(values))
    inside = np.isfinite(values) & (values >= shown[0]) & (values <= shown[1])
    sums = np.concatenate([[0], np.cumsum(np.where(inside, values, 0))])
    counts = np.concatenate([[0], np.cumsum(inside)])
    total, number = (running[stop] - running[start] for running in (sums, counts))
    there = np.isfinite(values) & (number > 0)
    return np.where(there, total / np.maximum(number, 1), np.nan)
