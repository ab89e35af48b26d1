"""The compiled steps of a recipe as MindSpore's graphs, and the operators in them.

Run as a program it compiles the steps of one recipe, as a process whose MindSpore writes its graphs down.
"""

import contextlib
import re
import sys
from collections import Counter
from pathlib import Path

from ms_gan.config import Config, load_config
from ms_gan.device import activate, choose_device
from ms_gan.device.probe import condense, died, run_limited
from ms_gan.device.settings import user_environment, with_package
from ms_gan.errors import UserError

# The last graph before MindSpore makes it fit a device, with everything that differentiation and optimizers add.
_LAST = "validate"
_SECONDS = 1800.0
_ENTRY = re.compile(r"^# IR entry: @.*?(joint_step|d_step|g_step)", re.MULTILINE)
_NODE = re.compile(r"^  %\d+\(.*?\) = (?:PrimFunc_)?([A-Za-z]\w*)\(", re.MULTILINE)
STEP_TITLES = {"d_step": "D", "g_step": "G", "joint_step": "D and G"}


def graphs_of_steps(recipe: Path, folder: Path, layers: str) -> dict[str, str]:
    """Compile the steps of a recipe in a process of its own and return their graphs.

    Parameters
    ----------
    recipe : Path
        A YAML file.
    folder : Path
        An empty folder for the graphs.
    layers : str
        'native' for the layers that Ascend uses, 'cpu' for those of the CPU.

    Returns
    -------
    dict
        For each step ('D', 'G', or 'D and G' where one function does both) the text of its graph.

    Raises
    ------
    UserError
        If the steps cannot be compiled or MindSpore leaves no graphs.
    """
    wishes = {"MS_DEV_SAVE_GRAPHS": "1", "MS_DEV_SAVE_GRAPHS_PATH": str(folder), "MS_DEV_DUMP_IR_PASSES": _LAST}
    environment = with_package(user_environment() | wishes)
    command = [sys.executable, "-m", "ms_gan.commands.audit_graphs", str(recipe), layers]
    _, errors, status = run_limited(command, environment, _SECONDS)
    if status != 0:
        reason = "no end in time" if status is None else died(status) if status < 0 else condense(errors[-500:])
        raise UserError(f"audit: the steps of {recipe.stem} cannot be compiled: {reason}")
    found = read_graphs(folder)
    if not found:
        raise UserError(f"audit: MindSpore left no graphs of the steps of {recipe.stem}")
    return found


def read_graphs(folder: Path) -> dict[str, str]:
    """Return the graphs of the steps that MindSpore left in a folder; see `graphs_of_steps`."""
    found = {}
    for path in sorted(folder.glob(f"*_{_LAST}_*.ir")):
        text = path.read_text(encoding="utf-8", errors="replace")
        entry = _ENTRY.search(text)
        if entry:
            found[STEP_TITLES[entry[1]]] = text
    return found


def operators_of(graph: str) -> dict[str, int]:
    """Return the operators of a graph and how often each occurs."""
    return dict(sorted(Counter(_NODE.findall(graph)).items()))


def compile_steps(config: Config, layers: str) -> None:
    """Compile and run once each of the functions that training calls; for `layers` see `graphs_of_steps`."""
    import mindspore as ms
    import numpy as np

    from ms_gan.data.images import ImageSet
    from ms_gan.data.stream import BatchStream
    from ms_gan.networks.configured import image_shape
    from ms_gan.networks.kit import plain_layers
    from ms_gan.training.loop import d_inputs, g_inputs
    from ms_gan.training.plan import updates_jointly
    from ms_gan.training.precision import scaled
    from ms_gan.training.setup import build_players
    from ms_gan.training.steps import build_steps

    image = image_shape(config)
    with plain_layers() if layers == "native" else contextlib.nullcontext():
        players = build_players(config, image)
    # What `prepare_steps` compiles; its check of the penalty would leave graphs of its own.
    seen = scaled(players) if config.precision == "fp16" else players
    steps = build_steps(seen, config, compiled=True)
    blank = np.zeros((config.batch_size, image.channels, image.size, image.size), np.uint8)
    images = ImageSet(blank, None, (), "raw", "memory", "")
    stream = BatchStream(images, config.batch_size, None, config.seed, np.zeros(config.batch_size, np.int64))
    inputs = d_inputs(config, stream, 0, 0, slice(None))
    if not updates_jointly(config) or config.updates.d_steps > 1:
        ms.jit(steps.d_step, jit_level=config.jit_level)(*inputs)
    if updates_jointly(config):
        ms.jit(steps.joint_step, jit_level=config.jit_level)(*inputs)
    else:
        of_g = g_inputs(config, stream, 0, inputs, slice(None))
        ms.jit(steps.g_step, jit_level=config.jit_level)(*of_g)


if __name__ == "__main__":
    activate(choose_device("cpu", announce=lambda line: None))
    compile_steps(load_config(sys.argv[1]), sys.argv[2])
