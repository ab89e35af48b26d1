"""YAML files with `base:` inheritance, and the order: command line over file over default."""

import functools
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from ms_gan.config.build import build_config, flatten, to_mapping
from ms_gan.config.checks import check_effect, idle_settings
from ms_gan.config.schema import LENGTHS, Config, NetworkConfig
from ms_gan.errors import UserError
from ms_gan.names import unknown_name

_MOST_BYTES = 1 << 16
_MOST_BASES = 8
_MOST_NESTED = 20
_OPENING = (
    yaml.BlockMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.FlowSequenceStartToken,
)
_CLOSING = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)


def config_folder() -> Path:
    """Return the folder of the published recipes, which the package links to."""
    return Path(__file__).parent.parent / "configs"


def recipe_names() -> list[str]:
    """Return the names that `--config` knows."""
    return sorted(path.stem for path in config_folder().glob("*.yaml"))


def load_config(
    name: str, settings: Iterable[str] | Mapping[str, Any] = (), overrides: Mapping[str, Any] | None = None
) -> Config:
    """Load a recipe by name, or a YAML file by path, and lay the command line over it.

    Parameters
    ----------
    name : str
        A recipe's name (see :func:`recipe_names`) or the path of a YAML file.
    settings : iterable of str, or mapping
        ``key=value`` texts with dotted keys, for example ``objective.clip=0.01``; values are YAML. Or dotted keys and
        values; None is a value. A mapping changes the keys that it names, as in a file, and may be inherited itself:
        which of its keys have an effect is for the caller to check.
    overrides : mapping, optional
        Dotted keys and values that win over all else; None values are ignored.

    Returns
    -------
    Config

    Raises
    ------
    UserError
        If the file is missing, is no YAML mapping, or holds what :func:`build_config` or :func:`check_effect` refuses;
        to the latter a file without a base, such as the ``config.yaml`` of a run, may hold any key.
    """
    path = find_config(name)
    layers = _layers(path, ())
    values = functools.reduce(_merge, layers)
    values.setdefault("recipe", path.stem)
    is_file = isinstance(settings, Mapping)
    if not is_file:
        settings = list(settings)
    try:
        config = build_config(overlay(values, settings, overrides or {}))
        changed = dict(_pairs(settings, overrides or {}))
        typed = dict(_pairs((), overrides or {})) if is_file else changed
        # Without a base it says everything itself, as the whole configuration of a run does, whether in effect or not.
        written = flatten(layers[-1]) if len(layers) > 1 else {}
        idle = idle_settings(config)
        # What is switched off over the file leaves keys behind in it.
        written = {key: value for key, value in written.items() if idle.get(key) not in changed}
        check_effect(config, written | typed)
    except UserError as error:
        raise UserError(f"{error} (in {name} or {'set over it' if is_file else 'on the command line'})") from None
    return config


def overlay(
    values: dict[str, Any], settings: Iterable[str] | Mapping[str, Any], overrides: Mapping[str, Any]
) -> dict[str, Any]:
    """Lay `settings`, then `overrides`, over nested mappings, as :func:`load_config` takes them.

    The data folder is then one that is found from everywhere.
    """
    values = dict(values)
    # Names first, in whatever order they were given: another network begins without options.
    for key, value in sorted(_pairs(settings, overrides), key=lambda pair: not pair[0].endswith(".name")):
        _set(values, key, value)
    data = values.get("data")
    if isinstance(data, Mapping) and isinstance(data.get("folder"), str):
        values["data"] = {**data, "folder": _from_everywhere(data["folder"])}
    return values


def _pairs(settings: Iterable[str] | Mapping[str, Any], overrides: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return dotted keys and values, those of `overrides` last."""
    dotted = list(settings.items()) if isinstance(settings, Mapping) else [_split_setting(text) for text in settings]
    dotted += [(key, value) for key, value in overrides.items() if value is not None]
    return [pair for key, value in dotted for pair in flatten({key: value}).items()]


def _from_everywhere(folder: str) -> str:
    """Return a folder as an absolute one; a home that is given as ~ or ~user stays as it is typed."""
    expanded = os.path.expanduser(folder)
    return str(Path(folder) if os.path.isabs(expanded) else Path(expanded).absolute())


def find_base(base: str, folder: Path, where: str) -> Path:
    """Return the YAML file that `base` means, whatever the current folder is.

    Parameters
    ----------
    base : str
        A .yaml file in `folder`, or a published recipe, as ``dcgan`` or ``dcgan.yaml``.
    folder : Path
        The folder of the file that names it.
    where : str
        That file and its key, for the message.

    Raises
    ------
    UserError
        If there is no such file.
    """
    for path in (folder / base, config_folder() / base, config_folder() / f"{base}.yaml"):
        if os.path.isfile(path):
            return path
    raise UserError(f"{unknown_name(where, base, recipe_names())}; or name a .yaml file beside this one")


def find_config(name: str) -> Path:
    """Return the YAML file that `name` means: a path that exists, or a published recipe."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or os.path.isfile(path):
        if not os.path.isfile(path):
            raise UserError(f"--config {name}: no such file; recipes are {', '.join(recipe_names())}")
        return path
    if name not in recipe_names():
        raise UserError(unknown_name("--config", name, recipe_names()) + "; or give a .yaml file")
    return config_folder() / f"{name}.yaml"


def read_config(path: Path) -> Config:
    """Read a whole configuration, as :func:`config_text` gives it."""
    try:
        return build_config(read_yaml(path))
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def config_text(config: Config) -> str:
    """Return the whole configuration as YAML."""
    text = yaml.safe_dump(to_mapping(config), sort_keys=False, allow_unicode=True)
    # PyYAML writes these line ends of Unicode so that it reads them back as spaces.
    if any(character in text for character in "\x85\u2028\u2029\ufeff"):
        text = yaml.safe_dump(to_mapping(config), sort_keys=False)
    return text


def _layers(path: Path, seen: tuple[Path, ...]) -> list[dict[str, Any]]:
    """Return what a file holds, without its base, after what that holds, and so on."""
    path = path.resolve()
    if path in seen or len(seen) >= _MOST_BASES:
        raise UserError(f"{path}: base: goes round in a circle or is nested too deep")
    values = read_yaml(path)
    base = values.pop("base", None)
    if base is None:
        return [values]
    if not isinstance(base, str):
        raise UserError(f"{path}: base: must be the name of a recipe or a .yaml file, got {base!r}")
    return [*_layers(find_base(base, path.parent, f"{path}: base"), (*seen, path)), values]


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file of keys and values; what is too large, too deep or something else raises UserError."""
    try:
        with open(path, "rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise UserError(f"{path}: larger than {_MOST_BYTES >> 10} KiB; that is no configuration")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    values = _parse_yaml(content, str(path))
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise UserError(f"{path}: expected keys and values at the top, such as 'batch_size: 64'")
    return values


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, but a key that comes twice in a mapping is refused: it would drop the first silently."""

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        # One that is no scalar cannot be hashed, which is refused later.
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            name = (key.tag, key.value)
            if name in lines:
                problem = f"the key {key.value!r:.60} is in line {lines[name]} already; remove one of them"
                raise yaml.composer.ComposerError(problem=problem, problem_mark=key.start_mark)
            lines[name] = key.start_mark.line + 1
        return node


def _parse_yaml(content: bytes | str, where: str) -> Any:
    try:
        _check_tokens(content, where)
        return yaml.load(content, _Loader)
    # Beside its own errors PyYAML lets those of its readers of numbers, dates and truth values through.
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, OverflowError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        reason = getattr(error, "problem", None) or " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{where}: not readable as YAML{line}: {reason}") from None


def _check_tokens(content: bytes | str, where: str) -> None:
    """Refuse what makes a small file take hours or gigabytes: aliases, and deep nesting."""
    depth = 0
    for token in yaml.scan(content, yaml.SafeLoader):
        depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
        if isinstance(token, yaml.AliasToken):
            raise UserError(f"{where}: YAML aliases (*name) are not accepted; write the value out")
        if depth > _MOST_NESTED:
            raise UserError(f"{where}: nested more than {_MOST_NESTED} deep; that is no configuration")


def _merge(lower: dict[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Lay `upper` over `lower`, section by section; of a network whose name changes only the options go."""
    merged = dict(lower)
    if any(upper.get(key) is not None for key in LENGTHS):
        merged.update(dict.fromkeys(LENGTHS))
    if "name" in upper:
        _drop_options(merged, upper["name"])
    for key, value in upper.items():
        below = merged.get(key)
        both_sections = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[key] = _merge(dict(below), value) if both_sections else value
    return merged


def _drop_options(section: dict[str, Any], name: Any) -> None:
    """Drop the options of a section's network where `name` is another; a section without a name has the default one."""
    if name != section.get("name", NetworkConfig.name):
        section.pop("options", None)


def _split_setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UserError(f"--set {text}: expected key=value, for example objective.clip=0.01")
    return key.strip(), _parse_yaml(value, f"--set {text}")


def _set(values: dict[str, Any], dotted: str, value: Any) -> None:
    """Set a dotted key; the three ways to say how long a run is replace each other."""
    if dotted in LENGTHS and value is not None:
        values.update(dict.fromkeys(LENGTHS))
    *sections, key = dotted.split(".")
    for section in sections:
        nested = values.get(section)
        if nested is not None and not isinstance(nested, Mapping):
            raise UserError(f"--set {dotted}: {section} is not a section")
        values[section] = dict(nested or {})
        values = values[section]
    if key == "name":
        _drop_options(values, value)
    values[key] = value
