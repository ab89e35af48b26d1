"""Networks by name: a new family is one short module whose classes carry these decorators."""

import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from mindspore import nn

from ms_gan.errors import UserError, first_line, resizing
from ms_gan.names import unknown_name

GENERATORS: dict[str, type[nn.Cell]] = {}
DISCRIMINATORS: dict[str, type[nn.Cell]] = {}
# No option of the user's: it follows from the classes.
_OUTPUTS = "outputs"


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
    """Register a generator: `cls(latent_size, image, **options)`, latents (N, n) to images (N, C, S, S) in [-1, 1]."""
    return _registrar(GENERATORS, name)


def discriminator(name: str) -> Callable[[type[nn.Cell]], type[nn.Cell]]:
    """Register a discriminator or critic: `cls(image, **options)`, images (N, C, S, S) to logits (N, 1).

    For conditional runs it takes an argument `outputs` as well, the number of its logits: (N, outputs).

    What it says of an image may depend on the others of the batch by batch normalisation alone (it has parameters
    ``...moving_mean`` then): one without is given the real and the fake images of a step mixed, as one batch.
    """
    return _registrar(DISCRIMINATORS, name)


def _registrar(table: dict[str, type[nn.Cell]], name: str) -> Callable[[type[nn.Cell]], type[nn.Cell]]:
    def register(cls: type[nn.Cell]) -> type[nn.Cell]:
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
    known = dict(list(inspect.signature(cls).parameters.items())[arguments:])
    known.pop(_OUTPUTS, None)
    return known


def _find(table: dict[str, type[nn.Cell]], role: str, name: str) -> type[nn.Cell]:
    if name not in table:
        raise UserError(unknown_name(f"{role}.name", name, table))
    return table[name]


def _build(cls: Callable[..., nn.Cell], role: str, options: Mapping[str, Any], *arguments: Any) -> nn.Cell:
    known = _options(cls, len(arguments))
    for key, value in options.items():
        if key not in known:
            raise UserError(unknown_name(f"{role} option", key, known))
        _check_option(f"{role} option {key}", value, known[key])
    try:
        network = cls(*arguments, **options)
    except (TypeError, ValueError) as error:
        given = f" with options {dict(options)}" if options else ""
        raise UserError(f"{role} {getattr(cls, 'func', cls).__name__}{given}: {first_line(error)}") from error
    # Graph mode refuses two networks with equal parameter names.
    network.update_parameters_name(f"{role}.")
    return network


def _check_option(where: str, value: Any, parameter: inspect.Parameter) -> None:
    """Refuse what the annotation does not allow: a `bool`, a `float` from 0 to 1, or a tuple of numbers from 1."""
    if parameter.annotation is bool:
        if not isinstance(value, bool):
            raise UserError(f"{where}: expected true or false, got {value!r}")
        return
    if parameter.annotation is float:
        # Slopes and momenta: beyond, the kits' layers would not even agree with each other.
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise UserError(f"{where}: expected a number from 0 to 1, such as {parameter.default}, got {value!r}")
        return
    entries = typing.get_args(parameter.annotation)
    count = None if Ellipsis in entries else len(entries)
    fits = isinstance(value, list | tuple) and len(value) == (count or max(1, len(value)))
    if not fits or not all(type(entry) is int and entry > 0 for entry in value):
        wanted = f"{count or 'one or more'} whole numbers from 1, such as {list(parameter.default)}"
        raise UserError(f"{where}: expected {wanted}, got {value!r}")
