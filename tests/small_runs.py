"""The recipes on little data and small batches, driven through the real loop: shared by the mathematical tests."""

import dataclasses
import functools
from dataclasses import dataclass, field

import numpy as np

from ms_gan.commands.preparing import scheduled_over
from ms_gan.config import Config, load_config
from ms_gan.data.configured import fitted
from ms_gan.data.digits import render_colour_digits, render_digits
from ms_gan.data.images import DIGITS, ImageSet

RECIPES = ("mlp", "dense", "dcgan", "wgan", "wgan_gp")
COLOUR = ("wgan", "wgan_gp", "sngan_horses", "r3gan_horses")


def image_set(images: np.ndarray, labels: np.ndarray | None = None) -> ImageSet:
    """Wrap uint8 images (N, C, H, W), and which digits they are."""
    return ImageSet(images, labels, () if labels is None else DIGITS, "raw", "memory", "")


def digits_for(recipe: str, count: int, seed: int = 5) -> ImageSet:
    """Return built-in digits of the shape that the recipe is published for: 28x28 grey or 32x32 colour."""
    if recipe in COLOUR:
        return image_set(*render_colour_digits(count, seed))
    images, labels = render_digits(count, seed)
    return image_set(images[:, None], labels)


def small_config(recipe: str, *settings: str, steps: int = 30) -> Config:
    """Return a recipe of `steps` steps with batches of 16, every step recorded; `settings` are key=value texts."""
    config = load_config(recipe, [f"steps={steps}", "batch_size=16", "log_every=1", *settings], {})
    return scheduled_over(config, steps)


@dataclass
class SmallRun:
    """A run without a folder: it keeps the record of every step."""

    config: Config
    images: ImageSet
    records: list[dict[str, float]] = field(default_factory=list)
    announced: list[str] = field(default_factory=list)

    def __post_init__(self):
        from ms_gan.networks import ImageShape
        from ms_gan.training.loop import Position
        from ms_gan.training.setup import build_players, prepare_steps

        shape = ImageShape(*self.images.images.shape[1:3])
        self.config, self.stream = fitted(self.config, self.images)
        self.players = build_players(self.config, shape)
        self.steps = prepare_steps(self.players, self.config, shape, self.announced.append)
        self.position, self.compiled, self.start = Position(), self.steps, self.state()

    def train(self, steps: int | None = None) -> "SmallRun":
        """Train to the end of the configuration's plan, or until so many steps are done."""
        from ms_gan.training.loop import run_loop
        from ms_gan.training.plan import make_plan

        config = self.config if steps is None else dataclasses.replace(self.config, steps=steps)
        plan = make_plan(config, self.stream.batches_per_epoch)
        run_loop(config, plan, self.stream, self.steps, self.position, self, lambda: False)
        return self

    def restart(self) -> "SmallRun":
        """Go back to the start; what is compiled is kept."""
        from mindspore import Tensor, ops

        for parameter in self._parameters():
            # Not set_data: compiled steps may go on with the old values.
            ops.assign(parameter, Tensor(self.start[parameter.name]))
        self.position.step, self.steps, self.records = 0, self.compiled, []
        return self

    def state(self) -> dict[str, np.ndarray]:
        """Return every parameter: weights, moving statistics and what the optimizers keep."""
        return {parameter.name: parameter.asnumpy().copy() for parameter in self._parameters()}

    def _parameters(self):
        return [parameter for cell in self.players.cells() for parameter in cell.get_parameters()]

    def on_record(self, position, numbers) -> None:
        self.records.append(numbers)

    def on_step(self, position) -> None:
        pass

    on_samples = on_networks = on_state = on_step


def differing(one: SmallRun, other: SmallRun) -> list[str]:
    """Return what of the state and of the records of two runs has not the same bits."""
    ours, theirs = one.state(), other.state()
    found = sorted(ours.keys() ^ theirs.keys())
    found += [name for name in ours.keys() & theirs.keys() if ours[name].tobytes() != theirs[name].tobytes()]
    return found + [
        f"record {i}" for i, pair in enumerate(zip(one.records, other.records, strict=True)) if pair[0] != pair[1]
    ]


@functools.cache
def _compiled_run(recipe: str) -> SmallRun:
    return SmallRun(small_config(recipe, "batch_size=8"), digits_for(recipe, 80))


def compiled_run(recipe: str) -> SmallRun:
    """Return a run of the recipe in graph mode, batches of 8, at its start; compiled only once for all tests."""
    return _compiled_run(recipe).restart()
