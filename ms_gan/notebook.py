"""What the notebooks use besides the package's public functions: device and data, and pictures in the page."""

import base64
import io
import os
import time
from pathlib import Path
from typing import Any

from ms_gan.commands.console import Console
from ms_gan.data.sources import TITLES, recognise
from ms_gan.device import activate, choose_device, describe_machine
from ms_gan.device.requirements import TEST_TOOLS, is_installed, project_requirements
from ms_gan.errors import UserError
from ms_gan.runs.folder import RunFolder
from ms_gan.wording import plural

# Beside the repository, where a ModelArts notebook keeps files (~/work is /home/ma-user/work), and its fast disk.
LOCAL_DATA = ("../data", "../data/mnist", "~/work/data", "~/work/mnist", "/cache/data")
# The notebooks' networks and pictures are made for MNIST's shape; pictures of the user's are brought to it.
_SHAPE = {"data.size": 28, "data.channels": 1}
_RECORDS = (("d_loss", "loss of D", "#0072B2"), ("g_loss", "loss of G", "#D55E00"))
_ANSWERS = (("d_real", "D(real)", "#009E73"), ("d_fake", "D(fake)", "#B8609A"))
_DISTANCE = (("distance", "estimated distance", "#009E73"),)


def start() -> str:
    """Say what this machine is, choose the device, and make MindSpore compute on it.

    Returns
    -------
    str
        'ascend' or 'cpu', for the parameter `device` of :func:`ms_gan.train`.

    Raises
    ------
    UserError
        If a package that training needs is missing, or this process computes on another device already.
    """
    needed = project_requirements()
    missing = [f"'{entry}'" for entry in needed if entry.package not in TEST_TOOLS and not is_installed(entry)]
    if missing:
        raise UserError(f"missing here; run in a cell, then restart the kernel: %pip install {' '.join(missing)}")
    machine = describe_machine()
    cores = plural(machine["cores"], "core")
    print(f"Python {machine['python']}, MindSpore {machine['mindspore']}, {cores}, {machine['cpu']}")
    choice = choose_device(announce=print)
    activate(choice)
    return choice.target.lower()


def find_data(folder: str | os.PathLike | None = None, quick: bool = False) -> dict[str, Any]:
    """Choose the data, and say which: a local folder before a download, built-in digits where neither can be had.

    Parameters
    ----------
    folder : path-like, optional
        A folder of the user's with data. None: MNIST, or other data in its format, in one of `LOCAL_DATA`.
    quick : bool
        Take the built-in digits where there is no local folder, rather than download.

    Returns
    -------
    dict
        ``data.source``, ``data.folder``, and 28 x 28 grey as shape, for the parameter `overrides` of
        :func:`ms_gan.train`.

    Raises
    ------
    UserError
        If `folder` is missing or holds no data.
    """
    if folder is not None:
        print(f"Data: {TITLES[recognise(folder)]} in {folder}")
        return {"data.source": "auto", "data.folder": str(folder), **_SHAPE}
    for place in (Path(os.path.expanduser(name)) for name in LOCAL_DATA):
        if kind := _kind_of_mnist(place):
            print(f"Data: {TITLES[kind]}, found in {place}")
            return {"data.source": "auto", "data.folder": str(place), **_SHAPE}
    print(f"No MNIST in {', '.join(LOCAL_DATA)}.")
    if quick:
        print("QUICK: the built-in digits are used, and nothing is downloaded.")
        return {"data.source": "builtin", "data.folder": None, **_SHAPE}
    print("Data: MNIST from the cache or the network, and the built-in digits where it cannot be fetched.")
    return {"data.source": "auto", "data.folder": None, **_SHAPE}


def _kind_of_mnist(place: Path) -> str | None:
    """Return 'mnist' or 'idx' for a folder that holds files of MNIST's names."""
    try:
        kind = recognise(place)
    except UserError:
        return None
    return kind if kind in ("mnist", "idx") else None


class Live(Console):
    """A console for :func:`ms_gan.train`: the newest pictures and the curves, redrawn in one place of the page.

    Parameters
    ----------
    share : float
        Of the time, for drawing, in (0, 1]; less of it means fewer pictures.
    """

    def __init__(self, share: float = 0.1):
        super().__init__()
        self._display = _ipython().display
        self._share, self._draw_next = share, 0.0
        self._run: RunFolder | None = None
        self._place: Any = None
        self._history_size = 0
        self._shown: tuple[int, Path | None] = (0, None)

    def keep_in(self, log: Path) -> None:
        """Append all lines to the file `log`, in whose folder the pictures appear."""
        super().keep_in(log)
        self._run = RunFolder(log.parent)

    def line(self, text: str = "") -> None:
        """Put the line of a record over the pictures; print any other one, with the pictures brought up to date."""
        size = self._run.history_file.stat().st_size if self._run and self._run.history_file.exists() else 0
        is_record, self._history_size = size > self._history_size, size
        if is_record:
            self.note(text)
        grids = list(self._run.grid_pictures().values()) if size else []
        newest = (size, grids[-1] if grids else None)
        began = time.perf_counter()
        if newest != self._shown and (began > self._draw_next or not is_record) and grids:
            self._shown = newest
            self._draw(grids[-1])
            self._draw_next = time.perf_counter() + (time.perf_counter() - began) * (1 / self._share - 1)
        if not is_record:
            super().line(text)

    def _draw(self, grid: Path) -> None:
        image = _ipython().Image(live_picture(self._run.history(), grid), embed=True)
        if self._place is None:
            self._place = self._display(image, display_id=True)
        else:
            self._place.update(image)


def live_picture(records: list[dict[str, Any]], grid: Path) -> bytes:
    """Return a PNG file: a grid of generated pictures, and beside it the curves up to now."""
    import matplotlib.image
    from matplotlib.figure import Figure

    from ms_gan.pictures.sheet import styled

    with styled():
        figure = Figure(figsize=(9.5, 4.2), dpi=100, layout="constrained")
        parts = figure.subplot_mosaic([["grid", "losses"], ["grid", "answers"]], width_ratios=(4, 5))
        parts["grid"].imshow(matplotlib.image.imread(grid), cmap="gray")
        parts["grid"].axis("off")
        # A grid is drawn less often than the curves, so both say how far they are.
        parts["grid"].set_title(f"generated at step {int(grid.stem.rpartition('-')[2]):,}", fontsize=10)
        parts["losses"].set_title(f"step {records[-1]['step']:,}", fontsize=10, loc="left")
        lower = _DISTANCE if "distance" in records[-1] else _ANSWERS
        for axes, lines in ((parts["losses"], _RECORDS), (parts["answers"], lower)):
            for key, name, colour in lines:
                axes.plot([r["step"] for r in records], [r[key] for r in records], color=colour, label=name)
            axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, fontsize=9)
        parts["answers"].set_xlabel("step")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
    return buffer.getvalue()


def many_small_operations(x: Any) -> Any:
    """Do thirty times three operations on a Tensor that take little time each; the sum of what comes out."""
    # Methods alone, because compiling it needs its source in a file that imports no mindspore.
    for _ in range(30):
        x = (x * 1.01 + 0.1).tanh()
    return x.sum()


def show(path: str | os.PathLike, width: int | None = None) -> None:
    """Show a picture file in the page, a GIF moving.

    Parameters
    ----------
    path : path-like
        A .png or .gif file.
    width : int, optional
        Pixels on the page; None: as it is.
    """
    kind = Path(path).suffix[1:].lower()
    # As HTML, because not everything that shows notebooks knows GIFs among the outputs.
    data = base64.b64encode(Path(path).read_bytes()).decode()
    size = f' width="{width}"' if width else ""
    tools = _ipython()
    tools.display(tools.HTML(f'<img alt="{Path(path).name}" src="data:image/{kind};base64,{data}"{size}>'))


def _ipython() -> Any:
    try:
        import IPython.display
    except ImportError:
        raise UserError("ms_gan.notebook is for notebooks, and IPython is missing; pip install ipykernel") from None
    return IPython.display
