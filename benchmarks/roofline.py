#!/usr/bin/env python3
"""What a step of a dense recipe costs at least on this machine: its products and its optimizer, each at full speed.

See docs/benchmarks.md.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

# The benchmarks work without an installation.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from benchmarks.process import Side, medians
from benchmarks.report import circumstances, claim, headline, leave, run, table
from ms_gan.config import Config, load_config, recipe_names
from ms_gan.device import activate, choose_device
from ms_gan.errors import UserError
from ms_gan.names import unknown_name

# Weight, gradient and both moments are read, weight and moments written, 4 bytes each.
_ADAM_BYTES = 28
_LARGE = 2048
# Products of one call, so that the call itself hardly counts.
_AT_ONCE = 8

# (rows, inputs, outputs): x (rows, inputs) @ weight (outputs, inputs)^T and its two derivatives.
Layer = tuple[int, int, int]


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure and print; return the numbers."""
    options = _parser().parse_args(arguments)
    for name in options.recipe:
        if name not in recipe_names():
            raise UserError(unknown_name("--recipe", name, recipe_names()))
    claim(options.json)
    facts = circumstances()
    activate(choose_device("cpu", announce=lambda line: None))
    peak = _gflops([("forward", (_LARGE, _LARGE, _LARGE))])
    stream = _adam_gbs(8_000_000)
    recipes = {name: _recipe(name, peak, stream) for name in options.recipe}
    result = {**facts, "product_gflops": peak, "adam_gbs": stream, "recipes": recipes}
    print(headline(facts))
    print(f"\nA product of {_LARGE} x {_LARGE} matrices: {peak:.0f} GFLOP/s. Adam: {stream:.0f} GB/s.\n")
    print(_table(recipes))
    leave(options.json, result)
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", nargs="+", default=["mlp", "dense"], help="recipes of dense layers (mlp dense)")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there")
    return parser


def _recipe(name: str, peak: float, stream: float) -> dict[str, float]:
    # A schedule would need the length of a run.
    config = load_config(name, [f"{role}_optimizer.schedule=constant" for role in ("generator", "discriminator")])
    products, weights = step_of(config)
    gflop = sum(2e-9 * math.prod(shape) for _, shape in products)
    updates = 2 if config.updates.real_and_fake == "in_turn" else 1
    moved = (weights[0] + updates * config.updates.d_steps * weights[1]) * _ADAM_BYTES
    with Side("ms_gan", name) as side:
        step = medians([side.measure(1.0, 3) for _ in range(7)])
    found = {
        "gflop": gflop,
        "products_at_peak_ms": 1e3 * gflop / peak,
        "products_as_shaped_ms": 1e3 * gflop / _gflops(products),
        "adam_mb": moved / 1e6,
        "adam_ms": moved / 1e6 / stream,
        "step_ms": float(np.median(step)),
    }
    return found | {"share": (found["products_as_shaped_ms"] + found["adam_ms"]) / found["step_ms"]}


def step_of(config: Config) -> tuple[list[tuple[str, Layer]], tuple[int, int]]:
    """Return the products of a step, each "forward", "weights" (a derivative) or "inputs", and the weights of G and D.

    Raises
    ------
    UserError
        If the recipe has other layers than dense ones.
    """
    from mindspore import nn

    from ms_gan.networks import ImageShape
    from ms_gan.training.setup import build_players

    players = build_players(config, ImageShape(1, 28))
    layers = []
    for network in (players.generator, players.discriminator):
        dense = [cell for _, cell in network.cells_and_names() if isinstance(cell, nn.Dense)]
        products = [p for p in network.trainable_params() if p.ndim > 1]
        if len(products) != len(dense):
            raise UserError(f"--recipe {config.recipe}: has other layers than dense ones; there are mlp and dense")
        layers.append([(cell.in_channels, cell.out_channels) for cell in dense])
    g, d = layers
    batch, in_turn = config.batch_size, config.updates.real_and_fake == "in_turn"
    found = [] if config.latent.shared else [("forward", (batch, *layer)) for layer in g]
    for _ in range(config.updates.d_steps):
        for rows in (batch, batch) if in_turn else (2 * batch,):
            found += [(kind, (rows, *layer)) for layer in d for kind in ("forward", "weights")]
            found += [("inputs", (rows, *layer)) for layer in d[1:]]
    found += [(kind, (batch, *layer)) for layer in g for kind in ("forward", "weights")]
    found += [("inputs", (batch, *layer)) for layer in g[1:]]
    found += [(kind, (batch, *layer)) for layer in d for kind in ("forward", "inputs")]
    counts = [sum(p.size for p in network.trainable_params()) for network in (players.generator, players.discriminator)]
    return found, (counts[0], counts[1])


def _gflops(products: list[tuple[str, Layer]]) -> float:
    """Return the speed of MindSpore's kernel over these products, each measured by itself."""
    work = sum(2e-9 * math.prod(shape) for _, shape in products)
    seconds = {product: _product_seconds(*product) for product in set(products)}
    return work / sum(seconds[product] for product in products)


def _product_seconds(kind: str, shape: Layer) -> float:
    import mindspore as ms
    from mindspore import Tensor, ops

    rows, inputs, outputs = shape
    left, right, flags = {
        "forward": ((rows, inputs), (outputs, inputs), (False, True)),
        "weights": ((rows, outputs), (rows, inputs), (True, False)),
        "inputs": ((rows, outputs), (outputs, inputs), (False, False)),
    }[kind]
    random = np.random.default_rng(1)
    several = [Tensor(random.standard_normal(left, dtype=np.float32)) for _ in range(_AT_ONCE)]
    one, product = Tensor(random.standard_normal(right, dtype=np.float32)), ops.MatMul(*flags)

    @ms.jit
    def multiply(factors: tuple[Tensor, ...], other: Tensor) -> tuple[Tensor, ...]:
        return tuple([product(factor, other) for factor in factors])

    return _seconds(lambda: multiply(tuple(several), one)[-1].asnumpy()) / _AT_ONCE


def _adam_gbs(count: int) -> float:
    """Return how many GB/s MindSpore's Adam moves."""
    from mindspore import Parameter, Tensor, nn

    weight = Parameter(Tensor(np.zeros(count, np.float32)), name="weight")
    optimizer, gradient = nn.Adam([weight], 1e-9), Tensor(np.ones(count, np.float32))
    return _ADAM_BYTES * count / 1e9 / _seconds(lambda: optimizer((gradient,)) and weight.asnumpy()[0])


def _seconds(work: Callable[[], object]) -> float:
    """Return the median time of `work`, of 15 after two."""
    times = []
    for _ in range(17):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return float(np.median(times[2:]))


def _table(recipes: dict[str, dict[str, float]]) -> str:
    head = ["recipe", "GFLOP of a step", "products at that speed, ms", "as they are shaped, ms", "Adam, MB", "Adam, ms"]
    rows = [
        [
            f"`{name}`",
            f"{found['gflop']:.2f}",
            f"{found['products_at_peak_ms']:.1f}",
            f"{found['products_as_shaped_ms']:.1f}",
            f"{found['adam_mb']:.0f}",
            f"{found['adam_ms']:.1f}",
            f"{found['step_ms']:.1f}",
            f"{100 * found['share']:.0f} %",
        ]
        for name, found in recipes.items()
    ]
    return table([*head, "step, ms", "products and Adam, of the step"], rows)


if __name__ == "__main__":
    run(main)
