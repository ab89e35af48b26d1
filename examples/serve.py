"""A generator as a service would hold it: loaded once, then asked for pictures.

Reads one seed a line from standard input and answers each with a line: how long it took, and the file with the picture.
``echo 7 | python examples/serve.py generator.onnx pictures`` draws as ``ms-gan draw generator.onnx --seed 7`` does. For
``*.npz`` it needs NumPy and Pillow alone, for ``*.onnx`` onnxruntime too; MindSpore is imported for ``*.mindir`` only.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ms_gan import load_exported
from ms_gan.errors import UserError
from ms_gan.pictures import save_grid


def painter(file: str) -> Callable[[int], np.ndarray]:
    """Return a function of a seed that draws 25 images, float32 (25, C, S, S) in [-1, 1]."""
    generator = load_exported(file)
    return lambda seed: generator(generator.latents(seed, 25))


def serve(file: str, folder: Path) -> None:
    """Answer every line of the standard input; what is no seed is answered with what a seed is."""
    paint = painter(file)
    for line in sys.stdin:
        start, seed = time.perf_counter(), line.strip()
        if not seed.isdecimal() or int(seed) >= 2**32:
            print(f"{seed!r} is no seed: a whole number from 0 to 4294967295", flush=True)
            continue
        picture = folder / f"{int(seed)}.png"
        save_grid(picture, paint(int(seed)), 5, 5)
        print(f"{1000 * (time.perf_counter() - start):.0f} ms {picture}", flush=True)


if __name__ == "__main__":
    try:
        if len(sys.argv) != 3:
            raise UserError("serve.py: give it an exported generator and a folder: serve.py generator.onnx pictures")
        serve(sys.argv[1], Path(sys.argv[2]))
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
