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
        # A layer's weight before its bias, as MindSpore has them.
        layers = [_own(layer) for layer in network.modules()]
        self.weights = [own[kind] for own in layers for kind in ("weight", "bias") if kind in own]
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


def named(network: nn.Module, names: Iterable[str]) -> dict[str, Tensor]:
    """Return the network's tensors by MindSpore's `names`, which are all of the network's, layer by layer."""
    kinds = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias", "scale.u": "weight_u"}
    kinds |= {"moving_mean": "running_mean", "moving_variance": "running_var"}
    layers: dict[str, dict[str, str]] = {}
    for name in names:
        kind = next(kind for kind in kinds if name.endswith(f".{kind}"))
        layers.setdefault(name.removesuffix(f".{kind}"), {})[kinds[kind]] = name
    found = {}
    for layer, known in zip(filter(_own, network.modules()), layers.values(), strict=True):
        own = _own(layer)
        assert own.keys() == known.keys()
        found |= {known[kind]: own[kind] for kind in own}
    return {name: found[name] for name in names}


def _own(layer: nn.Module) -> dict[str, Tensor]:
    """Return what the layer itself holds and MindSpore has too."""
    own = dict(layer.named_parameters(recurse=False)) | dict(layer.named_buffers(recurse=False))
    # Spectral normalisation renames the weight; its vector v is made anew from the other, u, at each use.
    aside = ("num_batches_tracked", "weight_v")
    return {name.removesuffix("_orig"): value for name, value in own.items() if name not in aside}


def load_weights(network: nn.Module, weights: dict[str, np.ndarray]) -> None:
    """Copy MindSpore's weights, in the order of the layers; `weights` has MindSpore's names and order."""
    with torch.no_grad():
        for name, value in named(network, weights).items():
            assert value.shape == weights[name].shape
            value.copy_(torch.from_numpy(weights[name]))


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

    def _players(self) -> tuple[tuple[str, nn.Module, Adam], ...]:
        return (
            ("generator", self.generator, self.g_optimizer),
            ("discriminator", self.critic, self.d_optimizer),
        )

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take over weights, moving statistics and moments."""
        for role, network, adam in self._players():
            load_weights(network, {name: value for name, value in state.items() if name.startswith(f"{role}.")})
            adam.load({name: value for name, value in state.items() if name.startswith(f"{role}_optimizer.")})

    def state(self, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Return weights, moving statistics and moments under MindSpore's `names` (those that are known here)."""
        found: dict[str, Tensor] = {}
        for role, network, adam in self._players():
            found |= named(network, [name for name in names if name.startswith(f"{role}.")])
            for kind, own in (("moment1", adam.means), ("moment2", adam.squares)):
                moments = [name for name in names if name.startswith(f"{role}_optimizer.{kind}.")]
                found |= dict(zip(moments, own, strict=True))
        return {name: value.detach().numpy().copy() for name, value in found.items()}
