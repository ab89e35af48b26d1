"""Half precision: products in float16, everything else in float32, with a scaled loss.

The weights stay float32; each product but a network's last one takes inputs and weights rounded to float16. Gradients
that would be too small for float16 are kept by scaling the loss by `SCALE`, here at D's logits: the derivative that
enters there is multiplied, which multiplies every gradient behind it, of D and of G, and the optimizers divide by it.
An update whose gradients are not all finite is skipped, and counted.
"""

import mindspore as ms
from mindspore import Parameter, Tensor, amp, nn, ops

from ms_gan.networks.spectral import SpectralScale
from ms_gan.training.players import Players

SCALE = 1024.0
_PRODUCTS = (nn.Dense, nn.Conv2d, nn.Conv2dTranspose)
# Of spectral normalisation too: the least length that its power iteration divides by would be zero in float16.
_WHOLE = (nn.BatchNorm1d, nn.BatchNorm2d, SpectralScale)


class ScaledLogits(nn.Cell):
    """A critic whose logits pass on their derivative multiplied by `SCALE`."""

    def __init__(self, critic: nn.Cell):
        super().__init__(auto_prefix=False)
        self.critic, self.amplify = critic, Amplifier()

    def construct(self, images: Tensor) -> Tensor:
        """Return the critic's logits."""
        return self.amplify(self.critic(images))


class Amplifier(nn.Cell):
    """Its input; the derivative is multiplied by `SCALE`."""

    def construct(self, values: Tensor) -> Tensor:
        """Return the input."""
        return values

    def bprop(self, values: Tensor, out: Tensor, dout: Tensor) -> tuple[Tensor]:
        """Multiply."""
        return (dout * SCALE,)


class ScaledOptimizer(nn.Cell):
    """An optimizer for gradients of the scaled loss; it counts in ``skipped`` the updates that it did not make."""

    def __init__(self, optimizer: nn.Cell, scaler: amp.LossScaler):
        super().__init__(auto_prefix=False)
        self.optimizer, self.parameters, self.scaler = optimizer, optimizer.parameters, scaler

    def construct(self, gradients: tuple[Tensor, ...]) -> Tensor:
        """Update the parameters if all gradients are finite; return whether they are."""
        gradients = self.scaler.unscale(gradients)
        finite = amp.all_finite(gradients)
        if finite:
            self.optimizer(gradients)
        else:
            ops.assign_add(self.optimizer.skipped, 1)
        return finite


def prepare_half(players: Players) -> None:
    """Make networks that are new compute in half precision, and give their optimizers a count of skipped updates."""
    roles = {"generator": players.generator_optimizer, "discriminator": players.discriminator_optimizer}
    if players.average:
        _round_products(players.average.network)
    for role, optimizer in roles.items():
        _round_products(getattr(players, role))
        # Saved with the rest of the optimizer.
        optimizer.skipped = Parameter(Tensor(0, ms.int32), name=f"{role}_optimizer.skipped", requires_grad=False)


def _round_products(network: nn.Cell) -> None:
    products = [cell for _, cell in network.cells_and_names() if isinstance(cell, _PRODUCTS)]
    for cell in products[:-1]:
        cell.to_float(ms.float16)
    # After those that they are part of: a precision goes down to all that a cell holds.
    for cell in [*products[-1:], *(cell for _, cell in network.cells_and_names() if isinstance(cell, _WHOLE))]:
        cell.to_float(ms.float32)


def scaled(players: Players) -> Players:
    """Return the players as the steps see them in half precision."""
    # One for both: it holds a Parameter, and equal names stop graph mode.
    scaler = amp.StaticLossScaler(SCALE)
    return Players(
        players.generator,
        ScaledLogits(players.discriminator),
        ScaledOptimizer(players.generator_optimizer, scaler),
        ScaledOptimizer(players.discriminator_optimizer, scaler),
        players.average,
    )


def skipped_updates(players: Players) -> int:
    """Return how many updates of D and G were skipped so far because their gradients were not finite."""
    optimizers = (players.generator_optimizer, players.discriminator_optimizer)
    return sum(int(optimizer.skipped.asnumpy()) for optimizer in optimizers if hasattr(optimizer, "skipped"))
