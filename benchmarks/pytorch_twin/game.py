"""The steps of the five recipes, eager PyTorch as one writes it: channels first, nothing compiled."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.pytorch_twin.networks import networks
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


class Optimizer(Protocol):
    """What descends on a loss with the weights of one network."""

    count: int
    """Updates so far."""

    def step(self, loss: Tensor, rate: float) -> None:
        """Differentiate the loss by the network's weights and move them."""


class TorchAdam:
    """torch.optim.Adam with the recipes' betas."""

    def __init__(self, network: nn.Module, fused: bool | None = None):
        self.weights = list(network.parameters())
        self.adam = torch.optim.Adam(self.weights, 2e-4, (0.5, 0.999), fused=fused)
        self.count = 0

    def step(self, loss: Tensor, rate: float) -> None:
        """Descend; the other network's weights get no gradients, so none are computed for nothing."""
        self.count += 1
        self.adam.zero_grad(set_to_none=True)
        loss.backward(inputs=self.weights)
        self.adam.param_groups[0]["lr"] = rate
        self.adam.step()


class Game:
    """Both networks and their optimizers, and the steps of one recipe.

    Parameters
    ----------
    recipe : str
        A key of `RECIPES`.
    optimizer : callable
        Makes the optimizer of a network.
    schedule_steps : int
        Length of the learning-rate schedule.
    dtype : torch.dtype
        Precision of everything.
    """

    def __init__(
        self,
        recipe: str,
        optimizer: Callable[[nn.Module], Optimizer],
        schedule_steps: int,
        dtype: torch.dtype = torch.float32,
    ):
        self.plan, self.dtype, self.schedule_steps = RECIPES[recipe], dtype, schedule_steps
        self.generator, self.critic = (network.to(dtype).train() for network in networks(recipe))
        self.g_optimizer, self.d_optimizer = optimizer(self.generator), optimizer(self.critic)

    def draw(self, array: np.ndarray) -> Tensor:
        """Return an array as a tensor."""
        return torch.from_numpy(array).to(self.dtype)

    def step(self, stream: BatchStream, seed: int, batch_size: int, step: int) -> dict[str, float]:
        """Do step `step` with the draws that ms_gan makes from `seed`; return its losses."""

        def draws(index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            noise = penalty_noise(seed, index, (batch_size, 1, 1, 1))
            return stream.batch(index), d_latents(seed, index, batch_size, 100), noise

        last = (step + 1) * self.plan.critic_steps - 1
        for index in range(step * self.plan.critic_steps, last):
            self.critic_step(*draws(index))
        if self.plan.shared_latents:
            return self.joint_step(*draws(last))
        record = self.critic_step(*draws(last))
        return record | {"g_loss": self.generator_step(g_latents(seed, step, batch_size, 100))}

    def joint_step(self, real: np.ndarray, latents: np.ndarray, noise: np.ndarray) -> dict[str, float]:
        """Update both from the same latents, whose images are made once; return what both report."""
        fake = self.generator(self.draw(latents))
        record = self._update_critic(self.draw(real), fake.detach(), self.draw(noise))
        return record | {"g_loss": self._update_generator(fake)}

    def generator_step(self, latents: np.ndarray) -> float:
        """Update the generator; return its loss."""
        return self._update_generator(self.generator(self.draw(latents)))

    def critic_step(self, real: np.ndarray, latents: np.ndarray, noise: np.ndarray) -> dict[str, float]:
        """Update the discriminator or critic; return what it reports."""
        with torch.no_grad():
            fake = self.generator(self.draw(latents))
        return self._update_critic(self.draw(real), fake, self.draw(noise))

    def _update_generator(self, fake: Tensor) -> float:
        scores = self.critic(fake)
        loss = -scores.mean() if self.plan.wasserstein else _cross_entropy(scores, 1.0)
        self.g_optimizer.step(loss, self._rate(self.g_optimizer.count))
        return loss.item()

    def _update_critic(self, real: Tensor, fake: Tensor, noise: Tensor) -> dict[str, float]:
        return self._in_turn(real, fake) if self.plan.in_turn else self._together(real, fake, noise)

    def _rate(self, update: int) -> float:
        passed = math.floor(update * (self.plan.halvings + 1) / self.schedule_steps)
        return 2e-4 * 0.5 ** min(passed, self.plan.halvings)

    def _in_turn(self, real: Tensor, fake: Tensor) -> dict[str, float]:
        real_scores = self.critic(real)
        real_loss = _cross_entropy(real_scores, 1.0)
        self.d_optimizer.step(real_loss, 2e-4)
        fake_scores = self.critic(fake)
        fake_loss = _cross_entropy(fake_scores, 0.0)
        self.d_optimizer.step(fake_loss, 2e-4)
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
        self.d_optimizer.step(loss + penalty, self._rate(self.d_optimizer.count))
        if self.plan.clip is not None:
            with torch.no_grad():
                for weight in self.critic.parameters():
                    weight.clamp_(-self.plan.clip, self.plan.clip)
        return record | {"d_loss": loss.item(), "penalty": penalty.item()}


def _cross_entropy(scores: Tensor, label: float) -> Tensor:
    return functional.binary_cross_entropy_with_logits(scores, torch.full_like(scores, label))
