#!/usr/bin/env python3
"""Does every metric move the way it should? Real images, spoilt in known ways, as a table for docs/evaluation.md."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.report import run
from ms_gan.data.images import ImageSet
from ms_gan.data.sources import load_images
from ms_gan.device import activate, choose_device
from ms_gan.evaluation.copies import nearness
from ms_gan.evaluation.extractors import AUTO, choose_extractor
from ms_gan.evaluation.judging import Sample, compare
from ms_gan.evaluation.protocol import count_text
from ms_gan.evaluation.results import number


def main(words: Sequence[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    # Not auto: built-in digits would be another table.
    parser.add_argument("--data", default="mnist", choices=["mnist", "cifar10"], help="default: mnist")
    parser.add_argument("--data-dir", metavar="DIR", help="folder with the data; default: the cache")
    parser.add_argument("--extractor", default=AUTO, help="as of `ms-gan evaluate` (default: by the data)")
    options = parser.parse_args(words)
    choice = choose_device("cpu", announce=lambda line: None)
    train, test = (load_images(options.data, options.data_dir, split) for split in ("train", "test"))
    activate(choice)
    extractor = choose_extractor(options.extractor, train, test, lambda line: print(line, file=sys.stderr))
    order = np.random.default_rng(1).permutation(len(test.images))
    count = len(order) // 2
    first, second = np.sort(order[:count]), np.sort(order[count : 2 * count])
    real = Sample.of(test.images[first], extractor.measure, nearness(test.images[first], train.images))
    for place, (name, images) in enumerate(spoilt(test.images[second], test.labels[second], train).items()):
        fake = Sample.of(images, extractor.measure, nearness(images, train.images))
        found = compare(real, fake, len(extractor.class_names)).values
        if not place:
            print(f"| {count_text(count)} images | {' | '.join(found)} |\n|---|{'---|' * len(found)}")
        print(f"| {name} | {' | '.join(map(number, found.values()))} |", flush=True)


def spoilt(images: np.ndarray, labels: np.ndarray, train: ImageSet) -> dict[str, np.ndarray]:
    """Return real images spoilt in known ways, as many of each."""
    rng = np.random.default_rng(2)
    copies = train.images[rng.permutation(len(train.images))[: len(images)]]
    sets = {"real, unseen (the floor)": images}
    for deviation in (10, 30, 60):
        sets[f"noise of {deviation} grey levels"] = _noisy(images, deviation, rng)
    for width in (3, 5, 9):
        sets[f"blurred over {width} pixels"] = _blurred(images, width)
    sets["quarters exchanged crosswise"] = np.roll(images, images.shape[2] // 2, (2, 3))
    for missing in ((7,), (5, 6, 7, 8, 9)) if len(np.unique(labels)) > 1 else ():
        kept = np.flatnonzero(~np.isin(labels, missing))
        sets[f"without class {', '.join(map(str, missing))}"] = images[rng.choice(kept, len(images))]
    sets[f"{-(-len(images) // 50)} images, each 50 times"] = images[np.arange(len(images)) // 50]
    for share in (0.1, 0.5):
        mixed = images.copy()
        # At random: the first half of MNIST's test images is easier than the second.
        chosen = rng.permutation(len(images))[: round(share * len(images))]
        mixed[chosen] = copies[chosen]
        sets[f"{100 * share:.0f} % copies of training images"] = mixed
    sets["only copies"] = copies
    sets["only copies, with noise of 20"] = _noisy(copies, 20, rng)
    sets["noise alone"] = rng.integers(0, 256, images.shape).astype(np.uint8)
    return sets


def _noisy(images: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    noise = deviation * rng.standard_normal(images.shape, dtype=np.float32)
    return np.clip(np.rint(images + noise), 0, 255).astype(np.uint8)


def _blurred(images: np.ndarray, width: int) -> np.ndarray:
    """Average over squares of `width` pixels."""
    reach = width // 2
    wide = np.pad(images.astype(np.float32), ((0, 0), (0, 0), (reach, reach), (reach, reach)))
    windows = np.lib.stride_tricks.sliding_window_view(wide, (width, width), axis=(2, 3))
    return np.rint(windows.mean(axis=(4, 5))).astype(np.uint8)


if __name__ == "__main__":
    run(main)
