"""The sides of a benchmark as the benchmark sees them: processes that measure in turn while the others sleep."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ms_gan.commands.spread import spread
from ms_gan.device.settings import user_environment
from ms_gan.errors import UserError

ROOT = Path(__file__).resolve().parents[1]


class Side:
    """A process of `benchmarks.sides`; a context that ends it.

    Parameters
    ----------
    side : {"ms_gan", "pytorch"}
        Whose steps.
    recipe : str
        Name of the recipe.
    settings : sequence of str
        ``key=value`` texts, as after ``--set``.
    data_dir : path-like, optional
        Folder with data; None: the built-in digits.
    fused_adam : bool
        Whether PyTorch's Adam is the fused one.

    Attributes
    ----------
    facts : dict
        ``parameters`` (of G and D), ``threads``, and ``block``, the steps in a timed block.

    Raises
    ------
    UserError
        If the process cannot do what was asked.
    """

    def __init__(
        self,
        side: str,
        recipe: str,
        settings: Sequence[str] = (),
        data_dir: str | Path | None = None,
        fused_adam: bool = False,
    ):
        data = {"data.source": "builtin"}
        if data_dir is not None:
            data = {"data.source": "auto", "data.folder": str(Path(data_dir).absolute())}
        wish = {"side": side, "recipe": recipe, "settings": [*settings], "overrides": data, "fused_adam": fused_adam}
        self._name = f"{recipe}, {side}"
        # Closed with the process.
        self._words = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.sides", json.dumps(wish)],
            cwd=ROOT,
            env=user_environment() | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            text=True,
        )
        try:
            self.facts = self._answer()
        except BaseException:
            self.close()
            raise

    def measure(self, seconds: float, least: int) -> dict[str, Any]:
        """Let the side measure; see `benchmarks.sides.measure`.

        Returns
        -------
        dict
            ``ms`` (of a step, by block), ``peak_gb``, and ``awake``: the CPU time per second since it last worked.
        """
        self._process.stdin.write(json.dumps({"seconds": seconds, "least": least}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if not line:
            self._words.seek(0)
            raise RuntimeError(f"{self._name}: ended with status {self._process.wait()}\n{self._words.read()}")
        answer = json.loads(line)
        if "error" in answer:
            raise UserError(f"{self._name}: {answer['error']}")
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.stdin.close()
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        self._words.close()

    def __enter__(self) -> "Side":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def alternate(sides: Sequence[Side], alternations: int, seconds: float, least: int) -> list[list[dict[str, Any]]]:
    """Let the sides measure in turn, A, B, A, B ...; return the answers of each side."""
    found: list[list[dict[str, Any]]] = [[] for _ in sides]
    for _ in range(alternations):
        for answers, side in zip(found, sides, strict=True):
            answers.append(side.measure(seconds, least))
    return found


def medians(answers: Sequence[dict[str, Any]]) -> list[float]:
    """Return the median ms/step of each answer."""
    return [float(np.median(answer["ms"])) for answer in answers]


def compared(ours: Sequence[dict[str, Any]], theirs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the spread of the ratio ours / theirs, alternation by alternation, and of both ms/step."""
    pairs = list(zip(medians(ours), medians(theirs), strict=True))
    return {
        "ratio": spread([one / other for one, other in pairs]),
        "ms": [spread([pair[side] for pair in pairs]) for side in (0, 1)],
        "peak_gb": [max(answer["peak_gb"] for answer in answers) for answers in (ours, theirs)],
        # The first wait is for the other side to start.
        "awake": max((answer["awake"] for answers in (ours, theirs) for answer in answers[1:]), default=0.0),
    }
