"""Plots of what was recorded in training, and the reader of recipe dense's text files."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ms_gan.errors import UserError
from ms_gan.pictures import sheet
from ms_gan.pictures.panels import FOOTERS, PANELS, Line, fill
from ms_gan.pictures.sheet import BLUE, VERMILION, Heading

_MOST_BYTES = 1 << 28
LOSS_TEXTS = {"d_loss": "d_loss.txt", "d_accuracy": "d_acc.txt", "g_loss": "g_loss.txt"}
STEPS_TEXT = "steps.txt"


def save_curves(
    path: str | Path,
    records: Sequence[Mapping],
    *,
    title: str,
    kind: str,
    epoch_marks: Sequence[tuple[int, str]] = (),
) -> None:
    """Write the plot of :func:`draw_curves` as a PNG file 1,350 pixels wide, which is readable at 900.

    Equal records give equal bytes (with the same matplotlib). Parameters and errors: see :func:`draw_curves`;
    UserError also if `path` does not end in ``.png`` or cannot be written.
    """
    with sheet.styled():
        sheet.save(path, draw_curves(records, title=title, kind=kind, epoch_marks=epoch_marks))


def draw_curves(
    records: Sequence[Mapping],
    *,
    title: str,
    kind: str,
    epoch_marks: Sequence[tuple[int, str]] = (),
) -> Figure:
    """Draw losses and what goes with them against steps, one plot below the other.

    Parameters
    ----------
    records : sequence of mapping
        Each has ``step`` and any of ``d_loss``, ``g_loss``, ``distance``, ``margin``, ``d_real``, ``d_fake`` (of kind
        "gan" from 0 to 1), and ``d_accuracy`` (from 0 to 1); None counts as missing. Of several records of one step
        the last counts.
    title : str
        Over everything.
    kind : {"gan", "scores", "wasserstein", "pairs"}
        What the numbers mean; decides about plots and explanations.
    epoch_marks : sequence of (int, str)
        Step at which an epoch ends, and its number. Of crowded ones every 2nd, 5th, 10th ... is drawn.

    Returns
    -------
    matplotlib.figure.Figure
        Its lines hold all records; a line's gid is the record key. Values that are not finite leave gaps
        and far outliers lie outside; red notes say so. A plot without any record is left out.

    Raises
    ------
    UserError
        If there is nothing to plot, a record has no step, a value is not a number, or `kind` is unknown.
    """
    if kind not in PANELS:
        raise UserError(f"unknown kind of plot {kind!r}; it must be one of {', '.join(PANELS)}")
    plots = [plot for panel in PANELS[kind] if (plot := fill(panel, records)).lines]
    if not plots:
        raise UserError(f"none of the {len(records)} records holds a loss, so there is nothing to plot")
    first = min(line.steps[0] for plot in plots for line in plot.lines)
    last = max(line.steps[-1] for plot in plots for line in plot.lines)
    last = max(1, last, *(step for step, _ in epoch_marks))
    window = max(line.window() for plot in plots for line in plot.lines)
    footer = FOOTERS[kind]
    if window > 1:
        footer += f" Faint lines: every record. Strong lines: the mean of {window} records (outliers left out)."
    top_row = sheet.EPOCH_ROW if epoch_marks else 0.0
    headings = [plot.heading() for plot in plots]
    with sheet.styled():
        figure = sheet.sheet(title, footer, headings, [plot.panel.height for plot in plots], top_row)
        for number, (axes, plot) in enumerate(zip(figure.axes, plots, strict=True)):
            plot.draw(axes)
            axes.set_xlim(min(0, first), 1.005 * last)
            sheet.legend_beside_title(axes, headings[number], 0 if number else top_row)
            sheet.count_steps(axes.xaxis)
        figure.axes[-1].set_xlabel("step (one update of G)")
        sheet.mark_epochs(figure, epoch_marks)
    return figure


def save_scatter(
    path: str | Path,
    d_loss: Sequence[float],
    g_loss: Sequence[float],
    *,
    steps: Sequence[int] | None = None,
    title: str = "Losses of D and G",
) -> None:
    """Write recipe dense's scatter plot as a PNG file: both losses as dots, over time and against each other.

    Parameters
    ----------
    path : path-like
        Ends in ``.png``.
    d_loss, g_loss : sequence of float
        The losses, equally many; values that are not finite are left out, and a note says so.
    steps : sequence of int, optional
        Their steps. By default 0, 1, 2, ...
    title : str
        Over everything.

    Raises
    ------
    UserError
        If there are none, the numbers of values differ, or the file cannot be written.
    """
    with sheet.styled():
        sheet.save(path, draw_scatter(d_loss, g_loss, steps=steps, title=title))


def draw_scatter(
    d_loss: Sequence[float], g_loss: Sequence[float], *, steps: Sequence[int] | None = None, title: str
) -> Figure:
    """Draw the figure of :func:`save_scatter`."""
    times = np.arange(len(d_loss)) if steps is None else np.asarray(steps)
    if not len(d_loss) == len(g_loss) == len(times) > 0:
        raise UserError(
            f"a scatter plot needs equally many losses of D, losses of G and steps, and at least one; "
            f"these are {len(d_loss)}, {len(g_loss)} and {len(times)}"
        )
    d_line = Line("d_loss", "loss of discriminator D", BLUE, times, np.asarray(d_loss, float))
    g_line = Line("g_loss", "loss of generator G", VERMILION, times, np.asarray(g_loss, float))
    both = sheet.limits(np.concatenate([d_line.values, g_line.values]))
    d_limits, g_limits = sheet.limits(d_line.values), sheet.limits(g_line.values)
    headings = [
        Heading(
            "Losses over time",
            "Each dot is one record; steps run from left to right.",
            (*d_line.notes(both), *g_line.notes(both)),
        ),
        Heading(
            "Loss of G against loss of D",
            "Each dot is one record, dark early and bright late. A cloud that settles means a steady contest.",
            (*d_line.notes(d_limits), *g_line.notes(g_limits)),
        ),
    ]
    footer = "What to look for: dots that settle. If D's loss goes to 0 while G's grows, D has won: G learns no more."
    with sheet.styled():
        figure = sheet.sheet(title, footer, headings, [2.3, 3.6], 0)
        over_time, against = figure.axes
        for line in (d_line, g_line):
            look = {"color": line.colour, "s": 9, "alpha": 0.7, "linewidths": 0}
            over_time.scatter(times, line.values, label=line.name, gid=line.key, **look)
        over_time.set(xlim=(min(0, times.min()), 1.005 * max(1, times.max())), ylim=both)
        sheet.count_steps(over_time.xaxis)
        sheet.legend_beside_title(over_time, headings[0], 0)
        dots = against.scatter(d_line.values, g_line.values, s=11, c=times, cmap="cividis", linewidths=0)
        against.set(xlim=d_limits, ylim=g_limits, xlabel=d_line.name, ylabel=g_line.name)
        figure.colorbar(dots, ax=against, label="step", format="{x:,.0f}", pad=0.02)
    return figure


def read_loss_texts(folder: str | Path, every: int = 100) -> list[dict]:
    """Read recipe dense's ``d_loss.txt``, ``d_acc.txt`` and ``g_loss.txt``: one number a line.

    Parameters
    ----------
    folder : path-like
        Where the three files lie, and perhaps a fourth, ``steps.txt``, with the step of each line.
    every : int
        Without ``steps.txt``, as the source leaves them: steps between two lines; the first line is step 0.

    Returns
    -------
    list of dict
        Records for :func:`save_curves` with the keys step, d_loss, d_accuracy, g_loss. Where an accuracy is
        beyond 1, all of them are taken for per cent.

    Raises
    ------
    UserError
        If a file is missing or unreadable, a line is not a number, or the files differ in length, or an
        accuracy or a step is none.
    """
    if every < 1:
        raise UserError(f"the steps between two lines must be at least 1, not {every}")
    names = LOSS_TEXTS | ({"step": STEPS_TEXT} if os.path.exists(Path(folder) / STEPS_TEXT) else {})
    columns = {key: _numbers(Path(folder) / name) for key, name in names.items()}
    if len({len(column) for column in columns.values()}) > 1:
        counts = ", ".join(f"{name} has {len(columns[key])}" for key, name in names.items())
        raise UserError(f"the files in {folder} must have equally many lines, but {counts}")
    accuracy = np.array(columns["d_accuracy"])
    if ((accuracy < 0) | (accuracy > 100)).any():
        raise UserError(f"{Path(folder) / LOSS_TEXTS['d_accuracy']} holds numbers that are no share or per cent")
    if (accuracy > 1).any():
        columns["d_accuracy"] = list(accuracy / 100)
    steps = columns.pop("step", [number * every for number in range(len(accuracy))])
    if not all(0 <= step < 2**53 and step == int(step) for step in steps):
        raise UserError(f"{Path(folder) / STEPS_TEXT} holds numbers that are no steps, which are whole and from 0")
    return [
        {"step": int(step), **{key: float(column[number]) for key, column in columns.items()}}
        for number, step in enumerate(steps)
    ]


def _numbers(path: Path) -> list[float]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UserError(f"{path} is larger than {_MOST_BYTES >> 20} MiB; it must hold one number a line")
        lines = path.read_text(encoding="utf-8-sig").rstrip().splitlines()
    except FileNotFoundError:
        needed = ", ".join(LOSS_TEXTS.values())
        raise UserError(f"there is no {path}; a folder to plot needs {needed}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path} as text: {error}") from error
    if not lines:
        raise UserError(f"{path} is empty; it must hold one number a line")
    numbers = []
    for number, line in enumerate(lines, 1):
        try:
            numbers.append(float(line.replace("_", "not a number")))
        except ValueError:
            raise UserError(f"{path}, line {number}: {line.strip()[:40]!r} is not a number") from None
    return numbers
