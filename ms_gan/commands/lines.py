"""The numbers of a record in words, for console and log."""

from ms_gan.config import Config
from ms_gan.objectives import LOSSES, PAIRED_LOSSES
from ms_gan.training.plan import Plan


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
    if "distance" in record:
        parts.append(f"distance {record['distance']:8.4f}")
    elif "margin" in record:
        parts.append(f"margin {record['margin']:8.4f}")
        parts.append(f"accuracy {100 * record['d_accuracy']:5.1f} %")
    else:
        parts.append(f"D(real) {record['d_real']:.3f}")
        parts.append(f"D(fake) {record['d_fake']:.3f}")
    if config.updates.real_and_fake == "in_turn":
        parts.append(f"accuracy {100 * record['d_accuracy']:5.1f} %")
    if "penalty" in record:
        parts.append(f"penalty {record['penalty']:7.4f}")
    parts += [f"{name} {record[name]:.4f}" for name in config.evaluation.measures if name in record]
    return "  ".join(parts)


def reading_of(config: Config) -> str:
    """Return the line that tells what the numbers mean."""
    return config.reading or (LOSSES | PAIRED_LOSSES)[config.objective.loss].reading
