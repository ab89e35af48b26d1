"""From plain mappings to a checked :class:`Config`: every key known, every value of its type and possible."""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from ms_gan.config.schema import LARGEST_SIZE, SHORTEST_FRAME, Config, OptimizerConfig
from ms_gan.errors import UserError
from ms_gan.names import unknown_name

T = TypeVar("T")

# Of a run; exactly one of them is set.
LENGTHS = ("epochs", "steps", "minutes")
_LARGEST = 2**53
# Far beyond any GAN; a layer between two such lengths is 1 GB of weights, and Adam keeps it three times.
_WIDEST = 16_384
_TYPE_NAMES = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    dict: "a mapping",
}


def build_config(values: Mapping[str, Any]) -> Config:
    """Build a checked configuration from nested mappings.

    Parameters
    ----------
    values : mapping
        Keys of :class:`Config` and, nested, of its sections. If only `steps` or `minutes` is given, the
        default number of epochs does not count.

    Returns
    -------
    Config

    Raises
    ------
    UserError
        For an unknown key, a wrong type, or a value or combination that cannot be.
    """
    values = dict(values)
    if any(values.get(key) is not None for key in ("steps", "minutes")):
        values.setdefault("epochs", None)
    config = _build(Config, values, "")
    _check(config)
    return config


def to_mapping(config: Config) -> dict[str, Any]:
    """Return the whole configuration as nested plain mappings; :func:`build_config` reads them back."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: plain(entry) for key, entry in value.items()}
        return [plain(entry) for entry in value] if isinstance(value, list | tuple) else value

    return plain(dataclasses.asdict(config))


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one with dotted keys; an empty mapping, or one with keys of no text, is a value."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        section = isinstance(value, Mapping) and value and all(isinstance(name, str) for name in value)
        flat |= flatten(value, f"{prefix}{key}.") if section else {f"{prefix}{key}": value}
    return flat


def check_effect(config: Config) -> None:
    """Raise UserError for a setting that beside the others has no effect.

    Apart from :func:`build_config`, so that a run of before such a check can still be read.
    """
    if config.augmentation_share < 1 and not config.augmentation:
        raise UserError("config augmentation_share: goes with an augmentation, and augmentation is empty; set it to 1")
    for role in ("generator_optimizer", "discriminator_optimizer"):
        section: OptimizerConfig = getattr(config, role)
        if section.momentum and section.name == "adam":
            raise UserError(f"config {role}.momentum: adam takes beta1 instead; set it to 0, or name: rmsprop or sgd")
    every, d_steps = config.objective.penalty_every, config.updates.d_steps
    if config.steps is not None and config.steps * d_steps < every:
        raise UserError(
            f"config objective.penalty_every: {every} is never reached in the {config.steps * d_steps} D steps of the "
            "run; give a smaller one, or more steps"
        )


def _build(cls: type[T], values: Any, where: str) -> T:
    if not isinstance(values, Mapping):
        raise UserError(f"config {where.rstrip('.') or 'file'}: expected keys and values, got {_show(values)}")
    hints = typing.get_type_hints(cls)
    for key in values:
        if key not in hints:
            raise UserError(unknown_name(f"config key {_show(f'{where}{key}')[1:-1]}", key, hints))
    built = {key: _convert(hints[key], value, f"{where}{key}") for key, value in values.items()}
    return cls(**built)


def _convert(hint: Any, value: Any, where: str) -> Any:
    """Return `value` as the type `hint`, or raise UserError."""
    origin = typing.get_origin(hint)
    if dataclasses.is_dataclass(hint):
        return _build(hint, value, f"{where}.")
    if origin in (typing.Union, types.UnionType):
        if value is None:
            return None
        (hint,) = (entry for entry in typing.get_args(hint) if entry is not type(None))
        return _convert(hint, value, where)
    if origin is typing.Literal:
        choices = typing.get_args(hint)
        if value not in choices:
            raise UserError(unknown_name(f"config {where}", value, choices))
        return value
    if origin is tuple:
        entries = value if isinstance(value, list | tuple) else [value]
        kind = typing.get_args(hint)[0]
        if typing.get_origin(kind) is typing.Literal:
            return tuple(_convert(kind, entry, where) for entry in entries)
        return tuple(_text(entry, where) for entry in entries)
    if origin is dict:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise _wrong_type(dict, value, where)
        return dict(value)
    return _scalar(hint, value, where)


def _scalar(hint: type, value: Any, where: str) -> Any:
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return _finite(value, where)
    if hint is int and isinstance(value, float) and value.is_integer():
        return _scalar(int, int(value), where)
    # YAML 1.1 reads 1e-4 as text, and people write it.
    if hint in (int, float) and isinstance(value, str):
        try:
            return _scalar(hint, float(value), where)
        except ValueError:
            raise _wrong_type(hint, value, where) from None
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise _wrong_type(hint, value, where)
    return _whole(value, where) if hint is int else value


def _whole(value: int, where: str) -> int:
    if abs(value) > _LARGEST:
        raise UserError(f"config {where}: {_show(value)} is too large, the most is {_LARGEST}")
    return value


def _finite(value: float, where: str) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise UserError(f"config {where}: {_show(value)} is not a finite number")
    return number


def _text(value: Any, where: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise UserError(f"config {where}: expected names or numbers, got {_show(value)}")
    return str(_whole(value, where)) if isinstance(value, int) else value


def _wrong_type(hint: type, value: Any, where: str) -> UserError:
    return UserError(f"config {where}: expected {_TYPE_NAMES[hint]}, got {_show(value)}")


def _show(value: Any) -> str:
    try:
        text = repr(value).replace("\n", " ")
    except ValueError:  # Python does not write out whole numbers of more than 4,300 digits
        text = "a very long number"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _check(config: Config) -> None:
    given = [key for key in LENGTHS if getattr(config, key) is not None]
    if len(given) != 1:
        found = " and ".join(given) or "none of them"
        raise UserError(f"config: set exactly one of epochs, steps and minutes; found {found}")
    if len(set(config.data.class_names)) < len(config.data.class_names):
        raise UserError(f"config data.class_names: {', '.join(config.data.class_names)} has a name twice")
    _at_least(config, 1, "epochs", "steps", "batch_size", "log_every", "latent.size", "updates.d_steps")
    _at_least(config, 1, "objective.penalty_every", "updates.accumulate")
    _at_least(config, 1, "samples.every", "samples.rows", "samples.columns", "data.size")
    _at_least(config, 1, "data.images_per_epoch", "saving.networks_every", "saving.networks_keep")
    _at_least(config, 1, "saving.state_every", "evaluation.every", "max_rollbacks")
    _at_least(config, 2, "evaluation.images")
    _at_least(config, 0, "seed", "samples.seed", "objective.penalty_weight")
    _at_least(config, SHORTEST_FRAME, "samples.seconds_per_frame")
    _above_zero(config, "minutes", "objective.clip")
    _check_lazy(config)
    _check_accumulation(config)
    if len(set(config.augmentation)) < len(config.augmentation):
        raise UserError(f"config augmentation: {', '.join(config.augmentation)} names one of them twice")
    if not 0 < config.augmentation_share <= 1:
        raise UserError(f"config augmentation_share: {config.augmentation_share} is not in (0, 1]")
    if not 0 <= config.ema.decay < 1:
        raise UserError(f"config ema.decay: {config.ema.decay} is not in [0, 1)")
    for role in ("generator_optimizer", "discriminator_optimizer"):
        _check_optimizer(config, role)
    _check_schedules(config)
    for role in ("generator", "discriminator"):
        for key, value in getattr(config, role).options.items():
            for entry in value if isinstance(value, list | tuple) else [value]:
                _at_most(_WIDEST, entry, f"{role}.options.{key}")
    _at_most(_WIDEST, config.latent.size, "latent.size")
    _at_most(LARGEST_SIZE, config.data.size, "data.size")
    if config.data.channels not in (None, 1, 3):
        raise UserError(f"config data.channels: {config.data.channels} is neither 1 (grey) nor 3 (colour)")
    if config.objective.penalty != "none" and config.updates.real_and_fake == "in_turn":
        raise UserError("config objective.penalty: needs updates.real_and_fake: together")
    if config.objective.penalty != "none" and config.discriminator.options.get("spectral"):
        raise UserError(
            "config objective.penalty: goes without discriminator.options.spectral, whose power iteration moves while "
            "the penalty is differentiated"
        )
    if config.objective.loss == "relativistic" and config.updates.real_and_fake == "in_turn":
        raise UserError("config objective.loss: relativistic compares pairs; it needs updates.real_and_fake: together")
    if config.objective.penalty != "none" and config.precision == "fp16":
        raise UserError(
            f"config precision: fp16 goes without a penalty: the penalty {config.objective.penalty} is made of "
            "gradients, which the scaled loss would scale; set precision: fp32"
        )
    if config.seed >= 2**32 or config.samples.seed >= 2**32:
        raise UserError("config seed: must be below 4294967296")


def _check_lazy(config: Config) -> None:
    if config.objective.penalty_every > 1 and config.objective.penalty == "none":
        raise UserError("config objective.penalty_every: goes with a penalty, and objective.penalty is none")


def _check_accumulation(config: Config) -> None:
    parts = config.updates.accumulate
    if config.batch_size % parts:
        raise UserError(f"config updates.accumulate: batch_size {config.batch_size} has no {parts} equal parts")
    if parts > 1 and config.objective.penalty == "dragan":
        raise UserError(
            "config updates.accumulate: the penalty dragan takes its noise from the deviation of the whole batch; "
            "choose another penalty"
        )


def _check_optimizer(config: Config, role: str) -> None:
    _above_zero(config, f"{role}.lr", f"{role}.lr_steps", f"{role}.clip_norm")
    _at_least(config, 0, f"{role}.lr_end", f"{role}.lr_warmup")
    _at_least(config, 1, f"{role}.lr_drops")
    section: OptimizerConfig = getattr(config, role)
    if section.schedule == "step" and section.lr_end == 0:
        raise UserError(f"config {role}.lr_end: of 0 nothing is learnt after the first drop; give a factor such as 0.1")
    for key in ("beta1", "beta2", "decay", "momentum"):
        if not 0 <= getattr(section, key) < 1:
            raise UserError(f"config {role}.{key}: {getattr(section, key)} is not in [0, 1)")
    if section.beta2 == 0:
        raise UserError(f"config {role}.beta2: must be above 0; of 0 Adam's rounding would leave nothing to divide by")
    if section.clip_norm is not None and config.precision == "fp16":
        raise UserError(f"config {role}.clip_norm: goes with precision: fp32; those of a scaled loss are longer")


def _check_schedules(config: Config) -> None:
    sections = {role: getattr(config, role) for role in ("generator_optimizer", "discriminator_optimizer")}
    endless = [
        role for role, section in sections.items() if section.schedule != "constant" and section.lr_steps is None
    ]
    if endless and config.minutes is not None:
        raise UserError(
            f"config {endless[0]}.schedule: how many steps minutes have is not known; set after how many the rate has "
            f"fallen, such as --set {' '.join(f'{role}.lr_steps=10000' for role in endless)}"
        )


def _lookup(config: Config, path: str) -> Any:
    value: Any = config
    for key in path.split("."):
        value = getattr(value, key)
    return value


def _at_least(config: Config, least: float, *paths: str) -> None:
    for path in paths:
        value = _lookup(config, path)
        if value is not None and value < least:
            raise UserError(f"config {path}: {_show(value)} is too small, the least is {least}")


def _at_most(most: int, value: Any, where: str) -> None:
    if isinstance(value, int | float) and value > most:
        # As text within quotes: a key of a network's options may be any text, with line ends too.
        raise UserError(f"config {_show(where)[1:-1]}: {_show(value)} is too large, the most is {most}")


def _above_zero(config: Config, *paths: str) -> None:
    for path in paths:
        value = _lookup(config, path)
        if value is not None and value <= 0:
            raise UserError(f"config {path}: {_show(value)} must be above 0")
