"""`ms-gan summary`: the layers and options of a recipe's networks."""

import math

import numpy as np
from mindspore import Tensor, nn

from ms_gan.config import Config
from ms_gan.networks.configured import discriminator_of, generator_of, image_shape, latent_length, options_text

# Layers of a kit that only move numbers between layouts.
_LAYOUT = ("FromLatents", "FromImages", "ToImages", "ToLogits")


def summary(config: Config) -> str:
    """Return tables of generator, discriminator and both together, one line per layer.

    Parameters
    ----------
    config : Config
        The recipe.

    Returns
    -------
    str
        The options of both networks; for each layer its output shape and number of parameters, those that are not
        trained apart.
    """
    image = image_shape(config)
    generator, discriminator = generator_of(config, image), discriminator_of(config, image)
    latents = Tensor(np.zeros((2, latent_length(config)), np.float32))
    images = Tensor(np.zeros((2, *image[:1], image.size, image.size), np.float32))
    g_rows, d_rows = _rows(generator, latents), _rows(discriminator, images)
    both = [("generator", "", *_counts(generator)), ("discriminator", "", *_counts(discriminator))]
    tables = [
        _table(_title(config, "generator"), g_rows, _counts(generator)),
        _table(_title(config, "discriminator"), d_rows, _counts(discriminator)),
        _table("Both", both, tuple(a + b for a, b in zip(both[0][2:], both[1][2:], strict=True))),
    ]
    return "\n\n".join(tables)


def _title(config: Config, role: str) -> str:
    name = f"{role.capitalize()} ({getattr(config, role).name})"
    return f"{name}\noptions, for --set: {options_text(config, role)}"


def _rows(network: nn.Cell, inputs: Tensor) -> list[tuple[str, str, int, int]]:
    """Run the network's layers one after the other and note each one's output shape and parameters."""
    network.set_train(False)
    layers = list(network.layers.cells())
    given: list[Tensor] = []
    # Only to see what the network makes of its input; that of a layer would miss LeakyReLU, which is called past hooks.
    hook = layers[0].register_forward_pre_hook(lambda _cell, arguments: given.extend(arguments))
    network(inputs)
    hook.remove()
    (output,) = given
    rows = []
    for cell in layers:
        output = cell(output)
        if type(cell).__name__ not in _LAYOUT:
            rows.append((type(cell).__name__, _shape(output), *_counts(cell)))
    return rows


def _shape(output: Tensor) -> str:
    """Return the shape of one image's activations; those of the batch-last kit are (C, H * W, N)."""
    shape = output.shape[1:]
    if len(output.shape) == 3:
        side = math.isqrt(output.shape[1])
        shape = (output.shape[0], side, side) if side > 1 else (output.shape[0],)
    return "x".join(str(length) for length in shape)


def _counts(cell: nn.Cell) -> tuple[int, int]:
    """Return how many numbers are trained, and how many are not."""
    trained = sum(parameter.size for parameter in cell.trainable_params())
    return trained, sum(parameter.size for parameter in cell.get_parameters()) - trained


def _table(title: str, rows: list[tuple[str, str, int, int]], total: tuple[int, int]) -> str:
    lines = [title, f"{'layer':<24}{'output':>14}{'trained':>14}{'not trained':>14}", "-" * 66]
    lines += [f"{name:<24}{shape:>14}{trained:>14,}{fixed:>14,}" for name, shape, trained, fixed in rows]
    lines += ["-" * 66, f"{'total ' + format(sum(total), ','):<38}{total[0]:>14,}{total[1]:>14,}"]
    return "\n".join(lines)
