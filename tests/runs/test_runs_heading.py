"""A title that names MNIST does not stand alone over what was trained on other data."""

import pytest

from ms_gan.config.load import load_config
from ms_gan.runs.heading import heading


@pytest.mark.parametrize(
    ("source", "added"),
    [
        ("mnist", ""),
        (None, ""),
        ("builtin", " (trained on built-in digits)"),
        ("pictures", " (trained on pictures)"),
        ("idx", " (trained on IDX files other than MNIST's)"),
        ("cifar10", " (trained on CIFAR-10)"),
    ],
)
def test_other_data_are_named(source, added):
    environment = {"data": {"source": source}} if source else {}
    assert heading(load_config("dcgan"), environment) == f"DCGAN on MNIST{added}"


def test_other_classes_are_named():
    environment = {"data": {"source": "cifar10"}}
    title = "WGAN with weight clipping on CIFAR-10 horses"
    assert heading(load_config("wgan"), environment) == title
    assert heading(load_config("wgan", ["data.classes=[Horse]"]), environment) == title
    both = load_config("wgan", ["data.classes=[horse, cat]"])
    assert heading(both, environment) == f"{title} (trained on CIFAR-10, horse, cat)"
