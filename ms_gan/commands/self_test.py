"""`ms-gan doctor --self-test`: every recipe for a few steps in both modes, held against the CPU, in one table."""

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import ms_gan
from ms_gan.commands.compare import ways_for
from ms_gan.commands.compare_report import agreement
from ms_gan.commands.compare_trials import LOG_EVERY, Trial, Way, run_train
from ms_gan.config import Config, config_text, load_config, recipe_names
from ms_gan.device import DeviceChoice, choose_device, describe_machine
from ms_gan.errors import UserError
from ms_gan.files import write_atomically

# Small batches of the built-in digits: what is tested is the arithmetic, not the data.
_SETTINGS = ("data.source=builtin", "data.folder=null", "data.classes=[]", "batch_size=16", "tensorboard=false")
# On Ascend products are rounded to 11 bits of mantissa (HF32): see docs/ascend-audit.md, "Self-test".
LOSS_TOLERANCE = 0.05
_MACHINE = ("mindspore", "cann", "python", "numpy", "platform", "cpu", "cores")


@dataclass(frozen=True)
class Row:
    """A recipe's line of the table: ms/step by way, what was found, and whether that is right."""

    recipe: str
    times: dict[str, float]
    findings: tuple[str, ...]
    right: bool


def self_test(
    recipes: Sequence[str] = (),
    *,
    steps: int = 20,
    device: str = "auto",
    require_ascend: bool = False,
    announce: Callable[[str], object] = print,
) -> bool:
    """Run recipes in both modes, each run in a process of its own, and print one table.

    On the CPU both modes must end with the same bits. On Ascend every run is held against the CPU's: no loss may
    differ by more than `LOSS_TOLERANCE` of its size (of 1, where it is smaller).

    Parameters
    ----------
    recipes : sequence of str
        Recipes or YAML files; empty: every recipe.
    steps : int
        Steps of each run, at least 5.
    device, require_ascend
        As for :func:`ms_gan.train`.
    announce : callable
        Where the lines go; the table, in Markdown, comes last.

    Returns
    -------
    bool
        Whether every run ended and agreed.

    Raises
    ------
    UserError
        If the number of steps is out of range, a recipe is unknown, or there is no device.
    """
    if not LOG_EVERY <= steps <= 10_000:
        raise UserError(f"doctor --self-test: --steps must be from {LOG_EVERY} to 10,000")
    configs = [load_config(recipe, _SETTINGS) for recipe in recipes or recipe_names()]
    choice = choose_device(device, require_ascend, announce=announce)
    rows = []
    for config in configs:
        announce(f"{config.recipe}: {steps} steps in each mode ...")
        rows.append(_try(config, steps, choice.target))
    announce("")
    announce(report(rows, steps, choice))
    return all(row.right for row in rows)


def _try(config: Config, steps: int, target: str) -> Row:
    """Run one recipe in every way; what goes wrong is its finding, and the others go on."""
    ways = [(way, target) for way in ways_for(target, stock=False)]
    if target != "CPU":
        # First what the others are held against.
        ways.insert(0, (Way("cpu", "CPU graph", ("--mode", "graph")), "CPU"))
    trials: dict[str, Trial] = {}
    with tempfile.TemporaryDirectory(prefix="ms_gan-self-test-") as folder:
        recipe = Path(folder) / "config.yaml"
        write_atomically(recipe, config_text(dataclasses.replace(config, epochs=None, steps=steps, minutes=None)))
        try:
            for way, where in ways:
                trials[way.title] = run_train(recipe, way, steps, Path(folder) / way.name, where)
        except UserError as error:
            return Row(config.recipe, _times(trials), (str(error).replace("|", "/"),), False)
    return judge(config.recipe, trials, exact=target == "CPU")


def _times(trials: dict[str, Trial]) -> dict[str, float]:
    return {title: trial.timing["ms_per_step"] for title, trial in trials.items()}


def judge(recipe: str, trials: dict[str, Trial], exact: bool) -> Row:
    """Hold every other trial against the first.

    Parameters
    ----------
    recipe : str
        Its name.
    trials : dict
        At least two, by title.
    exact : bool
        Whether they must end with the same bits, or with losses within `LOSS_TOLERANCE`.
    """
    (reference, first), *others = trials.items()
    findings, right = [], True
    for title, trial in others:
        if exact:
            found = agreement(first, trial)
            same = found["same_bits"]
            text = "the same bits" if same else f"DIFFERENT bits, parameters differ by {found['parameters']:.3g}"
        else:
            difference = loss_difference(first, trial)
            # NaN agrees with nothing.
            same = difference <= LOSS_TOLERANCE
            text = f"losses {'agree' if same else 'DISAGREE'} ({100 * difference:.2g} %)"
        findings.append(f"{title} and {reference}: {text}")
        right = right and same
    return Row(recipe, _times(trials), tuple(findings), right)


def loss_difference(one: Trial, other: Trial) -> float:
    """Return the largest difference of losses, as a share of the first trial's (of 1, where that is smaller)."""
    differences = [
        abs(left[key] - right[key]) / max(1.0, abs(left[key]))
        for left, right in zip(one.history, other.history, strict=True)
        for key in ("d_loss", "g_loss")
    ]
    # max() would lose a NaN that does not come first.
    return max(differences) if all(difference == difference for difference in differences) else float("nan")


def report(rows: Sequence[Row], steps: int, choice: DeviceChoice) -> str:
    """Return machine and table in Markdown, to be pasted into an issue."""
    machine = describe_machine()
    device = f"Ascend {choice.device_id}" if choice.target == "Ascend" else "CPU"
    about = ", ".join(f"{name} {machine[name]}" for name in _MACHINE if machine[name])
    rule = (
        "both modes must end with the same bits"
        if choice.target == "CPU"
        else f"no loss may differ from the CPU's by more than {100 * LOSS_TOLERANCE:.0f} %"
    )
    titles = list(dict.fromkeys(title for row in rows for title in row.times))
    lines = [
        f"ms_gan {ms_gan.__version__} self-test on {device} ({about}): {steps} steps of each recipe; {rule}.",
        "",
        f"| recipe | {''.join(f'{title}, ms/step | ' for title in titles)}agreement | verdict |",
        f"|---|{'---:|' * len(titles)}---|---|",
    ]
    for row in rows:
        times = [f"{row.times[title]:.1f}" if title in row.times else "-" for title in titles]
        lines.append(
            f"| {' | '.join([row.recipe, *times, '; '.join(row.findings), 'ok' if row.right else 'FAILED'])} |"
        )
    failed = [row.recipe for row in rows if not row.right]
    lines += ["", f"FAILED: {', '.join(failed)}." if failed else "All recipes agree."]
    return "\n".join(lines)
