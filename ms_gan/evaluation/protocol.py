"""Names that carry the protocol: what was measured, on how many images, by which extractor."""

from dataclasses import dataclass
from typing import Literal

PIXELS = "pixels"


@dataclass(frozen=True)
class Metric:
    """One number of an evaluation, and how to read it."""

    kind: str
    """Short name, with which the full one begins."""
    title: str
    basis: Literal["features", "classes", "pixels"]
    """What it is computed from; metrics of pixels need no extractor."""
    better: Literal["lower", "higher", "floor"]
    """Which way is better; `floor`: as near to that of real images as can be."""
    reading: str
    most: float | None = None
    """The largest value there can be."""


METRICS = (
    Metric("fid", "Fréchet distance", "features", "lower", "one number for fidelity and variety together"),
    Metric("kid", "kernel distance", "features", "lower", "the same, unbiased: fair to few images"),
    Metric("precision", "precision", "features", "higher", "share of generated images that lie among the real ones", 1),
    Metric("recall", "recall", "features", "higher", "share of real images that lie among the generated ones", 1),
    Metric("density", "density", "features", "floor", "how deep among the real ones the generated images lie"),
    Metric("coverage", "coverage", "features", "higher", "share of real images with a generated one beside them", 1),
    Metric(
        "classes",
        "class divergence",
        "classes",
        "lower",
        "how far the mix of classes is from that of the data, bits",
        1,
    ),
    Metric("confidence", "mean confidence", "classes", "floor", "how sure the classifier is of the class", 1),
    Metric("swd", "sliced Wasserstein", "pixels", "lower", "distance of the images themselves, no network involved"),
    Metric("nearest", "nearest training image", "pixels", "floor", "median distance to it, in grey levels a pixel"),
    Metric("copies", "memorised", "pixels", "floor", "share that is nearer to one training image than is usual", 1),
)


def count_text(count: int) -> str:
    """Return 10000 as 10k and 1234 as 1234."""
    return f"{count // 1000}k" if count >= 1000 and count % 1000 == 0 else str(count)


def metric_name(metric: Metric, count: int, extractor: str) -> str:
    """Return the full name, such as fid10k_mnist-cnn-v1: `count` generated against as many real images."""
    return f"{metric.kind}{count_text(count)}_{PIXELS if metric.basis == 'pixels' else extractor}"
