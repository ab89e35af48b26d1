"""What is measured on generated pictures while a run goes on, and the checks of what was asked for."""

import numpy as np
from mindspore import nn

from ms_gan.commands.drawing import draw_images
from ms_gan.config import Config
from ms_gan.data.classes import drawing_latents, numbers_of
from ms_gan.data.images import ImageSet
from ms_gan.data.stream import generator_for
from ms_gan.evaluation.cheap import CHEAP_MEASURES
from ms_gan.evaluation.diversity import Diversity

# Of their own, so that values of runs with other seeds can be compared.
_LATENTS_SEED, _REAL_SEED = 60_613, 60_617


class Measures:
    """The grid of the fixed latents with its diversity, and the cheap measures.

    Parameters
    ----------
    config : Config
        The run.
    data : ImageSet
        The images of the training.
    generator : nn.Cell
        The generator.
    """

    def __init__(self, config: Config, data: ImageSet, generator: nn.Cell):
        self._config, self._generator = config, generator
        samples = config.samples
        self._grid_latents = drawing_latents(config, samples.seed, samples.rows * samples.columns)
        self._diversity = Diversity(data.images, len(self._grid_latents))
        self._grid: tuple[int, np.ndarray] = (-1, np.empty(0))
        self._real = self._latents = np.empty(0)
        if config.evaluation.every is not None:
            count = min(config.evaluation.images, len(data.images))
            chosen = np.sort(generator_for(_REAL_SEED).choice(len(data.images), count, replace=False))
            self._real = ((data.images[chosen] - 127.5) / 127.5).astype(np.float32)
            # Of the classes of those images, so that the mix of classes makes no difference.
            numbers = numbers_of(data, config.class_names)[chosen] if config.conditional else None
            self._latents = drawing_latents(config, _LATENTS_SEED, count, numbers)

    def grid(self, step: int) -> np.ndarray:
        """Return the grid's images after step `step`: float32 (N, C, S, S); drawn once a step."""
        if self._grid[0] != step:
            self._grid = (step, draw_images(self._generator, self._grid_latents))
        return self._grid[1]

    def diversity(self, step: int) -> dict[str, float]:
        """Return how different the grid's images are from each other, where that can be said."""
        images = self.grid(step)
        value = self._diversity.of(images) if np.isfinite(images).all() else float("nan")
        return {} if value is None else {"diversity": value}

    def evaluate(self) -> dict[str, float]:
        """Return the cheap measures by name; NaN where the images are not finite."""
        images = draw_images(self._generator, self._latents)
        finite = np.isfinite(images).all()
        return {
            name: float(CHEAP_MEASURES[name].compute(self._real, images)) if finite else float("nan")
            for name in self._config.evaluation.measures
        }


def better(measure: str, value: float, than: float) -> bool:
    """Return whether a value of a measure is better than another one."""
    return value < than if CHEAP_MEASURES[measure].lower_is_better else value > than
