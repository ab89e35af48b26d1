"""The steps of the recipes, eager PyTorch as one writes it: channels first, nothing compiled."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.pytorch_twin.networks import networks
from ms_gan.data.classes import asking, one_hot
from ms_gan.data.stream import BatchStream, d_latents, g_latents, penalty_noise


@dataclass(frozen=True)
class TorchRecipe:
    """What of a recipe is not in its networks."""

    shared_latents: bool
    critic_steps: int = 1
    loss: Literal["cross_entropy", "wasserstein", "pairs"] = "cross_entropy"
    clip: float | None = None
    penalty: Literal["gradient", "zero-centred", "zero-centred, of both"] | None = None
    penalty_weight: float = 0.0
    in_turn: bool = False
    at_once: bool = False
    """Whether the critic sees real and fake images as one batch, for one power iteration."""
    schedule: Literal["constant", "halved twice", "cosine", "linear"] = "constant"
    rates_end: float = 0.0
    """What a falling schedule ends at, as a share of the rate."""
    rates: tuple[float, float] = (2e-4, 2e-4)
    """Of the generator and of the discriminator."""
    betas: tuple[float, float] = (0.5, 0.999)
    classes: int = 0
    """How many the generator is asked for; 0: none."""
    average: float | None = None
    """Decay of the generator's moving average."""


_HORSES = {"shared_latents": True, "average": 0.999, "loss": "pairs", "schedule": "cosine", "betas": (0.0, 0.99)}
_DIGITS = TorchRecipe(
    shared_latents=True,
    penalty="zero-centred",
    penalty_weight=0.3,
    schedule="cosine",
    rates=(4e-4, 4e-4),
    rates_end=0.2,
    classes=10,
    average=0.9995,
)
RECIPES = {
    "mlp": TorchRecipe(shared_latents=True),
    "dense": TorchRecipe(shared_latents=False, in_turn=True),
    "dcgan": TorchRecipe(shared_latents=True, schedule="halved twice"),
    "wgan": TorchRecipe(shared_latents=False, critic_steps=5, loss="wasserstein", clip=0.01),
    "wgan_gp": TorchRecipe(
        shared_latents=False, critic_steps=5, loss="wasserstein", penalty="gradient", penalty_weight=10.0
    ),
    "best_mnist": _DIGITS,
    "conditional_mnist": _DIGITS,
    "sngan_horses": TorchRecipe(at_once=True, rates=(2e-4, 1.2e-3), **_HORSES),
    "r3gan_horses": TorchRecipe(penalty="zero-centred, of both", penalty_weight=1.0, rates=(2e-4, 6e-4), **_HORSES),
}


class Optimizer(Protocol):
    """What descends on a loss with the weights of one network."""

    count: int
    """Updates so far."""

    def step(self, loss: Tensor, rate: float) -> None:
        """Differentiate the loss by the network's weights and move them."""


class TorchAdam:
    """torch.optim.Adam."""

    def __init__(self, network: nn.Module, betas: tuple[float, float], fused: bool | None = None):
        self.weights = list(network.parameters())
        self.adam = torch.optim.Adam(self.weights, 2e-4, betas, fused=fused)
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
        Makes the optimizer of a network with Adam's betas.
    schedule_steps : int
        Length of the learning-rate schedule.
    dtype : torch.dtype
        Precision of everything.
    """

    def __init__(
        self,
        recipe: str,
        optimizer: Callable[[nn.Module, tuple[float, float]], Optimizer],
        schedule_steps: int,
        dtype: torch.dtype = torch.float32,
    ):
        self.plan, self.dtype, self.schedule_steps = RECIPES[recipe], dtype, schedule_steps
        self.generator, self.critic = (network.to(dtype).train() for network in networks(recipe))
        self.g_optimizer, self.d_optimizer = (
            optimizer(network, self.plan.betas) for network in (self.generator, self.critic)
        )
        self.average = copy.deepcopy(self.generator) if self.plan.average else None

    def draw(self, array: np.ndarray) -> Tensor:
        """Return an array as a tensor."""
        return torch.from_numpy(array).to(self.dtype)

    def step(self, stream: BatchStream, seed: int, batch_size: int, step: int) -> dict[str, float]:
        """Do step `step` with the draws that ms_gan makes from `seed`; return its losses."""

        def draws(index: int) -> list[np.ndarray]:
            real, latents = stream.batch(index), d_latents(seed, index, batch_size, 100)
            noise = penalty_noise(seed, index, (batch_size, 1, 1, 1))
            if not self.plan.classes:
                return [real, latents, noise]
            numbers = stream.classes(index)
            # As ms_gan has them: a one for the logit that all classes share, and one for the class's own.
            classes = np.pad(one_hot(numbers, self.plan.classes), ((0, 0), (1, 0)), constant_values=1)
            return [real, asking(latents, numbers, self.plan.classes), noise, classes]

        last = (step + 1) * self.plan.critic_steps - 1
        for index in range(step * self.plan.critic_steps, last):
            self.critic_step(*draws(index))
        if self.plan.shared_latents:
            return self.joint_step(*draws(last))
        record = self.critic_step(*draws(last))
        return record | {"g_loss": self.generator_step(g_latents(seed, step, batch_size, 100))}

    def joint_step(
        self, real: np.ndarray, latents: np.ndarray, noise: np.ndarray, *classes: np.ndarray
    ) -> dict[str, float]:
        """Update both from the same latents, whose images are made once; return what both report."""
        fake, of_step = self.generator(self.draw(latents)), [self.draw(array) for array in classes]
        images = self.draw(real)
        record = self._update_critic(images, fake.detach(), self.draw(noise), of_step)
        return record | {"g_loss": self._update_generator(fake, images, of_step)}

    def generator_step(self, latents: np.ndarray) -> float:
        """Update the generator, where neither pairs nor classes play a part; return its loss."""
        return self._update_generator(self.generator(self.draw(latents)), None, [])

    def critic_step(self, real: np.ndarray, latents: np.ndarray, noise: np.ndarray) -> dict[str, float]:
        """Update the discriminator or critic, where classes play no part; return what it reports."""
        with torch.no_grad():
            fake = self.generator(self.draw(latents))
        return self._update_critic(self.draw(real), fake, self.draw(noise), [])

    def _scores(self, images: Tensor, classes: list[Tensor]) -> Tensor:
        """Return the scores of images, of their classes where the discriminator knows such."""
        scores = self.critic(images)
        if not classes:
            return scores
        number = classes[0][:, 1:].argmax(dim=1, keepdim=True)
        return scores[:, :1] + scores.gather(1, 1 + number)

    def _update_generator(self, fake: Tensor, real: Tensor | None, classes: list[Tensor]) -> float:
        # The real images first, as in ms_gan: each use of the critic makes a power iteration.
        real_scores = self._scores(real, classes) if self.plan.loss == "pairs" else None
        scores = self._scores(fake, classes)
        if real_scores is not None:
            loss = functional.softplus(real_scores - scores).mean()
        elif self.plan.loss == "cross_entropy":
            loss = _cross_entropy(scores, 1.0)
        else:
            loss = -scores.mean()
        self.g_optimizer.step(loss, self._rate(self.plan.rates[0], self.g_optimizer.count))
        if self.average is not None:
            self._follow(self.g_optimizer.count - 1)
        return loss.item()

    @torch.no_grad()
    def _follow(self, update: int) -> None:
        share = 1 - min(self.plan.average, (1 + update) / (10 + update))
        new = self.generator.state_dict()
        for name, mean in self.average.state_dict().items():
            if mean.is_floating_point():
                mean.lerp_(new[name], share)

    def _update_critic(self, real: Tensor, fake: Tensor, noise: Tensor, classes: list[Tensor]) -> dict[str, float]:
        return self._in_turn(real, fake) if self.plan.in_turn else self._together(real, fake, noise, classes)

    def _rate(self, rate: float, update: int) -> float:
        done, end = update / self.schedule_steps, self.plan.rates_end
        factors = {
            "constant": 1.0,
            "halved twice": 0.5 ** min(math.floor(3 * done + 1e-9), 2),
            "cosine": end + (1 - end) * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))),
            "linear": end + (1 - end) * (1 - min(done, 1.0)),
        }
        return rate * factors[self.plan.schedule]

    def _in_turn(self, real: Tensor, fake: Tensor) -> dict[str, float]:
        real_scores = self.critic(real)
        real_loss = _cross_entropy(real_scores, 1.0)
        self.d_optimizer.step(real_loss, 2e-4)
        fake_scores = self.critic(fake)
        fake_loss = _cross_entropy(fake_scores, 0.0)
        self.d_optimizer.step(fake_loss, 2e-4)
        right = (real_scores.sigmoid() > 0.5).float().mean() + (fake_scores.sigmoid() < 0.5).float().mean()
        return {"d_loss": (real_loss + fake_loss).item() / 2, "d_accuracy": right.item() / 2}

    def _together(self, real: Tensor, fake: Tensor, noise: Tensor, classes: list[Tensor]) -> dict[str, float]:
        if self.plan.at_once:
            real_scores, fake_scores = self._scores(torch.cat((real, fake)), classes).chunk(2)
        else:  # a discriminator with BatchNorm sees the real and the fake batch one after the other, not mixed
            real_scores, fake_scores = self._scores(real, classes), self._scores(fake, classes)
        loss = self._critic_loss(real_scores, fake_scores)
        # Scores of pairs have no zero.
        shown = {} if self.plan.loss == "pairs" else {"d_real": real_scores, "d_fake": fake_scores}
        if self.plan.loss == "cross_entropy":
            shown = {name: scores.sigmoid() for name, scores in shown.items()}
        record = {name: scores.mean().item() for name, scores in shown.items()}
        penalty = self._penalty(real, fake, noise, classes)
        self.d_optimizer.step(loss + penalty, self._rate(self.plan.rates[1], self.d_optimizer.count))
        if self.plan.clip is not None:
            with torch.no_grad():
                for weight in self.critic.parameters():
                    weight.clamp_(-self.plan.clip, self.plan.clip)
        return record | {"d_loss": loss.item(), "penalty": penalty.item()}

    def _critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        if self.plan.loss == "wasserstein":
            return fake.mean() - real.mean()
        if self.plan.loss == "pairs":
            return functional.softplus(fake - real).mean()
        return _cross_entropy(real, 1.0) + _cross_entropy(fake, 0.0)

    def _penalty(self, real: Tensor, fake: Tensor, noise: Tensor, classes: list[Tensor]) -> Tensor:
        if self.plan.penalty is None:
            return torch.zeros(())
        if self.plan.penalty == "gradient":
            slopes = self._slopes((1 - noise) * real + noise * fake, classes)
            return self.plan.penalty_weight * ((slopes.norm(dim=1) - 1) ** 2).mean()
        places = [real, fake] if self.plan.penalty == "zero-centred, of both" else [real]
        return self.plan.penalty_weight / 2 * sum((self._slopes(at, classes) ** 2).sum(dim=1).mean() for at in places)

    def _slopes(self, images: Tensor, classes: list[Tensor]) -> Tensor:
        """Return the derivative of each image's score, (N, values), at the images."""
        images = images.detach().requires_grad_()
        scores = self._scores(images, classes)
        return torch.autograd.grad(scores.sum(), images, create_graph=True)[0].flatten(1)


def _cross_entropy(scores: Tensor, label: float) -> Tensor:
    return functional.binary_cross_entropy_with_logits(scores, torch.full_like(scores, label))
