#!/usr/bin/env python3
"""The same steps in ms_gan and in eager PyTorch, in turn; prints a table. See docs/benchmarks.md."""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.process import Side, alternate, compared
from benchmarks.report import circumstances, headline, leave, run, table
from ms_gan.commands.spread import spread_text
from ms_gan.config import load_config
from ms_gan.device.requirements import module_version
from ms_gan.errors import UserError
from ms_gan.files import check_writable
from ms_gan.names import unknown_name

# The recipes that `pytorch_twin` has too.
_PUBLISHED = ("mlp", "dense", "dcgan", "wgan", "wgan_gp")
_RECIPES = (*_PUBLISHED, "best_mnist", "conditional_mnist", "sngan_horses", "r3gan_horses")
# The twin has everything else of a recipe in itself; where the data come from --data-dir says.
_SHARED_SETTINGS = re.compile(r"batch_size|seed|data\.(?!source$|folder$)\w+")
# A side that sleeps takes next to no CPU time; above this it disturbs the other.
_AWAKE = 0.02


def main(words: Sequence[str]) -> dict[str, Any]:
    """Measure the recipes that `words` ask for, print the table and return the numbers."""
    options = _parser().parse_args(words)
    recipes = _RECIPES if "all" in options.recipe else list(dict.fromkeys(options.recipe))
    for name in recipes:
        if name not in _RECIPES:
            raise UserError(unknown_name("--recipe", name, ("all", *_RECIPES)))
    for setting in options.set:
        if not _SHARED_SETTINGS.fullmatch(setting.partition("=")[0].strip()):
            raise UserError(
                f"--set {setting}: is no setting of both sides; give batch_size, seed or data.* (where the data are: "
                "--data-dir), since the PyTorch twin is written for the recipe as published"
            )
    if options.alternations < 1 or options.least < 1 or options.seconds < 0:
        raise UserError("--alternations and --least are whole numbers from 1, --seconds a number from 0")
    if module_version("torch") is None:
        raise UserError("PyTorch is not installed: pip install -r requirements-pytorch.txt")
    check_writable(options.json)
    result = circumstances() | {"fused_adam": options.fused_adam, "recipes": {}}
    for name in recipes:
        result["recipes"][name] = measure(name, options)
        print(f"{name}: ms_gan / PyTorch {spread_text(result['recipes'][name]['ratio'])}", file=sys.stderr)
    print(f"{headline(result)}\n\n{markdown(result)}")
    leave(options.json, result)
    return result


def measure(recipe: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return the numbers of one recipe."""
    config = load_config(recipe, options.set, {})
    with (
        Side("ms_gan", recipe, options.set, options.data_dir) as ours,
        Side("pytorch", recipe, options.set, options.data_dir, options.fused_adam) as theirs,
    ):
        if ours.facts["parameters"] != theirs.facts["parameters"]:
            raise UserError(
                f"{recipe}: ms_gan trains {ours.facts['parameters']} parameters of G and D and the PyTorch twin "
                f"{theirs.facts['parameters']}; the twin is written for the recipe as published and its data"
            )
        found = alternate((ours, theirs), options.alternations, options.seconds, options.least)
    both = compared(*found)
    if both["awake"] > _AWAKE:
        print(
            f"Warning: {recipe}: a side took {100 * both['awake']:.0f} % of a core while the other was measured",
            file=sys.stderr,
        )
    images = config.batch_size * config.updates.d_steps
    sides = ("ms_gan", "pytorch")
    return {
        "ratio": both["ratio"],
        **{f"{side}_ms": both["ms"][number] for number, side in enumerate(sides)},
        "images_per_second": {side: 1000 * images / both["ms"][number]["median"] for number, side in enumerate(sides)},
        "peak_gb": dict(zip(sides, both["peak_gb"], strict=True)),
        "batch_size": config.batch_size,
        "d_updates_per_step": config.updates.d_steps,
        "alternations": options.alternations,
        "blocks": {side: [answer["ms"] for answer in found[number]] for number, side in enumerate(sides)},
        "steps_in_a_block": [ours.facts["block"], theirs.facts["block"]],
        "threads": [ours.facts["threads"], theirs.facts["threads"]],
        "parameters": ours.facts["parameters"],
        "awake_while_waiting": both["awake"],
    }


def markdown(result: dict[str, Any]) -> str:
    """Return the numbers as a table in Markdown."""
    head = ("recipe", "batch", "ms_gan, ms/step", "PyTorch, ms/step", "ms_gan / PyTorch", "images/s", "peak, GB")
    rows = []
    for name, numbers in result["recipes"].items():
        speeds, peaks, ratio = numbers["images_per_second"], numbers["peak_gb"], numbers["ratio"]
        rows.append(
            (
                f"`{name}`",
                str(numbers["batch_size"]),
                spread_text(numbers["ms_gan_ms"]),
                spread_text(numbers["pytorch_ms"]),
                f"**{ratio['median']:.2f}** ({ratio['min']:.2f} to {ratio['max']:.2f})",
                f"{speeds['ms_gan']:,.0f}, {speeds['pytorch']:,.0f}",
                f"{peaks['ms_gan']:.2f}, {peaks['pytorch']:.2f}",
            )
        )
    return table(head, rows)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", nargs="+", default=["all"], metavar="NAME", help="recipes, or all (all)")
    parser.add_argument("--alternations", type=int, default=7, metavar="N", help="turns of each side (7)")
    parser.add_argument("--seconds", type=float, default=1.0, metavar="S", help="least seconds of a turn (1)")
    parser.add_argument("--least", type=int, default=3, metavar="N", help="least timed blocks of a turn (3)")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there")
    parser.add_argument("--data-dir", metavar="DIR", help="folder with MNIST or CIFAR-10 (the built-in digits)")
    parser.add_argument("--fused-adam", action="store_true", help="PyTorch's fused Adam instead of its default one")
    shared = "batch_size, seed or data.*, of both sides"
    parser.add_argument("--set", metavar="KEY=VALUE", nargs="+", action="extend", default=[], help=shared)
    return parser


if __name__ == "__main__":
    run(main)
