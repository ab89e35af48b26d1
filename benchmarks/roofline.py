#!/usr/bin/env python3
"""What a step costs at least on this machine: its products, what its other operators move, and its optimizer.

See docs/benchmarks.md.
"""

import argparse
import math
import re
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

# The benchmarks work without an installation.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from benchmarks.process import Side, medians
from benchmarks.report import circumstances, headline, leave, run, table
from ms_gan.commands.audit_graphs import graphs_of_steps
from ms_gan.config import Config, config_text, load_config, recipe_names
from ms_gan.device import activate, choose_device
from ms_gan.errors import UserError
from ms_gan.files import check_writable, write_atomically
from ms_gan.names import unknown_name

# Weight, gradient and both moments are read, weight and moments written, 4 bytes each.
_ADAM_BYTES = 28
_LARGE = 2048
# Products of one call, so that the call itself hardly counts; fewer where they are large.
_AT_ONCE, _NUMBERS_AT_ONCE = 8, 2**22
_ROUNDS = 5
_PRODUCTS = ("MatMul", "MatMulExt", "BatchMatMul")
# They hand on what there is, or belong to the graph.
_NOTHING_MOVED = ("Reshape", "ExpandDims", "TupleGetItem", "MakeTuple", "UpdateState", "Load", "Depend", "TensorMove")
_NODE = re.compile(
    r"^  %\d+\(.*?\) = (?:PrimFunc_)?([A-Za-z]\w*)\((.*)\).*\n      : \((.*)\) -> \((.*)\)$", re.MULTILINE
)
_SHAPE = re.compile(r"Tensor\[Float32\]\]?, \(([\d, ]*)\)")


class Product(NamedTuple):
    """A matrix product: shapes of both factors as they lie in memory, and whether each is transposed."""

    left: tuple[int, ...]
    right: tuple[int, ...]
    flags: tuple[bool, bool]

    def flop(self) -> float:
        """Return how many multiplications and additions it is."""
        return 2.0 * math.prod(self.left) * self.columns()

    def columns(self) -> int:
        """Return the columns of the result."""
        return self.right[-2 if self.flags[1] else -1]

    def numbers(self) -> int:
        """Return how many numbers the largest of its three matrices has."""
        result = math.prod(self.left[:-2]) * self.left[-1 if self.flags[0] else -2] * self.columns()
        return max(math.prod(self.left), math.prod(self.right), result)


class Work(NamedTuple):
    """What a step does."""

    products: Counter
    """How often each product."""
    moved: float
    """Bytes that its other operators read and write, but for the optimizer."""
    updated: float
    """Weights that Adam updates, with repetitions."""


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure and print; return the numbers."""
    options = _parser().parse_args(arguments)
    for name in options.recipe:
        if name not in recipe_names():
            raise UserError(unknown_name("--recipe", name, recipe_names()))
    check_writable(options.json)
    facts = circumstances()
    work = {name: work_of(name) for name in options.recipe}
    activate(choose_device("cpu", announce=lambda line: None))
    speeds, recipes = _measure(work)
    result = {**facts, **speeds, "recipes": recipes}
    print(headline(facts))
    peak, stream = speeds["product_gflops"], speeds["adam_gbs"]
    print(f"\nA product of {_LARGE} x {_LARGE} matrices: {peak:.0f} GFLOP/s. Adam: {stream:.0f} GB/s.\n")
    print(_table(recipes))
    leave(options.json, result)
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", nargs="+", default=["mlp", "dense", "dcgan"], help="recipes (mlp dense dcgan)")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there")
    return parser


def work_of(recipe: str) -> Work:
    """Return what a step of a recipe does, as MindSpore's graphs for the CPU have it."""
    # A schedule would need the length of a run.
    config = load_config(recipe, [f"{role}_optimizer.schedule=constant" for role in ("generator", "discriminator")])
    with tempfile.TemporaryDirectory(prefix="ms_gan-roofline-") as temporary:
        path = Path(temporary) / f"{recipe}.yaml"
        write_atomically(path, config_text(config))
        graphs = graphs_of_steps(path, Path(temporary), "cpu")
    return added(work_of_graph(graph) for name, graph in graphs.items() for _ in range(_times(name, config)))


def _times(name: str, config: Config) -> int:
    """Return how often a step has this one of its updates."""
    return config.updates.d_steps - config.latent.shared if name == "D" else 1


def added(several: Iterable[Work]) -> Work:
    """Return all of them as one."""
    found = list(several)
    products = sum((work.products for work in found), Counter())
    return Work(products, sum(work.moved for work in found), sum(work.updated for work in found))


def work_of_graph(graph: str) -> Work:
    """Return what one of MindSpore's graphs does; of its text every operator with its types is read."""
    products, moved, updated = Counter(), 0.0, 0.0
    for operator, arguments, inputs, outputs in _NODE.findall(graph):
        shapes = [_shape(text) for text in _SHAPE.findall(inputs)]
        if operator in _PRODUCTS:
            # A batch of one side may be spread over that of the other; the work is that of the larger one.
            batch = np.broadcast_shapes(*(shape[:-2] for shape in shapes))
            left, right = ((*batch, *shape[-2:]) for shape in shapes)
            flags = re.findall(r"Bool\(([01])\)", arguments) or "00"
            products[Product(left, right, (flags[0] == "1", flags[1] == "1"))] += 1
        elif operator == "Adam":
            updated += math.prod(shapes[0])
        elif operator not in _NOTHING_MOVED:
            moved += 4.0 * sum(map(math.prod, [*shapes, *map(_shape, _SHAPE.findall(outputs))]))
    return Work(products, moved, updated)


def _shape(text: str) -> tuple[int, ...]:
    return tuple(int(length) for length in text.split(",") if length.strip())


def _measure(work: dict[str, Work]) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Return the speeds of this machine, and of each recipe the parts of a step at those speeds.

    Step, products and Adam are measured in turn, so that all of them meet the same machine; medians are taken.
    """
    square = Product((_LARGE, _LARGE), (_LARGE, _LARGE), (False, False))
    timers = {product: _timer(product) for product in {square}.union(*(entry.products for entry in work.values()))}
    adam, moved = _adam_timer(8_000_000)
    found: dict[str, list[float]] = defaultdict(list)
    with ExitStack() as stack:
        sides = {name: stack.enter_context(Side("ms_gan", name)) for name in work}
        for _ in range(_ROUNDS):
            found["peak"].append(square.flop() / timers[square]() / 1e9)
            found["stream"].append(moved / adam())
            for name, entry in work.items():
                found[f"{name} step"] += medians([sides[name].measure(1.0, 3)])
                seconds = sum(timers[product]() * count for product, count in entry.products.items())
                found[f"{name} products"].append(1e3 * seconds)
    middle = {name: float(np.median(values)) for name, values in found.items()}
    recipes = {name: _bounds(entry, name, middle) for name, entry in work.items()}
    return {"product_gflops": middle["peak"], "adam_gbs": middle["stream"]}, recipes


def _bounds(work: Work, name: str, middle: dict[str, float]) -> dict[str, float]:
    """Return the parts of a step, each at the speed of this machine."""
    gflop = sum(product.flop() * count for product, count in work.products.items()) / 1e9
    peak, stream, shaped, step = (middle[key] for key in ("peak", "stream", f"{name} products", f"{name} step"))
    found = {
        "gflop": gflop,
        "products_at_peak_ms": 1e3 * gflop / peak,
        "products_as_shaped_ms": shaped,
        "others_mb": work.moved / 1e6,
        "others_ms": work.moved / 1e6 / stream,
        "adam_mb": _ADAM_BYTES * work.updated / 1e6,
        "adam_ms": _ADAM_BYTES * work.updated / 1e6 / stream,
        "step_ms": step,
    }
    bound = found["products_as_shaped_ms"] + found["others_ms"] + found["adam_ms"]
    return found | {"share": bound / step}


def _timer(product: Product) -> Callable[[], float]:
    """Return what measures how many seconds MindSpore's kernel takes."""
    import mindspore as ms
    from mindspore import Tensor, ops

    random = np.random.default_rng(1)
    count = min(_AT_ONCE, max(1, _NUMBERS_AT_ONCE // product.numbers()))
    several = tuple(Tensor(random.standard_normal(product.left, dtype=np.float32)) for _ in range(count))
    one = Tensor(random.standard_normal(product.right, dtype=np.float32))
    operator = (ops.MatMul if len(product.left) == 2 else ops.BatchMatMul)(*product.flags)

    @ms.jit
    def multiply(factors: tuple[Tensor, ...], other: Tensor, tick: Tensor) -> tuple[Tensor, ...]:
        return tuple([operator(factor, other) for factor in factors]), tick + 1.0

    tick = Tensor(np.zeros(1, np.float32))
    # The end of all is waited for by reading one number: to copy a product takes longer than to make it.
    return lambda: _seconds(lambda: multiply(several, one, tick)[-1].asnumpy()) / count


def _adam_timer(count: int) -> tuple[Callable[[], float], float]:
    """Return what measures how many seconds MindSpore's Adam takes for so many weights, and the GB that it moves."""
    from mindspore import Parameter, Tensor, nn

    weight = Parameter(Tensor(np.zeros(count, np.float32)), name="weight")
    optimizer, gradient = nn.Adam([weight], 1e-9), Tensor(np.ones(count, np.float32))

    return lambda: _seconds(lambda: optimizer((gradient,)) and weight.asnumpy()[0]), _ADAM_BYTES * count / 1e9


def _seconds(work: Callable[[], object]) -> float:
    """Return the median time of `work`, of 5 after two."""
    times = []
    for _ in range(7):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return float(np.median(times[2:]))


def _table(recipes: dict[str, dict[str, float]]) -> str:
    head = ["recipe", "GFLOP of a step", "products at that speed, ms", "as they are shaped, ms", "others, MB", "ms"]
    rows = [
        [
            f"`{name}`",
            f"{found['gflop']:.2f}",
            f"{found['products_at_peak_ms']:.1f}",
            f"{found['products_as_shaped_ms']:.1f}",
            f"{found['others_mb']:.0f}",
            f"{found['others_ms']:.1f}",
            f"{found['adam_mb']:.0f}",
            f"{found['adam_ms']:.1f}",
            f"{found['step_ms']:.1f}",
            f"{100 * found['share']:.0f} %",
        ]
        for name, found in recipes.items()
    ]
    return table([*head, "Adam, MB", "ms", "step, ms", "all this, of the step"], rows)


if __name__ == "__main__":
    run(main)
