"""What D says of the real and the fake images of a step, and the penalty: images together where they can be."""

from collections.abc import Callable

import mindspore as ms
from mindspore import Tensor, nn, ops

from ms_gan.objectives import PENALTIES
from ms_gan.objectives.penalties import squared_norms
from ms_gan.training.conditions import chosen, make_judge

# (real, fake, penalty noise, and what tells the classes) -> (logits of real (N, 1), logits of fake (N, 1), penalty ()).
Judgement = Callable[..., tuple[Tensor, Tensor, Tensor]]


def make_judgement(critic: nn.Cell, penalty: str) -> Judgement:
    """Return what judges both batches, with the penalty of that name ("none" for zero)."""
    apart = has_batch_norm(critic)
    if penalty == "r1_r2" and not apart:
        return _judge_with_slopes(critic)
    judge = _judge_apart(critic) if apart else _judge_at_once(critic)
    penalty_of, judge_one, nothing = PENALTIES.get(penalty), make_judge(critic), Tensor(0.0, ms.float32)

    def judgement(real: Tensor, fake: Tensor, noise: Tensor, *choice: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        real_logits, fake_logits = judge(real, fake, *choice)
        if penalty_of is None:
            return real_logits, fake_logits, nothing
        return real_logits, fake_logits, penalty_of(judge_one, real, fake, noise, *choice)

    return judgement


def has_batch_norm(network: nn.Cell) -> bool:
    """Tell whether a network has batch normalisation: what it makes of an image depends on the others in the batch."""
    return any(name.endswith("moving_mean") for name in network.parameters_dict())


def _judge_apart(critic: nn.Cell) -> Callable[..., tuple[Tensor, Tensor]]:
    def judge(real: Tensor, fake: Tensor, *choice: Tensor) -> tuple[Tensor, Tensor]:
        return chosen(critic(real), *choice), chosen(critic(fake), *choice)

    return judge


def _judge_at_once(critic: nn.Cell) -> Callable[..., tuple[Tensor, Tensor]]:
    """Return what `_judge_apart` does, to rounding, by half as many and larger products.

    With spectral normalisation that is one power iteration instead of two.
    """

    def judge(real: Tensor, fake: Tensor, *choice: Tensor) -> tuple[Tensor, Tensor]:
        count = real.shape[0]
        logits = critic(ops.concat((real, fake)))
        return chosen(logits[:count], *choice), chosen(logits[count:], *choice)

    return judge


def _judge_with_slopes(critic: nn.Cell) -> Judgement:
    """Return the judgement with R1 + R2, whose images are those that the loss is of: in one pass forward and one back.

    A penalty by itself judges them again, and sends zeros back through that. R1 alone stays apart: with a pass for the
    real and another for the fake images, graph mode and PyNative add the gradients up in different orders.
    """

    def judgement(real: Tensor, fake: Tensor, noise: Tensor, *choice: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        count = real.shape[0]
        logits, pull_back = ms.vjp(critic, ops.concat((real, fake)))
        towards = ops.ones_like(logits) if len(choice) == 0 else ops.concat((choice[0], choice[0]))
        return (
            chosen(logits[:count], *choice),
            chosen(logits[count:], *choice),
            # The mean over both batches is half of R1 + R2.
            squared_norms(pull_back(towards)[0]).mean(),
        )

    return judgement
