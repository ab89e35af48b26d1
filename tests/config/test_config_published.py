"""The five recipes hold the numbers that their sources publish; no default may change them unseen."""

import functools
from typing import Any

import pytest

from ms_gan.config import load_config

_OPTIMIZERS = {
    f"{role}_optimizer.{key}": value
    for role in ("generator", "discriminator")
    for key, value in {"name": "adam", "lr": 2e-4, "beta1": 0.5, "beta2": 0.999, "clip_norm": None}.items()
}
_PLAIN = {
    "latent.size": 100,
    "updates.d_steps": 1,
    "updates.fresh_batch": True,
    "updates.real_and_fake": "together",
    "updates.accumulate": 1,
    "objective.loss": "non_saturating",
    "objective.penalty": "none",
    "objective.clip": None,
    "generator.options": {},
    "discriminator.options": {},
    "samples.rows": 5,
    "samples.columns": 5,
    "data.prefer": "mnist",
    "data.split": "train",
    "data.images_per_epoch": None,
    # What no source has.
    "augmentation": (),
    "conditional": False,
    "ema.decay": 0.0,
}
_CONSTANT = {f"{role}_optimizer.schedule": "constant" for role in ("generator", "discriminator")}
_HORSES = {
    "steps": 12_000,
    "batch_size": 256,
    "latent.shared": False,
    "updates.d_steps": 5,
    "objective.loss": "wasserstein",
    "data.prefer": "cifar10",
    "data.prefer_classes": ("horse",),
    "data.split": "both",
    "samples.every": 10,
    "samples.rows": 4,
    "samples.columns": 4,
    **_CONSTANT,
}
PUBLISHED: dict[str, dict[str, Any]] = {
    "mlp": {
        "epochs": 12,
        "batch_size": 64,
        "log_every": 10,
        "latent.shared": True,
        "data.images_per_epoch": 10_000,
        "samples.every": None,
        "samples.seed": 2323,
        "samples.seconds_per_frame": 1.0,
        "saving.networks_every": None,
        "saving.networks_keep": None,
        **_CONSTANT,
    },
    "dense": {
        "steps": 30_001,
        "batch_size": 32,
        "log_every": 100,
        "latent.shared": False,
        "updates.real_and_fake": "in_turn",
        "discriminator.options": {"widths": [512, 512]},
        "samples.every": 3000,
        **_CONSTANT,
    },
    "dcgan": {"log_every": 1, **{f"{role}_optimizer.schedule": "step" for role in ("generator", "discriminator")}},
    "wgan": {"objective.clip": 0.01, **_HORSES},
    "wgan_gp": {"objective.penalty": "gradient", "objective.penalty_weight": 10.0, **_HORSES},
}


@pytest.mark.parametrize("recipe", list(PUBLISHED))
def test_recipe_has_the_published_numbers(recipe):
    config, expected = load_config(recipe), {**_PLAIN, **_OPTIMIZERS, **PUBLISHED[recipe]}
    assert {key: functools.reduce(getattr, key.split("."), config) for key in expected} == expected
