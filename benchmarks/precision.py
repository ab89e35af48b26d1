#!/usr/bin/env python3
"""How far a training in half precision is from the same one in float32. See docs/precision.md."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from benchmarks.report import circumstances, claim, headline, leave, run, table
from ms_gan.config import Config, load_config, recipe_names
from ms_gan.errors import UserError
from ms_gan.names import unknown_name

_PRECISIONS = ("fp32", "fp16")


class Numbers:
    """A listener of the training loop that keeps the losses of every step."""

    def __init__(self) -> None:
        self.losses: list[tuple[float, float]] = []

    def on_record(self, position: Any, numbers: dict[str, float]) -> None:
        """Keep the losses of D and G."""
        self.losses.append((numbers["d_loss"], numbers["g_loss"]))

    def on_step(self, position: Any) -> None:
        """Do nothing."""

    on_samples = on_networks = on_state = on_step


def main(words: Sequence[str]) -> dict[str, Any]:
    """Train the recipes that `words` ask for in both precisions, print the table and return the numbers."""
    options = _parser().parse_args(words)
    for name in options.recipe:
        if name not in recipe_names():
            raise UserError(unknown_name("--recipe", name, recipe_names()))
    if options.steps < 1:
        raise UserError("--steps must be at least 1")
    claim(options.json)
    result = circumstances() | {"steps": options.steps, "batch": options.batch, "recipes": {}}
    for name in options.recipe:
        settings = [f"steps={options.steps}", f"batch_size={options.batch}", "log_every=1"]
        settings += (
            [f"data.folder={Path(options.data_dir).absolute()}"] if options.data_dir else ["data.source=builtin"]
        )
        sides = [train(load_config(name, [*settings, f"precision={precision}"])) for precision in _PRECISIONS]
        result["recipes"][name] = compare(*sides) | {"skipped": sides[1]["skipped"]}
    print(f"{headline(result)}\n\n{markdown(result)}")
    leave(options.json, result)
    return result


def train(config: Config) -> dict[str, Any]:
    """Train without a run folder; return losses (steps, 2), the parameters by name, and the skipped updates."""
    from ms_gan.commands.ready import make_ready

    ready = make_ready(config, device="cpu", announce=lambda line: print(line, file=sys.stderr))
    from ms_gan.training.loop import Position, run_loop
    from ms_gan.training.plan import make_plan
    from ms_gan.training.precision import skipped_updates

    numbers, plan = Numbers(), make_plan(ready.config, ready.stream.batches_per_epoch)
    run_loop(ready.config, plan, ready.stream, ready.steps, Position(), numbers, lambda: False)
    networks = (ready.players.generator, ready.players.discriminator)
    weights = {weight.name: weight.asnumpy() for network in networks for weight in network.trainable_params()}
    return {"losses": np.array(numbers.losses), "weights": weights, "skipped": skipped_updates(ready.players)}


def compare(whole: dict[str, Any], half: dict[str, Any]) -> dict[str, float]:
    """Return the greatest differences of the losses, relative to them, and the distance of the weights."""
    differences = abs(half["losses"] - whole["losses"]) / abs(whole["losses"])
    one, other = (
        np.concatenate([side["weights"][name].ravel().astype(float) for name in sorted(whole["weights"])])
        for side in (whole, half)
    )
    return {
        "first_step": float(differences[0].max()),
        "d_loss": float(differences[:, 0].max()),
        "g_loss": float(differences[:, 1].max()),
        "weights": float(np.linalg.norm(other - one) / np.linalg.norm(one)),
    }


def markdown(result: dict[str, Any]) -> str:
    """Return the numbers as a table in Markdown."""
    head = ["recipe", "losses, first step", "D's loss", "G's loss", "weights at the end", "updates skipped"]
    keys = ("first_step", "d_loss", "g_loss", "weights")
    rows = [
        [f"`{name}`", *(f"{100 * found[key]:.2g} %" for key in keys), str(found["skipped"])]
        for name, found in result["recipes"].items()
    ]
    return table(head, rows)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", nargs="+", default=["mlp", "dcgan"], metavar="NAME", help="recipes (mlp dcgan)")
    parser.add_argument("--steps", type=int, default=40, metavar="N", help="steps of each training (40)")
    parser.add_argument("--batch", type=int, default=16, metavar="N", help="images of a batch (16)")
    parser.add_argument("--data-dir", metavar="DIR", help="folder with data (the built-in digits)")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there")
    return parser


if __name__ == "__main__":
    run(main)
