"""The PyTorch twin of the recipes (benchmarks/pytorch_twin) with MindSpore's weights and MindSpore's Adam."""

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks import pytorch_twin


class Adam:
    """Adam as Kingma and Ba write it at the end of their section 2.

    MindSpore, TensorFlow and Keras add epsilon there: to the root of the uncorrected mean square. torch.optim.Adam
    adds it after the correction, which in the first step makes it 32 times smaller; where gradients are as small
    as 1e-6, as these networks' are, that alone moves losses by 1e-3 in 20 steps.
    """

    def __init__(self, network: nn.Module, betas: tuple[float, float]):
        self.beta1, self.beta2 = betas
        self.weights = list(network.parameters())
        self.means = [torch.zeros_like(weight) for weight in self.weights]
        self.squares = [torch.zeros_like(weight) for weight in self.weights]
        self.count = 0

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take over the moments and the count of updates of MindSpore's Adam."""
        (self.count,) = (int(value.item()) for name, value in state.items() if name.endswith(".global_step"))
        for kind, own in (("moment1", self.means), ("moment2", self.squares)):
            theirs = [value for name, value in state.items() if f".{kind}." in name]
            for moment, value in zip(own, theirs, strict=True):
                assert moment.shape == value.shape
                moment.copy_(torch.from_numpy(value))

    def step(self, loss: Tensor, rate: float) -> None:
        """Descend on the loss, with the gradients of this network alone."""
        self.count += 1
        rate *= math.sqrt(1 - self.beta2**self.count) / (1 - self.beta1**self.count)
        gradients = torch.autograd.grad(loss, self.weights)
        with torch.no_grad():
            for weight, gradient, mean, square in zip(self.weights, gradients, self.means, self.squares, strict=True):
                mean.lerp_(gradient, 1 - self.beta1)
                square.mul_(self.beta2).addcmul_(gradient, gradient, value=1 - self.beta2)
                weight -= rate * mean / (square.sqrt() + 1e-8)


def load_weights(network: nn.Module, weights: dict[str, np.ndarray]) -> None:
    """Copy MindSpore's weights, in the order of the layers; `weights` has MindSpore's names and order."""
    names = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}
    names |= {"moving_mean": "running_mean", "moving_variance": "running_var"}
    layers: dict[str, dict[str, np.ndarray]] = {}
    for name, value in weights.items():
        layer, _, kind = name.rpartition(".")
        layers.setdefault(layer, {})[names[kind]] = value
    own = [layer for layer in network if layer.state_dict()]
    with torch.no_grad():
        for layer, values in zip(own, layers.values(), strict=True):
            state = {name: value for name, value in layer.state_dict().items() if name != "num_batches_tracked"}
            assert state.keys() == values.keys()
            for name, value in state.items():
                assert value.shape == values[name].shape
                value.copy_(torch.from_numpy(values[name]))


def _moving(network: nn.Module) -> list[Tensor]:
    return [value for name, value in network.named_buffers() if "running" in name]


def _paired(names: list[str], values: Iterable[Tensor]) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy().copy() for name, value in zip(names, values, strict=True)}


class Game(pytorch_twin.Game):
    """The twin, started from and compared with ms_gan's parameters.

    Parameters
    ----------
    recipe : str
        A key of the twin's `RECIPES`.
    state : dict of str to ndarray
        Parameters of ms_gan's networks and optimizers, by MindSpore's names.
    dtype : torch.dtype
        Precision of everything.
    schedule_steps : int
        Length of the learning-rate schedule.
    """

    def __init__(self, recipe: str, state: dict[str, np.ndarray], dtype: torch.dtype, schedule_steps: int):
        super().__init__(recipe, Adam, schedule_steps, dtype)
        self.load(state)

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take over weights, moving statistics and moments."""
        for role, network, adam in (
            ("generator", self.generator, self.g_optimizer),
            ("discriminator", self.critic, self.d_optimizer),
        ):
            load_weights(network, {name: value for name, value in state.items() if name.startswith(f"{role}.")})
            adam.load({name: value for name, value in state.items() if name.startswith(f"{role}_optimizer.")})

    def state(self, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Return weights, moving statistics and moments under MindSpore's `names` (those that are known here)."""
        found: dict[str, np.ndarray] = {}
        for role, network, adam in (
            ("generator", self.generator, self.g_optimizer),
            ("discriminator", self.critic, self.d_optimizer),
        ):
            own = [name for name in names if name.startswith(f"{role}.")]
            weights = [name for name in own if ".moving_" not in name]
            found |= _paired(weights, network.parameters())
            # PyTorch has mean and variance in turn, layer by layer; MindSpore's names sort so, too.
            found |= _paired([name for name in own if ".moving_" in name], _moving(network))
            found |= _paired([name for name in names if name.startswith(f"{role}_optimizer.moment1.")], adam.means)
            found |= _paired([name for name in names if name.startswith(f"{role}_optimizer.moment2.")], adam.squares)
        return found
