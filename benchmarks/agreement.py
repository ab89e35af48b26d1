#!/usr/bin/env python3
"""How far a training with one more option ends from the same training without it: more workers, half precision.

python benchmarks/agreement.py --recipe mlp dcgan --change=--workers=2
python benchmarks/agreement.py --recipe mlp dcgan --change=--precision=fp16
"""

import argparse
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from benchmarks.process import ROOT
from benchmarks.report import circumstances, headline, leave, run, table
from ms_gan.config import recipe_names
from ms_gan.device.settings import user_environment
from ms_gan.errors import UserError
from ms_gan.files import check_writable
from ms_gan.names import unknown_name
from ms_gan.runs.folder import RunFolder


def main(words: Sequence[str]) -> dict[str, Any]:
    """Train the recipes that `words` ask for with and without the option, print the table and return the numbers."""
    options = _parser().parse_args(words)
    for name in options.recipe:
        if name not in recipe_names():
            raise UserError(unknown_name("--recipe", name, recipe_names()))
    check_writable(options.json)
    result = circumstances() | {"change": options.change, "recipes": {}}
    for recipe in options.recipe:
        with tempfile.TemporaryDirectory(prefix="ms_gan-agreement-") as folder:
            one, other = (
                train(recipe, options, Path(folder) / name, more)
                for name, more in (("one", []), ("other", [options.change]))
            )
            result["recipes"][recipe] = compare(one, other)
    print(f"{headline(result)}\n\n{markdown(result)}")
    leave(options.json, result)
    return result


def train(recipe: str, options: argparse.Namespace, out: Path, more: Sequence[str]) -> RunFolder:
    """Train in a process of its own, which keeps every step's losses."""
    words = [
        "train",
        "--config",
        recipe,
        "--steps",
        str(options.steps),
        "--out",
        str(out),
        "--device",
        "cpu",
        "--log-every",
        "1",
    ]
    words += ["--data-dir", str(Path(options.data_dir).absolute())] if options.data_dir else ["--data", "builtin"]
    words += ["--set", *options.set] if options.set else []
    environment = user_environment() | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "ms_gan", *words, *more], env=environment, capture_output=True, text=True
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"{shlex.join([*words, *more])} ended with status {done.returncode}: {last}")
    return RunFolder(out)


def compare(one: RunFolder, other: RunFolder) -> dict[str, Any]:
    """Return how far two runs are apart.

    Returns
    -------
    dict
        ``d_loss`` and ``g_loss``, the greatest difference over all steps, relative; ``parameters``, the distance of
        all parameters of both networks, taken as one vector, relative to its length; ``tensors``, that of each.
    """
    losses = {
        key: max(abs(a[key] - b[key]) / abs(a[key]) for a, b in zip(one.history(), other.history(), strict=True))
        for key in ("d_loss", "g_loss")
    }
    ours, theirs = _parameters(one), _parameters(other)
    apart = {name: float(np.linalg.norm(theirs[name] - ours[name])) for name in ours}
    lengths = {name: float(np.linalg.norm(ours[name])) for name in ours}
    tensors = {name: apart[name] / lengths[name] for name in ours if lengths[name]}
    whole = np.linalg.norm(list(apart.values())) / np.linalg.norm(list(lengths.values()))
    return losses | {"parameters": float(whole), "tensors": tensors}


def _parameters(run: RunFolder) -> dict[str, np.ndarray]:
    """Return the newest networks' parameters and moving statistics by name, in double precision."""
    import mindspore

    newest = run.network_index()
    files = [run.checkpoints / name for name in newest[max(newest)]]
    return {
        name: value.asnumpy().astype(float).ravel()
        for file in files
        for name, value in mindspore.load_checkpoint(str(file)).items()
    }


def markdown(result: dict[str, Any]) -> str:
    """Return the numbers as a table in Markdown."""
    rows = []
    for recipe, found in result["recipes"].items():
        worst = max(found["tensors"], key=found["tensors"].get)
        numbers = [f"{found[key]:.1e}" for key in ("d_loss", "g_loss", "parameters")]
        rows.append([f"`{recipe}`", *numbers, f"{found['tensors'][worst]:.1e} `{worst}`"])
    return table(["recipe", "D's loss", "G's loss", "all parameters", "furthest parameter"], rows)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", nargs="+", default=["mlp", "dcgan"], metavar="NAME", help="recipes (mlp dcgan)")
    parser.add_argument("--change", required=True, metavar="=--OPTION=VALUE", help="an option of `ms-gan train`")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings of both trainings")
    parser.add_argument("--steps", type=int, default=20, metavar="N", help="steps of each training (20)")
    parser.add_argument("--data-dir", metavar="DIR", help="folder with data (the built-in digits)")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there")
    return parser


if __name__ == "__main__":
    run(main)
