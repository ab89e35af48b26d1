"""The recipes as a MindSpore script is usually written, for `ms-gan compare --stock`: what ms_gan is compared with.

MindSpore's own layers and optimizers with `ms.value_and_grad` and `ms.jit`, a pipeline of `ds.GeneratorDataset` and
Python lambdas, both losses read with `asnumpy()` at every step, and no settings of MindSpore's runtime. The networks
are the recipe's, the losses and penalties ms_gan's; the random numbers are the script's own.

Started as ``python -m ms_gan.commands.stock REQUEST``, where REQUEST is the JSON of the arguments of :func:`run`.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ms_gan.config import Config, OptimizerConfig, read_config
from ms_gan.data.classes import asking, numbers_of
from ms_gan.data.configured import configured_images, fitted
from ms_gan.data.images import ImageSet
from ms_gan.files import write_atomically


def run(config: str, target: str, least: int, most: int, seconds: float, out: str) -> None:
    """Train for a while and write what it took.

    Parameters
    ----------
    config : str
        File of the configuration.
    target : str
        'CPU' or 'Ascend'.
    least, most, seconds
        Timed steps: at least `least`; no more once they took `seconds`, and at most `most`.
    out : str
        File for the numbers, JSON.
    """
    settings = read_config(Path(config))
    images = configured_images(settings.data, lambda line: None)
    settings, _ = fitted(settings, images)
    import mindspore as ms

    ms.set_device(target)
    ms.set_seed(settings.seed)
    np.random.seed(settings.seed)  # noqa: NPY002, as such scripts do
    step = make_step(settings, images)
    batches = endless(lambda: pipeline(images, settings))
    times: list[float] = []
    while len(times) <= most and (len(times) <= least or sum(times[1:]) < seconds):
        began = time.perf_counter()
        losses = step(batches)
        times.append(time.perf_counter() - began)
    timing = {
        # It compiles.
        "first_step_seconds": round(times[0], 3),
        "ms_per_step": 1000 * float(np.median(times[1:])),
        "steps": len(times) - 1,
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20), 3),
        "losses": losses,
    }
    write_atomically(out, json.dumps(timing) + "\n")


def pipeline(images: ImageSet, config: Config) -> Iterator[tuple[Any, ...]]:
    """Return one pass over the data: batches of images, latents and, of a conditional recipe, what tells the classes.

    The latents ask for these classes, as :func:`ms_gan.data.classes.asking` has it.
    """
    import mindspore.dataset as ds

    from ms_gan.training.conditions import choice_for

    classes = len(config.class_names)

    def prepare(image: np.ndarray, number: np.ndarray) -> tuple[np.ndarray, ...]:
        scaled = ((image - 127.5) / 127.5).astype("float32")
        latents = np.random.normal(size=(1, config.latent.size)).astype("float32")  # noqa: NPY002
        choice = (choice_for(number[None], classes)[0],) if classes else ()
        return scaled, asking(latents, number[None], classes)[0], *choice

    drawn = min(len(images.images), config.data.images_per_epoch or len(images.images))
    dataset = ds.GeneratorDataset(_Pictures(images, config), ["image", "number"], shuffle=True, num_samples=drawn)
    columns = ["image", "latents", *(["choice"] if classes else [])]
    dataset = dataset.map(operations=prepare, input_columns=["image", "number"], output_columns=columns)
    return dataset.batch(config.batch_size, drop_remainder=True).create_tuple_iterator()


class _Pictures:
    """The data set as GeneratorDataset wants it: images, and the numbers of their classes (0 where none are asked)."""

    def __init__(self, images: ImageSet, config: Config):
        self.images = images.images
        self.numbers = np.zeros(len(self.images), np.int64)
        if config.conditional:
            self.numbers = numbers_of(images, config.class_names)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return self.images[index], self.numbers[index]

    def __len__(self) -> int:
        return len(self.images)


def endless(make: Callable[[], Iterator[Any]]) -> Iterator[Any]:
    """Go through the data again and again."""
    while True:
        yield from make()


def make_networks(config: Config, shape: tuple[int, int]) -> tuple[Any, Any]:
    """Return generator and discriminator of MindSpore's own layers, whatever the device.

    `shape` has the channels and the edge length of the images.
    """
    import ms_gan.networks
    from ms_gan.networks import ImageShape, native
    from ms_gan.networks.configured import discriminator_of, generator_of

    # This process builds no others: the kit for the CPU is put aside.
    ms_gan.networks.batch_last = native
    image = ImageShape(*shape)
    return generator_of(config, image).set_train(), discriminator_of(config, image).set_train()


def make_optimizer(role: str, network: Any, config: OptimizerConfig) -> Any:
    """Return MindSpore's optimizer of a network, with the learning rate as it is at the start."""
    from mindspore import nn

    from ms_gan.training.optimizers import NO_MEMORY

    weights = network.trainable_params()
    if config.name == "adam":
        optimizer = nn.Adam(weights, config.lr, beta1=max(config.beta1, NO_MEMORY), beta2=config.beta2)
    elif config.name == "rmsprop":
        optimizer = nn.RMSProp(weights, config.lr, decay=config.decay, momentum=config.momentum)
    else:
        optimizer = nn.SGD(weights, config.lr, momentum=config.momentum)
    # Equal names in two optimizers stop graph mode.
    optimizer.update_parameters_name(f"{role}_optimizer.")
    return optimizer


def make_step(config: Config, images: ImageSet) -> Callable[[Iterator[Any]], list[float]]:
    """Return a function that takes batches for one step, trains and returns both losses."""
    import mindspore as ms
    from mindspore import Tensor, ops

    from ms_gan.objectives import LOSSES, PAIRED_LOSSES, PENALTIES, noise_shape
    from ms_gan.training.conditions import make_judge

    generator, discriminator = make_networks(config, images.images.shape[1:3])
    g_optimizer = make_optimizer("generator", generator, config.generator_optimizer)
    d_optimizer = make_optimizer("discriminator", discriminator, config.discriminator_optimizer)
    objective, paired = config.objective, config.objective.kind == "pairs"
    loss = (PAIRED_LOSSES if paired else LOSSES)[objective.loss]
    penalty = PENALTIES.get(objective.penalty)
    weights = tuple(discriminator.trainable_params())
    judge = make_judge(discriminator)
    _, follow = make_average(generator, config.ema.decay)

    def real_loss(real, fake, noise, *choice):
        return loss.real(judge(real, *choice))

    def fake_loss(real, fake, noise, *choice):
        return loss.fake(judge(fake, *choice))

    def both_losses(real, fake, noise, *choice):
        if paired:
            value = loss.discriminator(judge(real, *choice), judge(fake, *choice))
        else:
            value = loss.real(judge(real, *choice)) + loss.fake(judge(fake, *choice))
        if penalty is not None:
            value = value + objective.penalty_weight * penalty(judge, real, fake, noise, *choice)
        return value

    def generator_loss(latents, real, *choice):
        logits = judge(generator(latents), *choice)
        return loss.generator(judge(real, *choice), logits) if paired else loss.generator(logits)

    parts = (real_loss, fake_loss) if config.updates.real_and_fake == "in_turn" else (both_losses,)
    d_gradients = [ms.value_and_grad(part, None, d_optimizer.parameters) for part in parts]
    g_gradients = ms.value_and_grad(generator_loss, None, g_optimizer.parameters)

    @ms.jit
    def train_discriminator(real, latents, noise, *choice):
        fake = ops.stop_gradient(generator(latents))
        total = 0.0
        for differentiate in d_gradients:
            value, gradients = differentiate(real, fake, noise, *choice)
            d_optimizer(gradients)
            total = total + value
        if objective.clip is not None:
            for weight in weights:
                ops.assign(weight, ops.clip_by_value(weight, -objective.clip, objective.clip))
        return total

    @ms.jit
    def train_generator(latents, real, *choice):
        value, gradients = g_gradients(latents, real, *choice)
        g_optimizer(gradients)
        follow()
        return value

    def step(batches):
        for _ in range(config.updates.d_steps):
            real, latents, *choice = next(batches)
            shape = noise_shape(objective.penalty, real.shape)
            noise = Tensor(np.random.uniform(size=shape).astype("float32"))  # noqa: NPY002
            d_loss = train_discriminator(real, latents, noise, *choice)
        if not config.latent.shared:
            fresh = np.random.normal(size=(config.batch_size, config.latent.size))  # noqa: NPY002
            # Behind the latents stands the class that they ask for.
            latents = Tensor(np.concatenate([fresh, latents.asnumpy()[:, config.latent.size :]], 1).astype("float32"))
        g_loss = train_generator(latents, real, *choice)
        return [float(d_loss.asnumpy()), float(g_loss.asnumpy())]

    return step


def make_average(generator: Any, decay: float) -> tuple[tuple[Any, ...], Callable[[], None]]:
    """Return an average of the generator's parameters, none with decay 0, and what brings it nearer to them."""
    from mindspore import Parameter, ops

    parameters = tuple(generator.get_parameters()) if decay else ()
    means = tuple(Parameter(one.value().copy(), name=f"average.{one.name}", requires_grad=False) for one in parameters)
    pairs = tuple(zip(means, parameters, strict=True))

    def follow():
        for mean, parameter in pairs:
            ops.assign(mean, decay * mean + (1 - decay) * parameter)

    return means, follow


if __name__ == "__main__":
    run(**json.loads(sys.argv[1]))
