import dataclasses
import math
import re

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ms_gan.config import Config, build_config, load_config, recipe_names, to_mapping
from ms_gan.config.load import config_text
from ms_gan.errors import UserError

_TEXTS = st.text(max_size=8) | st.sampled_from(["1e-4", "nan", "9" * 5000])
_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS
_ANYTHING = st.recursive(_LEAVES, lambda some: st.lists(some, max_size=3) | st.dictionaries(_LEAVES, some, max_size=3))
_PLAUSIBLE = st.integers(1, 9) | st.sampled_from(["adam", "r1", "hinge", 0.5, 1e300])


def _of_a_section(cls) -> st.SearchStrategy:
    """Mappings with known keys and values that are often, not always, of their type."""
    values = {}
    for field in dataclasses.fields(cls):
        default = field.default if field.default is not dataclasses.MISSING else field.default_factory()
        nested = _of_a_section(type(default)) if dataclasses.is_dataclass(default) else st.just(default)
        values[field.name] = nested | _PLAUSIBLE | _ANYTHING
    return st.fixed_dictionaries({}, optional=values)


@given(_of_a_section(Config) | st.dictionaries(st.text(max_size=9), _ANYTHING))
def test_any_mapping_gives_a_config_or_one_line(values):
    try:
        config = build_config(values)
    except UserError as error:
        message = str(error)
    else:
        _check_whole(config)
        return
    assert "\n" not in message
    assert len(message) < 1000


def _check_whole(config):
    assert build_config(to_mapping(config)) == config
    assert all(math.isfinite(rate) for rate in (config.generator_optimizer.lr, config.objective.penalty_weight))
    assert [config.epochs, config.steps, config.minutes].count(None) == 2


@pytest.mark.parametrize("name", recipe_names())
def test_recipe_round_trip(name):
    config = load_config(name)
    assert build_config(to_mapping(config)) == config
    assert config.recipe == name


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batchsize": 3}, "config key batchsize: unknown name 'batchsize'; did you mean batch_size?"),
        ({"objective": {"clipp": 1}}, "config key objective.clipp: unknown name 'clipp'; did you mean clip?"),
        ({"a\nb": 1}, r"config key a\\nb: unknown name"),
        ({"batch_size": "many"}, "config batch_size: expected a whole number, got 'many'"),
        ({"batch_size": 2.5}, "config batch_size: expected a whole number, got 2.5"),
        ({"batch_size": True}, "config batch_size: expected a whole number, got True"),
        ({"batch_size": None}, "config batch_size: expected a whole number, got None"),
        ({"batch_size": 0}, "config batch_size: 0 is too small, the least is 1"),
        ({"batch_size": 10**5000}, "config batch_size: a very long number is too large"),
        ({"steps": 1e300}, "config steps: 1000.* is too large"),
        ({"minutes": math.nan}, "config minutes: nan is not a finite number"),
        ({"minutes": "1e999"}, "config minutes: inf is not a finite number"),
        ({"minutes": 0}, "config minutes: 0.0 must be above 0"),
        ({"epochs": 1, "steps": 1}, "set exactly one of epochs, steps and minutes; found epochs and steps"),
        ({"epochs": None}, "set exactly one of epochs, steps and minutes; found none"),
        ({"latent": 5}, "config latent: expected keys and values, got 5"),
        ({"mode": "eager"}, "config mode: unknown name 'eager'; .*known: graph, pynative"),
        ({"mode": ["graph"]}, "config mode: unknown name"),
        ({"mode": 10**5000}, "config mode: unknown name .a very long number."),
        ({"seed": -1}, "config seed: -1 is too small"),
        ({"samples": {"seconds_per_frame": 0.01}}, "config samples.seconds_per_frame: 0.01 is too small, the least is"),
        ({"latent": {"size": 9e12}}, "config latent.size: 9000000000000 is too large, the most is 16384"),
        ({"data": {"size": 10**6}}, "config data.size: 1000000 is too large"),
        (
            {"generator": {"options": {"widths": [64, 10**9]}}},
            "config generator.options.widths: 1000000000 is too large",
        ),
        ({"discriminator": {"options": {"a\nb": 1e300}}}, r"config discriminator.options.a\\nb: 1e\+300 is too large"),
        ({"data": {"classes": [10**5000]}}, "config data.classes: a very long number is too large"),
        ({"seed": 2**32}, "config seed: must be below 4294967296"),
        ({"title": 3}, "config title: expected text, got 3"),
        ({"latent": {"shared": "yes please"}}, "config latent.shared: expected true or false"),
        ({"data": {"channels": 2}}, r"config data.channels: 2 is neither 1 \(grey\) nor 3"),
        ({"data": {"classes": [1.5]}}, "config data.classes: expected names or numbers, got 1.5"),
        ({"generator": {"options": [1]}}, r"config generator.options: expected a mapping, got \[1\]"),
        ({"generator_optimizer": {"beta2": 0}}, "config generator_optimizer.beta2: must be above 0"),
        ({"generator_optimizer": {"beta1": 1}}, r"config generator_optimizer.beta1: 1.0 is not in \[0, 1\)"),
        ({"objective": {"clip": 0}}, "config objective.clip: 0.0 must be above 0"),
        ({"objective": {"penalty": "r3"}}, "config objective.penalty: unknown name 'r3'; did you mean r"),
        (
            {"objective": {"penalty": "r1"}, "updates": {"real_and_fake": "in_turn"}},
            "config objective.penalty: needs updates.real_and_fake: together",
        ),
        (
            {"objective": {"loss": "relativistic"}, "updates": {"real_and_fake": "in_turn"}},
            "config objective.loss: relativistic compares pairs; it needs updates.real_and_fake: together",
        ),
        ({"objective": {"penalty_every": 4}}, "config objective.penalty_every: goes with a penalty"),
        ({"objective": {"penalty": "r1", "penalty_every": 0}}, "config objective.penalty_every: 0 is too small"),
        ({"updates": {"accumulate": 5}}, "config updates.accumulate: batch_size 64 has no 5 equal parts"),
        ({"updates": {"accumulate": 2}, "objective": {"penalty": "dragan"}}, "deviation of the whole batch"),
        ({"generator_optimizer": {"clip_norm": 0}}, "config generator_optimizer.clip_norm: 0.0 must be above 0"),
        (
            {"discriminator_optimizer": {"clip_norm": 1}, "precision": "fp16"},
            "config discriminator_optimizer.clip_norm: goes with precision: fp32",
        ),
        ({"generator_optimizer": {"lr_warmup": -1}}, "config generator_optimizer.lr_warmup: -1 is too small"),
        ({"augmentation": ["cutout", "color"]}, "config augmentation: unknown name 'color'; did you mean colour"),
        ({"augmentation": ["cutout", "cutout"]}, "config augmentation: cutout, cutout names one of them twice"),
        ({"augmentation": [1]}, "config augmentation: unknown name"),
        ({"augmentation_share": 0}, r"config augmentation_share: 0.0 is not in \(0, 1\]"),
        ({"augmentation_share": 1.5}, r"config augmentation_share: 1.5 is not in \(0, 1\]"),
        (
            {"objective": {"penalty": "r1"}, "discriminator": {"name": "dcgan", "options": {"spectral": True}}},
            "config objective.penalty: goes without discriminator.options.spectral",
        ),
        ({"ema": {"decay": 1}}, r"config ema.decay: 1.0 is not in \[0, 1\)"),
        (
            {"minutes": 1, "generator_optimizer": {"schedule": "cosine"}},
            "config generator_optimizer.schedule: .* such as --set generator_optimizer.lr_steps=10000$",
        ),
        (
            {"minutes": 1} | {f"{role}_optimizer": {"schedule": "cosine"} for role in ("generator", "discriminator")},
            "--set generator_optimizer.lr_steps=10000 discriminator_optimizer.lr_steps=10000$",
        ),
    ],
)
def test_message(values, message):
    with pytest.raises(UserError) as caught:
        build_config(values)
    assert re.search(message, str(caught.value))


def test_numbers_as_people_write_them():
    config = build_config({"generator_optimizer": {"lr": "1e-4"}, "steps": "1e3", "batch_size": 16.0})
    assert (config.generator_optimizer.lr, config.steps, config.batch_size) == (1e-4, 1000, 16)
    assert type(config.steps) is type(config.batch_size) is int


def test_numbers_of_numpy_are_kept_as_pythons():
    options = {"slope": np.float64(0.5), "widths": [np.int64(4), 5]}
    config = build_config({"discriminator": {"name": "wgan", "options": options}})
    assert build_config(yaml.safe_load(config_text(config))) == config
    assert config.discriminator.options == {"slope": 0.5, "widths": [4, 5]}
