"""Who plays: generator and discriminator, their optimizers, and the average of the generator."""

from dataclasses import dataclass

from mindspore import nn

from ms_gan.training.average import MovingAverage


@dataclass(frozen=True)
class Players:
    """The two networks and their optimizers, and the average of G where the run has one."""

    generator: nn.Cell
    discriminator: nn.Cell
    generator_optimizer: nn.Cell
    discriminator_optimizer: nn.Cell
    average: MovingAverage | None = None

    def networks(self) -> dict[str, nn.Cell]:
        """Return the networks that are saved, by the names of their checkpoints."""
        found = {"Generator": self.generator, "Discriminator": self.discriminator}
        return found | ({"GeneratorEMA": self.average.network} if self.average else {})

    def drawing(self) -> nn.Cell:
        """Return the generator that pictures are drawn with."""
        return self.average.network if self.average else self.generator

    def cells(self) -> tuple[nn.Cell, ...]:
        """Return everything that holds parameters."""
        cells = (self.generator, self.discriminator, self.generator_optimizer, self.discriminator_optimizer)
        return (*cells, self.average) if self.average else cells
