"""The compiled steps of a recipe as MindSpore's graphs, and the operators in them.

Run as a program it compiles the steps of one recipe, as a process whose MindSpore writes its graphs down.
"""

import re
import sys
from collections import Counter
from pathlib import Path

from ms_gan.config import Config, load_config
from ms_gan.device import activate, choose_device
from ms_gan.device.probe import condense, died, run_limited
from ms_gan.device.settings import user_environment
from ms_gan.errors import UserError

# The last graph before MindSpore makes it fit a device, with everything that differentiation and optimizers add.
_LAST = "validate"
_SECONDS = 1800.0
_ENTRY = re.compile(r"^# IR entry: @.*?(joint_step|d_step|g_step)", re.MULTILINE)
_NODE = re.compile(r"^  %\d+\(.*?\) = (?:PrimFunc_)?([A-Za-z]\w*)\(", re.MULTILINE)
STEP_TITLES = {"d_step": "D", "g_step": "G", "joint_step": "D and G"}


def operators_of_steps(recipe: Path, folder: Path) -> dict[str, dict[str, int]]:
    """Compile the steps of a recipe in a process of its own and return their operators.

    Parameters
    ----------
    recipe : Path
        A YAML file.
    folder : Path
        An empty folder for the graphs.

    Returns
    -------
    dict
        For each step ('D', 'G', or 'D and G' where one function does both) the operators and how often each occurs.

    Raises
    ------
    UserError
        If the steps cannot be compiled or MindSpore leaves no graphs.
    """
    wishes = {"MS_DEV_SAVE_GRAPHS": "1", "MS_DEV_SAVE_GRAPHS_PATH": str(folder), "MS_DEV_DUMP_IR_PASSES": _LAST}
    root = str(Path(__file__).parents[2])
    environment = user_environment() | wishes
    environment["PYTHONPATH"] = ":".join(filter(None, (root, environment.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "ms_gan.commands.audit_graphs", str(recipe)]
    _, errors, status = run_limited(command, environment, _SECONDS)
    if status != 0:
        reason = "no end in time" if status is None else died(status) if status < 0 else condense(errors[-500:])
        raise UserError(f"audit: the steps of {recipe.stem} cannot be compiled: {reason}")
    return read_graphs(folder, recipe.stem)


def read_graphs(folder: Path, recipe: str) -> dict[str, dict[str, int]]:
    """Return the operators of the steps whose graphs MindSpore left in a folder; see `operators_of_steps`."""
    found = {}
    for path in sorted(folder.glob(f"*_{_LAST}_*.ir")):
        text = path.read_text(encoding="utf-8", errors="replace")
        entry = _ENTRY.search(text)
        if entry:
            found[STEP_TITLES[entry[1]]] = dict(sorted(Counter(_NODE.findall(text)).items()))
    if not found or not all(found.values()):
        raise UserError(f"audit: MindSpore left no graphs of the steps of {recipe}")
    return found


def compile_steps(config: Config) -> None:
    """Compile and run once each of the functions that training calls, with the layers that Ascend uses."""
    import mindspore as ms
    import numpy as np
    from mindspore import Tensor

    from ms_gan.data.augmenting import draw_augmentation
    from ms_gan.networks import ImageShape
    from ms_gan.networks.kit import plain_layers
    from ms_gan.objectives import noise_shape
    from ms_gan.training.plan import updates_jointly
    from ms_gan.training.precision import scaled
    from ms_gan.training.setup import build_players
    from ms_gan.training.steps import build_steps, is_paired

    colour = config.data.prefer == "cifar10"
    image = ImageShape(config.data.channels or (3 if colour else 1), config.data.size or (32 if colour else 28))
    with plain_layers():
        players = build_players(config, image)
    # What `prepare_steps` compiles; its check of the penalty would leave graphs of its own.
    seen = scaled(players) if config.precision == "fp16" else players
    steps = build_steps(seen, config, compiled=True)
    real = Tensor(np.zeros((config.batch_size, image.channels, image.size, image.size), np.float32))
    latents = Tensor(np.zeros((config.batch_size, config.latent.size), np.float32))
    noise = Tensor(np.zeros(noise_shape(config.objective.penalty, real.shape), np.float32))
    augmentation = draw_augmentation(config.augmentation, config.seed, 0, config.batch_size, image.size)
    drawn = [Tensor(array) for array in augmentation]
    if not updates_jointly(config) or config.updates.d_steps > 1:
        ms.jit(steps.d_step, jit_level=config.jit_level)(real, latents, noise, *drawn)
    if updates_jointly(config):
        ms.jit(steps.joint_step, jit_level=config.jit_level)(real, latents, noise, *drawn)
    else:
        ms.jit(steps.g_step, jit_level=config.jit_level)(latents, *((real,) if is_paired(config) else ()), *drawn)


if __name__ == "__main__":
    activate(choose_device("cpu", announce=lambda line: None))
    compile_steps(load_config(sys.argv[1]))
