"""Configuration: typed, frozen, checked; YAML in, YAML out."""

from ms_gan.config.build import build_config, to_mapping
from ms_gan.config.load import config_text, load_config, read_config, recipe_names
from ms_gan.config.schema import Config, NetworkConfig, OptimizerConfig

__all__ = [
    "Config",
    "NetworkConfig",
    "OptimizerConfig",
    "build_config",
    "config_text",
    "load_config",
    "read_config",
    "recipe_names",
    "to_mapping",
]
