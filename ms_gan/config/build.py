"""From plain mappings to a checked :class:`Config`: every key known, every value of its type and possible."""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from ms_gan.config.checks import check, show
from ms_gan.config.schema import Config
from ms_gan.errors import UserError
from ms_gan.names import unknown_name

T = TypeVar("T")

_LARGEST = 2**53
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
    check(config)
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


def _build(cls: type[T], values: Any, where: str) -> T:
    if not isinstance(values, Mapping):
        raise UserError(f"config {where.rstrip('.') or 'file'}: expected keys and values, got {show(values)}")
    hints = typing.get_type_hints(cls)
    for key in values:
        if key not in hints:
            raise UserError(unknown_name(f"config key {show(f'{where}{key}')[1:-1]}", key, hints))
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
        return {key: _plain(entry) for key, entry in value.items()}
    return _scalar(hint, value, where)


def _plain(value: Any) -> Any:
    """Return NumPy's numbers and arrays as Python's own, which can be written as YAML."""
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value.tolist() if hasattr(value, "tolist") else value


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
        raise UserError(f"config {where}: {show(value)} is too large, the most is {_LARGEST}")
    return value


def _finite(value: float, where: str) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise UserError(f"config {where}: {show(value)} is not a finite number")
    return number


def _text(value: Any, where: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise UserError(f"config {where}: expected names or numbers, got {show(value)}")
    return str(_whole(value, where)) if isinstance(value, int) else value


def _wrong_type(hint: type, value: Any, where: str) -> UserError:
    return UserError(f"config {where}: expected {_TYPE_NAMES[hint]}, got {show(value)}")
