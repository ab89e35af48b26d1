"""`ms-gan export`: a generator as a file that others can run; `ms-gan draw`: pictures from such a file."""

import math
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import ms_gan
from ms_gan.commands.arrays import read_array
from ms_gan.commands.generate import (
    check_out,
    check_place,
    check_wish,
    find_generator,
    layout,
    load_generator,
    write_images,
)
from ms_gan.errors import UserError
from ms_gan.exported import load_exported
from ms_gan.exported.reading import check_format, format_of
from ms_gan.files import cannot_write, write_atomically

# Largest difference from the checkpoint's pictures, whose values are in [-1, 1]; MindIR runs the same operators.
TOLERANCE = {"mindir": 0.0, "onnx": 1e-5, "npz": 1e-5}
_BATCHES = (1, 3, 25)


def export(
    source: str | Path,
    kind: str,
    *,
    out: str | Path | None = None,
    config: str | None = None,
    announce: Callable[[str], None] = print,
) -> Path:
    """Write a generator to one file, which is read back and compared with the checkpoint first.

    Parameters
    ----------
    source : path-like
        A run folder (its newest checkpoint is taken) or a checkpoint of a generator.
    kind : str
        ``mindir``, ``onnx`` or ``npz``; all take any number of latents and normalise by the moving statistics.
    out : path-like, optional
        The file, which must not exist yet; None: ``generator.<kind>``.
    config : str, optional
        The recipe of a checkpoint outside a run folder.
    announce : callable
        Is told in one line what was compared and how far apart it was.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    UserError
        If something that was given is wrong, a package is missing, the network has a layer that the format cannot
        hold, or the pictures differ by more than `TOLERANCE`; then nothing was written.
    """
    out = check_export(kind, out)
    from ms_gan.exported.layers import arrays
    from ms_gan.exported.writing import Trained, write_exported
    from ms_gan.networks.configured import image_shape, latent_length
    from ms_gan.networks.kit import plain_layers

    path, _ = find_generator(source, config)
    network, settings = load_generator(path, config)
    # Of a NaN MindSpore's tanh makes a number, so the pictures would not tell.
    if not all(np.isfinite(value).all() for value in arrays(network).values()):
        raise UserError(f"{path}: holds numbers that are not finite; take a checkpoint from before it diverged")
    with plain_layers():
        plain, _ = load_generator(path, config)
    trained = Trained(network, plain, latent_length(settings), image_shape(settings))
    try:
        with tempfile.TemporaryDirectory(prefix="ms_gan-") as folder:
            draft = Path(folder) / f"generator.{kind}"
            write_exported(draft, kind, trained, _metadata(path, config, settings, trained))
            announce(_compare(draft, kind, path, trained))
            content = draft.read_bytes()
    except OSError as error:
        raise UserError(cannot_write(Path(tempfile.gettempdir()), error)) from error
    write_atomically(out, content)
    return out


def check_export(kind: str, out: str | Path | None) -> Path:
    """Return the file that is to be written, or raise UserError; needs no MindSpore."""
    check_format(kind)
    path = Path(out or f"generator.{kind}")
    if format_of(path, f"--out {path}") != kind:
        raise UserError(f"--out {path}: must end in .{kind} with --format {kind}")
    if os.path.lexists(path):
        raise UserError(f"--out {path}: is there already; remove it, or name another file")
    return path


def draw(
    file: str | Path,
    *,
    num: int = 25,
    grid: tuple[int, int] | None = None,
    seed: int = 1,
    class_name: str | None = None,
    latents: str | Path | np.ndarray | None = None,
    out: str | Path = "generated.png",
) -> list[Path]:
    """Draw images from an exported generator and write them, as `ms-gan generate` does from a run.

    Parameters
    ----------
    file : path-like
        What :func:`export` wrote.
    num, grid, seed, out
        As in :func:`ms_gan.generate`; of one seed both draw the same images.
    class_name : str, optional
        Draw this class of a conditional run, by name or number; None: the classes in turn.
    latents : array or path-like, optional
        Latents (N, n) of one's own, or a ``.npy`` file of them, instead of `num`, `seed` and `class_name`.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    UserError
        If something that was given is wrong.
    """
    check_wish(num, seed)
    check_out(Path(out))
    given = _read_latents(Path(latents)) if isinstance(latents, str | Path) else latents
    rows, columns = layout(num if given is None else len(given), grid)
    generator = load_exported(file)
    given = generator.latents(seed, num, class_name) if given is None else given
    check_place(Path(out))
    images = generator(given)
    return write_images(Path(out), images, rows, columns)


def _compare(draft: Path, kind: str, path: Path, trained: Any) -> str:
    """Return a line that tells how far apart the pictures are, or raise UserError if it is too far."""
    import mindspore

    from ms_gan.commands.drawing import draw_images
    from ms_gan.exported.layers import exact_images

    exported = load_exported(draft)
    latents = [exported.latents(seed, count) for seed, count in enumerate(_BATCHES)]
    drawn = [draw_images(trained.network, batch) for batch in latents]
    found = [exported(batch) for batch in latents]
    counts = ", ".join(map(str, _BATCHES[:-1])) + f" and {_BATCHES[-1]}"
    checked = f"Checked: read back, batches of {counts} pictures against {path.name}"
    if [images.tobytes() for images in found] == [images.tobytes() for images in drawn]:
        return f"{checked}: the same bits"
    as_drawn = apart = _apart(found, drawn)
    if TOLERANCE[kind]:
        apart = _apart(found, [exact_images(trained.network, batch, trained.image) for batch in latents])
        if apart <= TOLERANCE[kind]:
            return f"{checked}: at most {apart:.2g} apart, {as_drawn:.2g} with MindSpore's own tanh"
    # The file's float32 is exact, that of an NPU's convolutions is not.
    rounded = TOLERANCE[kind] and mindspore.get_context("device_target") == "Ascend"
    raise UserError(
        f"--format {kind}: not exported, because it draws other pictures than {path.name}: {apart:.2g} apart "
        f"(accepted: {TOLERANCE[kind] or 'the same bits'})"
        + ("; Ascend's convolutions are rounded to HF32: export with --device cpu" if rounded else "")
    )


def _apart(found: list[np.ndarray], expected: list[np.ndarray]) -> float:
    return max(float(np.abs(one - other).max()) for one, other in zip(found, expected, strict=True))


def _metadata(path: Path, config: str | None, settings: Any, trained: Any) -> dict[str, Any]:
    """Return what goes into every file, as JSON; no path of this machine is in it."""
    import mindspore

    from ms_gan.commands.evaluation_source import described, find_source

    latents: dict[str, Any] = {"size": trained.latent_size, "distribution": "N(0, 1)"}
    if settings.class_names:
        latents["distribution"] += f", then {math.sqrt(settings.latent.size):g} for the class and 0 for the others"
        latents["classes"] = list(settings.class_names)
    return {
        "ms_gan": ms_gan.__version__,
        "mindspore": mindspore.__version__,
        "device": mindspore.get_context("device_target"),
        "recipe": settings.recipe,
        "generator": settings.generator.name,
        "checkpoint": described(find_source(path, {}, config)),
        "latents": latents,
        "images": {"shape": [trained.image.channels, trained.image.size, trained.image.size], "range": [-1, 1]},
    }


def _read_latents(path: Path) -> np.ndarray:
    latents = read_array(path, f"--latents {path}")
    if latents.ndim != 2:
        raise UserError(f"--latents {path}: must hold an array (N, n), one latent vector a row")
    return latents
