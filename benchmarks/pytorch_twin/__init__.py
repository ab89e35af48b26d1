"""The recipes a second time, in PyTorch.

Written from the recipes' numbers, with nothing of ms_gan's networks, objectives or training in it. Only the batches,
their classes, the latents and the penalty's noise come from ms_gan.

Every number here is stated by a recipe or its source, so a change of a config shows as a disagreement in
tests/against_pytorch, where ms_gan's steps are compared with these, number by number. The benchmark times them.
The generator's average is timed only.
"""

from benchmarks.pytorch_twin.game import RECIPES, Game, TorchAdam
from benchmarks.pytorch_twin.networks import networks

__all__ = ["RECIPES", "Game", "TorchAdam", "networks"]
