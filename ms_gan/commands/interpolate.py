"""`ms-gan interpolate`: the pictures between pictures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ms_gan.commands.drawing import draw_images
from ms_gan.commands.generate import load_generator
from ms_gan.data.classes import asked_classes, asking
from ms_gan.data.stream import check_seed, fixed_latents
from ms_gan.errors import UserError
from ms_gan.pictures.animation import save_gif, save_strip
from ms_gan.pictures.grid import ABOUT, tile

_SECONDS_PER_FRAME = 0.1
_LARGEST_SCALE = 10  # of a pixel in the animation
_MOST = 1000  # pictures of a walk; as an animation of up to 600 pixels in colour they take a gigabyte


def spherical(start: np.ndarray, end: np.ndarray, share: float) -> np.ndarray:
    """Interpolate between two latents along the arc between them (Shoemake 1985; White 2016).

    Normal latents lie near a sphere, and a straight line leaves it.

    Parameters
    ----------
    start, end : array (n,)
        Latent vectors, not zero.
    share : float
        From 0, `start`, to 1, `end`.

    Returns
    -------
    array (n,)
    """
    cosine = np.dot(start, end) / (np.linalg.norm(start) * np.linalg.norm(end))
    angle = np.arccos(np.clip(cosine, -1.0, 1.0))
    if np.sin(angle) < 1e-6:
        return (1 - share) * start + share * end
    return (np.sin((1 - share) * angle) * start + np.sin(share * angle) * end) / np.sin(angle)


def interpolate(
    source: str | Path,
    *,
    seeds: Sequence[int] = (1, 2, 3, 4),
    frames: int = 10,
    out: str | Path = "interpolation.png",
    config: str | None = None,
    class_name: str | None = None,
) -> Path:
    """Walk from the picture of one seed to the next, and back to the first in a GIF.

    Parameters
    ----------
    source, config
        As for :func:`ms_gan.commands.generate.load_generator`.
    seeds : sequence of int
        At least two seeds; each stands for the first latent that `generate --seed` draws. A conditional run is asked
        for one class after the other, a seed each, and for their mixture on the way, or for `class_name` alone.
    frames : int
        Pictures on the way from one seed to the next, both ends included, at least 2; 1,000 in all at most.
    out : path-like
        ``*.png``: a strip with a row for each way; ``*.gif``: the whole walk as an animation, enlarged to about 600
        pixels and at most tenfold.
    class_name : str, optional
        The class that a conditional run is asked for all the way, by name or number.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    UserError
        If something that was given is wrong.
    """
    out = Path(out)
    if out.suffix.lower() not in (".png", ".gif"):
        raise UserError(f"--out {out}: must end in .png (a strip) or .gif (an animation)")
    if len(seeds) < 2 or frames < 2:
        raise UserError("interpolate: needs at least 2 --seeds, and at least 2 --frames")
    for seed in seeds:
        check_seed(seed, "--seeds")
    moving = out.suffix.lower() == ".gif"
    stations = [*seeds, seeds[0]] if moving else [*seeds]
    if (count := (len(stations) - 1) * frames) > _MOST:
        raise UserError(
            f"interpolate: {count:,} pictures on the way, the most is {_MOST:,}; ask for fewer --seeds or --frames"
        )
    generator, settings = load_generator(source, config)
    size, classes = settings.latent.size, settings.class_names
    numbers = np.arange(len(stations)) % len(seeds) % max(1, len(classes))
    if class_name is not None:
        numbers[:] = asked_classes([class_name], classes)
    ends = np.concatenate([fixed_latents(seed, 1, size) for seed in stations])
    asked = asking(ends, numbers, len(classes))[:, size:]
    shares = np.linspace(0, 1, frames)
    latents = [
        np.concatenate([spherical(ends[i], ends[i + 1], share), (1 - share) * asked[i] + share * asked[i + 1]])
        for i in range(len(stations) - 1)
        for share in shares
    ]
    images = draw_images(generator, np.asarray(latents, np.float32))
    if not moving:
        save_strip(out, images, rows=len(stations) - 1)
        return out
    names = [f"seed {seed}" for seed in stations]
    if classes:
        names = [f"{name} as {classes[number]}" for name, number in zip(names, numbers, strict=True)]
    captions = [f"{names[i]} to {names[i + 1]}" for i in range(len(stations) - 1) for _ in shares]
    scale = max(1, min(_LARGEST_SCALE, ABOUT // images.shape[-1]))
    save_gif(out, [tile(image[None], 1, 1, scale) for image in images], captions, _SECONDS_PER_FRAME)
    return out
