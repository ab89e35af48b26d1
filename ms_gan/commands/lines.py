"""The numbers of a record in words, for console and log."""

from ms_gan.config import Config
from ms_gan.objectives import LOSSES, PAIRED_LOSSES
from ms_gan.training.plan import Plan

_IN_TURN = (
    " loss_d and accuracy are means of D's updates on real and on fake images; accuracy is 50 % where D cannot tell "
    "them apart, and near 100 % for long means that D wins."
)
_SCORES_IN_TURN = " loss_d is the mean of D's updates on real and on fake images."  # they have no zero, so no accuracy


def describe_record(config: Config, plan: Plan, record: dict[str, float]) -> str:
    """Return the numbers of a record as one aligned piece of text."""
    total = plan.total_steps
    width = len(str(total)) if total else 6
    parts = [
        f"epoch {record['epoch']:3d}",
        f"step {record['step']:{width}d}" + (f"/{total}" if total else ""),
        f"loss_d {record['d_loss']:7.4f}",
        f"loss_g {record['g_loss']:7.4f}",
    ]
    parts += _watched(record, "8.4f", ".3f")
    if "margin" in record or (config.updates.real_and_fake == "in_turn" and "distance" not in record):
        parts.append(f"accuracy {100 * record['d_accuracy']:5.1f} %")
    if "penalty" in record:
        parts.append(f"penalty {record['penalty']:7.4f}")
    parts += [f"{name} {record[name]:.4f}" for name in config.evaluation.measures if name in record]
    return "  ".join(parts)


def describe_briefly(record: dict[str, float]) -> str:
    """Return what of a record goes beside a progress bar, what is to be watched first: a narrow terminal cuts it."""
    losses = (f"loss_d {record['d_loss']:.3f}", f"loss_g {record['g_loss']:.3f}")
    return " ".join((*_watched(record, ".3f", ".2f"), *losses))


def _watched(record: dict[str, float], difference: str, answer: str) -> list[str]:
    """Return what :func:`reading_of` says to watch: a difference of D's scores, or its answers, in these formats."""
    for name in ("distance", "margin"):
        if name in record:
            return [f"{name} {record[name]:{difference}}"]
    return [f"D(real) {record['d_real']:{answer}}", f"D(fake) {record['d_fake']:{answer}}"]


def reading_of(config: Config) -> str:
    """Return the line that tells what the numbers mean."""
    if config.reading:
        return config.reading
    name = config.objective.loss
    if name in PAIRED_LOSSES:
        return PAIRED_LOSSES[name].reading
    loss, in_turn = LOSSES[name], config.updates.real_and_fake == "in_turn"
    text = loss.reading.format(loss_d=f"{loss.even * (0.5 if in_turn else 1):.3g}")
    if not in_turn:
        return text
    return text + (_SCORES_IN_TURN if config.objective.kind == "wasserstein" else _IN_TURN)
