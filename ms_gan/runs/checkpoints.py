"""Checkpoints of one network, in MindSpore's own format."""

import os
from pathlib import Path

import mindspore as ms
from mindspore import nn

from ms_gan.errors import UserError, first_line
from ms_gan.files import write_with
from ms_gan.runs.index import check_digest
from ms_gan.training.average import PREFIX


def save_network(path: Path, network: nn.Cell) -> None:
    """Save a network's parameters, atomically; plain `ms.load_checkpoint` reads them."""
    # By parameter name; a network given as it is would be saved by attribute path, which load_param_into_net
    # matches only by guessing. The average of G is saved as a generator like any other.
    content = [{"name": entry.name.removeprefix(PREFIX), "data": entry} for entry in network.get_parameters()]
    write_with(path, lambda temporary: ms.save_checkpoint(content, temporary))


def load_network(path: Path, network: nn.Cell) -> None:
    """Load the parameters of `path` into `network`, strictly.

    Raises
    ------
    UserError
        If the file is missing or damaged, or if names or shapes are not those of `network`.
    """
    parameters = read_checkpoint(path)
    wanted = {parameter.name: tuple(parameter.shape) for parameter in network.get_parameters()}
    found = {name: tuple(parameter.shape) for name, parameter in parameters.items()}
    if wanted != found:
        raise UserError(
            f"{path}: is a checkpoint of another network ({first_difference(wanted, found)}); "
            "name the run folder it belongs to, or its --config"
        )
    ms.load_param_into_net(network, parameters, strict_load=True)


def read_checkpoint(path: Path) -> dict[str, ms.Parameter]:
    """Read a checkpoint file as MindSpore does, or raise UserError; one of a run must be as the run left it."""
    if not os.path.isfile(path):
        raise UserError(f"{path}: no such checkpoint")
    check_digest(path)
    try:
        parameters = ms.load_checkpoint(str(path))
        # Of some damaged files MindSpore makes lists.
        if strange := [name for name, value in parameters.items() if not isinstance(value, ms.Parameter)]:
            raise ValueError(f"{strange[0]!r} is no parameter")
        return parameters
    except Exception as error:
        raise UserError(f"{path}: cannot be read as a MindSpore checkpoint: {first_line(error)}") from None


def first_difference(wanted: dict[str, tuple], found: dict[str, tuple]) -> str:
    """Say in a few words where two tables of parameter shapes first differ."""
    for name, shape in wanted.items():
        if name not in found:
            return f"it lacks {name}"
        if found[name] != shape:
            return f"{name} has shape {found[name]}, expected {shape}"
    extra = next(name for name in found if name not in wanted)
    return f"it has {extra}, which is not in the network"
