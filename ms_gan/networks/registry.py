"""Networks by name: a new family is one short module whose classes carry these decorators."""

import contextlib
import functools
import inspect
import math
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple

from mindspore import nn

from ms_gan.errors import UserError, first_line, resizing
from ms_gan.names import unknown_name

GENERATORS: dict[str, type[nn.Cell]] = {}
DISCRIMINATORS: dict[str, type[nn.Cell]] = {}
# No option of the user's: it follows from the classes.
_OUTPUTS = "outputs"
# Slopes and momenta: beyond, the kits' layers would not even agree with each other.
UnitInterval = Annotated[float, "from 0 to 1"]
_SCALARS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    UnitInterval: "a number from 0 to 1",
    str: "text",
}


class ImageShape(NamedTuple):
    """Channels and edge length, in pixels, of the square images that a network makes or judges."""

    channels: int
    size: int


def check_multiple(image: ImageShape, of: int) -> None:
    """Raise ValueError where the edge of the images is no multiple of a number, and name the nearest that is."""
    if image.size % of:
        near = max(of, of * round(image.size / of))
        raise ValueError(f"{image.size} pixels are not a multiple of {of}; resize the images with {resizing(near)}")


def generator(name: str) -> Callable[[type[nn.Cell]], type[nn.Cell]]:
    """Register a generator: `cls(latent_size, image, ...)`, latents (N, n) to images (N, C, S, S) in [-1, 1].

    The arguments after these are its options. Each has a default, and an annotation that says which values are taken:
    `bool`, `int`, `float` (finite), `UnitInterval` (a number from 0 to 1), `str`, `tuple[int, ...]` (a list of whole
    numbers from 1) or, as `tuple[int, int]`, one of that length. The configuration refuses numbers above 16,384; what
    else cannot be the class refuses by a ValueError of one line.

    Raises
    ------
    TypeError
        If an option of the class has no default or another annotation.
    """
    return _registrar(GENERATORS, name, 2)


def discriminator(name: str) -> Callable[[type[nn.Cell]], type[nn.Cell]]:
    """Register a discriminator or critic: `cls(image, ...)`, images (N, C, S, S) to logits (N, 1).

    Its options are as those of a :func:`generator`. For conditional runs it takes an argument `outputs` as well,
    the number of its logits: (N, outputs).

    What it says of an image may depend on the others of the batch by batch normalisation alone (it has parameters
    ``...moving_mean`` then): one without is given the real and the fake images of a step mixed, as one batch.

    Raises
    ------
    TypeError
        As for :func:`generator`.
    """
    return _registrar(DISCRIMINATORS, name, 1)


def _registrar(table: dict[str, type[nn.Cell]], name: str, arguments: int) -> Callable[[type[nn.Cell]], type[nn.Cell]]:
    def register(cls: type[nn.Cell]) -> type[nn.Cell]:
        for option, parameter in _options(cls, arguments).items():
            if parameter.default is parameter.empty or not _is_supported(parameter.annotation):
                kinds = "bool, int, float, UnitInterval, str or tuple[int, ...]"
                raise TypeError(f"network {name}, option {option}: needs a default and an annotation of {kinds}")
        table[name] = cls
        return cls

    return register


def build_generator(
    name: str, latent_size: int, image: ImageShape, options: Mapping[str, Any] | None = None
) -> nn.Cell:
    """Build the generator called `name`; its parameter names start with ``generator.``.

    Parameters
    ----------
    name : str
        A key of `GENERATORS`.
    latent_size : int
        Length of a latent vector.
    image : ImageShape
        Shape of the images to make.
    options : mapping, optional
        Keyword options of that network; see its class.

    Raises
    ------
    UserError
        If the name or an option is unknown, or the network cannot make images of that shape.
    """
    cls = _find(GENERATORS, "generator", name)
    return _build(cls, "generator", options or {}, latent_size, image)


def build_discriminator(
    name: str, image: ImageShape, options: Mapping[str, Any] | None = None, outputs: int = 1
) -> nn.Cell:
    """Build the discriminator called `name`; its parameter names start with ``discriminator.``.

    Parameters
    ----------
    name, image, options
        As for :func:`build_generator`.
    outputs : int
        Number of its logits: 1, or for a conditional run 1 and as many as there are classes.

    Raises
    ------
    UserError
        As for :func:`build_generator`, or if it has one logit only and more are asked for.
    """
    cls = _find(DISCRIMINATORS, "discriminator", name)
    if outputs == 1:
        return _build(cls, "discriminator", options or {}, image)
    if _OUTPUTS not in inspect.signature(cls).parameters:
        raise UserError(f"config conditional: discriminator {name} cannot judge classes (it takes no `{_OUTPUTS}`)")
    return _build(functools.partial(cls, outputs=outputs), "discriminator", options or {}, image)


def options_in_force(role: str, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return every option of a network with its value: what is given, and the defaults of its class.

    Parameters
    ----------
    role : str
        ``generator`` or ``discriminator``.
    name : str
        A key of `GENERATORS` or of `DISCRIMINATORS`.
    given : mapping
        The options that a configuration sets.

    Raises
    ------
    UserError
        If the name is unknown.
    """
    table, arguments = (GENERATORS, 2) if role == "generator" else (DISCRIMINATORS, 1)
    known = _options(_find(table, role, name), arguments)
    return {key: given.get(key, parameter.default) for key, parameter in known.items()}


def _options(cls: Callable[..., nn.Cell], arguments: int) -> dict[str, inspect.Parameter]:
    """Return the options of a network, which come after so many `arguments`."""
    known = dict(list(inspect.signature(cls, eval_str=True).parameters.items())[arguments:])
    known.pop(_OUTPUTS, None)
    return known


def _find(table: dict[str, type[nn.Cell]], role: str, name: str) -> type[nn.Cell]:
    if name not in table:
        raise UserError(unknown_name(f"{role}.name", name, table))
    return table[name]


def _build(cls: Callable[..., nn.Cell], role: str, options: Mapping[str, Any], *arguments: Any) -> nn.Cell:
    known = _options(cls, len(arguments))
    for key in options:
        if key not in known:
            raise UserError(unknown_name(f"{role} option", key, known))
    options = {key: _checked(f"{role} option {key}", value, known[key]) for key, value in options.items()}
    try:
        network = cls(*arguments, **options)
    except (TypeError, ValueError) as error:
        given = f" with options {dict(options)}" if options else ""
        raise UserError(f"{role} {getattr(cls, 'func', cls).__name__}{given}: {first_line(error)}") from error
    # Graph mode refuses two networks with equal parameter names.
    network.update_parameters_name(f"{role}.")
    return network


def _is_supported(annotation: Any) -> bool:
    """Return whether a value of an option can be checked against its annotation."""
    entries = set(typing.get_args(annotation)) - {Ellipsis}
    return annotation in _SCALARS or (typing.get_origin(annotation) is tuple and entries == {int})


def _checked(where: str, value: Any, parameter: inspect.Parameter) -> Any:
    """Return an option's value, or refuse what its annotation does not allow: see :func:`generator`."""
    kind, default = parameter.annotation, parameter.default
    if kind in (float, UnitInterval) and isinstance(value, str):
        # YAML 1.1 reads 1e-4 as text, and people write it.
        with contextlib.suppress(ValueError):
            value = float(value)
    if kind in _SCALARS:
        wanted = _SCALARS[kind] if kind is bool else f"{_SCALARS[kind]}, such as {default}"
        fits = _is_scalar(kind, value)
    else:
        entries = typing.get_args(kind)
        count = None if Ellipsis in entries else len(entries)
        wanted = f"{count or 'one or more'} whole numbers from 1, such as {list(default)}"
        fits = isinstance(value, list | tuple) and len(value) == (count or max(1, len(value)))
        fits = fits and all(type(entry) is int and entry > 0 for entry in value)
    if not fits:
        raise UserError(f"{where}: expected {wanted}, got {value!r}")
    return value


def _is_scalar(kind: Any, value: Any) -> bool:
    """Return whether a value is of one of the kinds of `_SCALARS`."""
    if kind not in (float, UnitInterval):
        return type(value) is kind
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and (abs(value) < math.inf if kind is float else 0 <= value <= 1)
