"""The five recipes a second time, in PyTorch: written from the recipes' numbers, with nothing of ms_gan's networks,
objectives or training in it. Only the initial weights, the batches, the latents and the penalty's noise are given.

Every number below is stated by a recipe or its source, so a change of a config shows as a disagreement.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ms_gan.data.stream import BatchStream, d_latents, g_latents, penalty_noise


@dataclass(frozen=True)
class TorchRecipe:
    """What of a recipe is not in its networks."""

    shared_latents: bool
    critic_steps: int = 1
    wasserstein: bool = False
    clip: float | None = None
    penalty: float | None = None
    in_turn: bool = False
    halvings: int = 0
    """How often Adam's learning rate is halved in the run, evenly spaced."""


RECIPES = {
    "mlp": TorchRecipe(shared_latents=True),
    "dense": TorchRecipe(shared_latents=False, in_turn=True),
    "dcgan": TorchRecipe(shared_latents=True, halvings=2),
    "wgan": TorchRecipe(shared_latents=False, critic_steps=5, wasserstein=True, clip=0.01),
    "wgan_gp": TorchRecipe(shared_latents=False, critic_steps=5, wasserstein=True, penalty=10.0),
}


def networks(recipe: str) -> tuple[nn.Module, nn.Module]:
    """Return the recipe's generator and discriminator; PyTorch counts BatchNorm's momentum from the other end."""
    return {"mlp": _mlp, "dense": _dense, "dcgan": _dcgan, "wgan": _wgan, "wgan_gp": _wgan}[recipe]()


def _mlp() -> tuple[nn.Module, nn.Module]:
    layers = [nn.Linear(100, 128), nn.ReLU()]
    for before, after in ((128, 256), (256, 512), (512, 1024)):
        layers += [nn.Linear(before, after), nn.BatchNorm1d(after, momentum=0.1), nn.ReLU()]
    generator = nn.Sequential(*layers, nn.Linear(1024, 784), nn.Tanh(), nn.Unflatten(1, (1, 28, 28)))
    return generator, _dense_discriminator(512, 256)


def _dense() -> tuple[nn.Module, nn.Module]:
    layers = []
    for before, after in ((100, 256), (256, 512), (512, 1024)):
        layers += [nn.Linear(before, after), nn.LeakyReLU(0.2), nn.BatchNorm1d(after, momentum=0.2)]
    generator = nn.Sequential(*layers, nn.Linear(1024, 784), nn.Tanh(), nn.Unflatten(1, (1, 28, 28)))
    return generator, _dense_discriminator(512, 512)


def _dense_discriminator(first: int, second: int) -> nn.Module:
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, first),
        nn.LeakyReLU(0.2),
        nn.Linear(first, second),
        nn.LeakyReLU(0.2),
        nn.Linear(second, 1),
    )


def _dcgan() -> tuple[nn.Module, nn.Module]:
    layers: list[nn.Module] = [nn.Unflatten(1, (100, 1, 1))]
    # 1 - 2 - 3 - 6 - 7 - 14 - 28
    blocks = ((100, 64, 2, 1, 0), (64, 128, 2, 1, 0), (128, 128, 4, 2, 1), (128, 64, 2, 1, 0), (64, 32, 4, 2, 1))
    for before, after, kernel, stride, padding in blocks:
        layers += [
            nn.ConvTranspose2d(before, after, kernel, stride, padding),
            nn.BatchNorm2d(after, momentum=0.1),
            nn.ReLU(),
        ]
    generator = nn.Sequential(*layers, nn.ConvTranspose2d(32, 1, 4, 2, 1), nn.Tanh())
    layers = []
    for before, after in ((1, 32), (32, 64), (64, 128), (128, 128), (128, 64)):
        layers.append(nn.Conv2d(before, after, 3, 2, 1))
        # No batch normalisation of the last block's 1x1 result; ms_gan.networks.dcgan tells why.
        if before == 128 and after == 64:
            layers.append(nn.LeakyReLU(0.2))
        else:
            layers += [nn.BatchNorm2d(after, momentum=0.1), nn.LeakyReLU(0.2)]
    return generator, nn.Sequential(*layers, nn.Flatten(), nn.Linear(64, 1))


def _wgan() -> tuple[nn.Module, nn.Module]:
    def after(channels: int) -> list[nn.Module]:
        return [nn.BatchNorm2d(channels, momentum=0.1), nn.LeakyReLU(0.2)]

    generator = nn.Sequential(
        nn.Linear(100, 4 * 4 * 128, bias=False),
        nn.BatchNorm1d(4 * 4 * 128, momentum=0.1),
        nn.LeakyReLU(0.2),
        nn.Unflatten(1, (128, 4, 4)),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(128, 128, 5, padding=2),
        *after(128),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(128, 64, 5, padding=2),
        *after(64),
        nn.Upsample(scale_factor=2),
        nn.ConvTranspose2d(64, 32, 5, 1, 2),
        *after(32),
        nn.ConvTranspose2d(32, 3, 5, 1, 2),
        nn.Tanh(),
    )
    layers: list[nn.Module] = []
    for before, channels, stride in ((3, 32, 2), (32, 64, 2), (64, 128, 2), (128, 128, 1)):
        layers += [nn.Conv2d(before, channels, 5, stride, 2), nn.LeakyReLU(0.2)]
    return generator, nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * 4 * 128, 1))


class Adam:
    """Adam as Kingma and Ba write it at the end of their section 2, with beta1 0.5.

    MindSpore, TensorFlow and Keras add epsilon there: to the root of the uncorrected mean square. torch.optim.Adam
    adds it after the correction, which in the first step makes it 32 times smaller; where gradients are as small
    as 1e-6, as these networks' are, that alone moves losses by 1e-3 in 20 steps.
    """

    def __init__(self, network: nn.Module):
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
        rate *= math.sqrt(1 - 0.999**self.count) / (1 - 0.5**self.count)
        gradients = torch.autograd.grad(loss, self.weights)
        with torch.no_grad():
            for weight, gradient, mean, square in zip(self.weights, gradients, self.means, self.squares, strict=True):
                mean.lerp_(gradient, 1 - 0.5)
                square.mul_(0.999).addcmul_(gradient, gradient, value=1 - 0.999)
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


class Game:
    """Both networks and their optimizers, and the steps of one recipe.

    Parameters
    ----------
    recipe : str
        A key of `RECIPES`.
    state : dict of str to ndarray
        Parameters of ms_gan's networks and optimizers, by MindSpore's names.
    dtype : torch.dtype
        Precision of everything.
    schedule_steps : int
        Length of the learning-rate schedule.
    """

    def __init__(self, recipe: str, state: dict[str, np.ndarray], dtype: torch.dtype, schedule_steps: int):
        self.plan, self.dtype, self.schedule_steps = RECIPES[recipe], dtype, schedule_steps
        self.generator, self.critic = (network.to(dtype).train() for network in networks(recipe))
        self.g_adam, self.d_adam = Adam(self.generator), Adam(self.critic)
        self.load(state)

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take over weights, moving statistics and moments."""
        for role, network, adam in (
            ("generator", self.generator, self.g_adam),
            ("discriminator", self.critic, self.d_adam),
        ):
            load_weights(network, {name: value for name, value in state.items() if name.startswith(f"{role}.")})
            adam.load({name: value for name, value in state.items() if name.startswith(f"{role}_optimizer.")})

    def state(self, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Return weights, moving statistics and moments under MindSpore's `names` (those that are known here)."""
        found: dict[str, np.ndarray] = {}
        for role, network, adam in (
            ("generator", self.generator, self.g_adam),
            ("discriminator", self.critic, self.d_adam),
        ):
            own = [name for name in names if name.startswith(f"{role}.")]
            weights = [name for name in own if ".moving_" not in name]
            found |= _paired(weights, network.parameters())
            # PyTorch has mean and variance in turn, layer by layer; MindSpore's names sort so, too.
            found |= _paired([name for name in own if ".moving_" in name], _moving(network))
            found |= _paired([name for name in names if name.startswith(f"{role}_optimizer.moment1.")], adam.means)
            found |= _paired([name for name in names if name.startswith(f"{role}_optimizer.moment2.")], adam.squares)
        return found

    def draw(self, array: np.ndarray) -> Tensor:
        """Return an array as a tensor."""
        return torch.from_numpy(array).to(self.dtype)

    def run(self, stream: BatchStream, seed: int, batch_size: int, steps: int) -> Iterator[dict[str, float]]:
        """Train and yield the losses of every step, with the draws that ms_gan makes from `seed`."""
        for step in range(steps):
            for index in range(step * self.plan.critic_steps, (step + 1) * self.plan.critic_steps):
                latents = d_latents(seed, index, batch_size, 100)
                noise = penalty_noise(seed, index, (batch_size, 1, 1, 1))
                record = self.critic_step(stream.batch(index), latents, noise)
            if not self.plan.shared_latents:
                latents = g_latents(seed, step, batch_size, 100)
            yield record | {"g_loss": self.generator_step(latents)}

    def generator_step(self, latents: np.ndarray) -> float:
        """Update the generator; return its loss."""
        scores = self.critic(self.generator(self.draw(latents)))
        loss = -scores.mean() if self.plan.wasserstein else _cross_entropy(scores, 1.0)
        self.g_adam.step(loss, self._rate(self.g_adam.count))
        return loss.item()

    def critic_step(self, real: np.ndarray, latents: np.ndarray, noise: np.ndarray) -> dict[str, float]:
        """Update the discriminator or critic; return what it reports."""
        real = self.draw(real)
        with torch.no_grad():
            fake = self.generator(self.draw(latents))
        return self._in_turn(real, fake) if self.plan.in_turn else self._together(real, fake, self.draw(noise))

    def _rate(self, update: int) -> float:
        passed = math.floor(update * (self.plan.halvings + 1) / self.schedule_steps)
        return 2e-4 * 0.5 ** min(passed, self.plan.halvings)

    def _in_turn(self, real: Tensor, fake: Tensor) -> dict[str, float]:
        real_scores = self.critic(real)
        real_loss = _cross_entropy(real_scores, 1.0)
        self.d_adam.step(real_loss, 2e-4)
        fake_scores = self.critic(fake)
        fake_loss = _cross_entropy(fake_scores, 0.0)
        self.d_adam.step(fake_loss, 2e-4)
        right = (real_scores.sigmoid() > 0.5).float().mean() + (fake_scores.sigmoid() < 0.5).float().mean()
        return {"d_loss": (real_loss + fake_loss).item() / 2, "d_accuracy": right.item() / 2}

    def _together(self, real: Tensor, fake: Tensor, noise: Tensor) -> dict[str, float]:
        # A discriminator with BatchNorm sees the real and the fake batch one after the other, not mixed.
        real_scores, fake_scores = self.critic(real), self.critic(fake)
        if self.plan.wasserstein:
            loss = fake_scores.mean() - real_scores.mean()
            record = {"d_real": real_scores.mean().item(), "d_fake": fake_scores.mean().item()}
        else:
            loss = _cross_entropy(real_scores, 1.0) + _cross_entropy(fake_scores, 0.0)
            record = {"d_real": real_scores.sigmoid().mean().item(), "d_fake": fake_scores.sigmoid().mean().item()}
        penalty = torch.zeros(())
        if self.plan.penalty is not None:
            between = ((1 - noise) * real + noise * fake).requires_grad_()
            (gradient,) = torch.autograd.grad(self.critic(between).sum(), between, create_graph=True)
            penalty = self.plan.penalty * ((gradient.flatten(1).norm(dim=1) - 1) ** 2).mean()
        self.d_adam.step(loss + penalty, self._rate(self.d_adam.count))
        if self.plan.clip is not None:
            with torch.no_grad():
                for weight in self.critic.parameters():
                    weight.clamp_(-self.plan.clip, self.plan.clip)
        return record | {"d_loss": loss.item(), "penalty": penalty.item()}


def _cross_entropy(scores: Tensor, label: float) -> Tensor:
    return functional.binary_cross_entropy_with_logits(scores, torch.full_like(scores, label))
