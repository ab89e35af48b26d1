"""What the settings of a configuration have to be, each and together."""

from collections.abc import Mapping
from typing import Any

from ms_gan.config.schema import LARGEST_SIZE, LENGTHS, SHORTEST_FRAME, Config, OptimizerConfig
from ms_gan.errors import UserError

# Far beyond any GAN; a layer between two such lengths is 1 GB of weights, and Adam keeps it three times.
_WIDEST = 16_384

_NO_PENALTY = ("objective.penalty_weight", 0)


def show(value: Any) -> str:
    """Return a value on one line, at most 60 characters of it."""
    try:
        text = repr(value).replace("\n", " ")
    except ValueError:  # Python does not write out whole numbers of more than 4,300 digits
        text = "a very long number"
    return text if len(text) <= 60 else f"{text[:57]}..."


def check(config: Config) -> None:
    """Raise UserError for a value or a combination of values that cannot be."""
    given = [key for key in LENGTHS if getattr(config, key) is not None]
    if len(given) != 1:
        found = " and ".join(given) or "none of them"
        raise UserError(f"config: set exactly one of epochs, steps and minutes; found {found}")
    if len(set(config.data.class_names)) < len(config.data.class_names):
        raise UserError(f"config data.class_names: {', '.join(config.data.class_names)} has a name twice")
    _at_least(config, 1, "epochs", "steps", "batch_size", "log_every", "latent.size", "updates.d_steps")
    _at_least(config, 1, "objective.penalty_every", "updates.accumulate")
    _at_least(config, 1, "samples.every", "samples.rows", "samples.columns", "data.size")
    _at_least(config, 1, "data.images_per_epoch", "saving.networks_every", "saving.networks_keep")
    _at_least(config, 1, "saving.state_every", "evaluation.every", "max_rollbacks")
    _at_least(config, 2, "evaluation.images")
    _at_least(config, 0, "seed", "samples.seed", "objective.penalty_weight")
    _at_least(config, SHORTEST_FRAME, "samples.seconds_per_frame")
    _above_zero(config, "minutes", "objective.clip")
    _check_lazy(config)
    _check_accumulation(config)
    if len(set(config.augmentation)) < len(config.augmentation):
        raise UserError(f"config augmentation: {', '.join(config.augmentation)} names one of them twice")
    if not 0 < config.augmentation_share <= 1:
        raise UserError(f"config augmentation_share: {config.augmentation_share} is not in (0, 1]")
    if not 0 <= config.ema.decay < 1:
        raise UserError(f"config ema.decay: {config.ema.decay} is not in [0, 1)")
    for role in ("generator_optimizer", "discriminator_optimizer"):
        _check_optimizer(config, role)
    _check_schedules(config)
    for role in ("generator", "discriminator"):
        for key, value in getattr(config, role).options.items():
            for entry in value if isinstance(value, list | tuple) else [value]:
                _at_most(_WIDEST, entry, f"{role}.options.{key}")
    _at_most(_WIDEST, config.latent.size, "latent.size")
    _at_most(LARGEST_SIZE, config.data.size, "data.size")
    if config.data.channels not in (None, 1, 3):
        raise UserError(f"config data.channels: {config.data.channels} is neither 1 (grey) nor 3 (colour)")
    if config.objective.penalty != "none" and config.updates.real_and_fake == "in_turn":
        raise UserError("config objective.penalty: needs updates.real_and_fake: together")
    if config.objective.penalty != "none" and config.discriminator.options.get("spectral"):
        raise UserError(
            "config objective.penalty: goes without discriminator.options.spectral, whose power iteration moves while "
            "the penalty is differentiated"
        )
    if config.objective.kind == "pairs" and config.updates.real_and_fake == "in_turn":
        raise UserError(
            f"config objective.loss: {config.objective.loss} compares pairs; it needs updates.real_and_fake: together"
        )
    if config.objective.penalty != "none" and config.precision == "fp16":
        raise UserError(
            f"config precision: fp16 goes without a penalty: the penalty {config.objective.penalty} is made of "
            "gradients, which the scaled loss would scale; set precision: fp32"
        )
    if config.seed >= 2**32 or config.samples.seed >= 2**32:
        raise UserError("config seed: must be below 4294967296")


def check_effect(config: Config, given: Mapping[str, Any]) -> None:
    """Raise UserError for a setting that beside the others has no effect.

    Apart from :func:`check`, so that a run of before such a check can still be read. `given` are the dotted keys, with
    their values, that were written for this configuration: of :func:`idle_settings` only these are refused, since the
    others are inherited from a base or a default. Nothing is asked for by none, an empty list or a penalty of weight 0.
    """
    if config.augmentation_share < 1 and not config.augmentation:
        raise UserError("config augmentation_share: goes with an augmentation, and augmentation is empty; set it to 1")
    for role in ("generator_optimizer", "discriminator_optimizer"):
        section: OptimizerConfig = getattr(config, role)
        if section.momentum and section.name == "adam":
            raise UserError(f"config {role}.momentum: adam takes beta1 instead; set it to 0, or name: rmsprop or sgd")
    idle = idle_settings(config)
    nothing = [key for key, value in given.items() if value in (None, [], ()) or (key, value) == _NO_PENALTY]
    for key in [key for key in given if key in idle and key not in nothing]:
        cause = _lookup(config, idle[key])
        told = "null" if cause is None else show(list(cause)) if isinstance(cause, tuple) else cause
        raise UserError(f"config {key}: changes nothing, since {idle[key]} is {told}; leave it out, or change that too")
    check_penalty_is_reached(config, config.steps)


def idle_settings(config: Config) -> dict[str, str]:
    """Return the dotted keys that change nothing, each with the key whose value is why."""
    idle = {"objective.penalty_weight": "objective.penalty"} if config.objective.penalty == "none" else {}
    if config.updates.d_steps == 1 and not config.updates.fresh_batch:
        idle["updates.fresh_batch"] = "updates.d_steps"
    if config.data.classes and config.data.prefer_classes:
        idle["data.prefer_classes"] = "data.classes"
    if config.on_nan == "stop":
        idle["max_rollbacks"] = "on_nan"
    # With saving.best this is refused in another line.
    if config.evaluation.every is None and config.saving.best is None:
        # Not evaluation.images: a resume may begin to measure, but cannot change with how many.
        idle["evaluation.measures"] = "evaluation.every"
    for role in ("generator_optimizer", "discriminator_optimizer"):
        section: OptimizerConfig = getattr(config, role)
        others = {"adam": ("decay",), "rmsprop": ("beta1", "beta2"), "sgd": ("beta1", "beta2", "decay")}
        idle |= dict.fromkeys([f"{role}.{key}" for key in others[section.name]], f"{role}.name")
        unused = {"constant": ("lr_end", "lr_steps", "lr_drops"), "step": ()}.get(section.schedule, ("lr_drops",))
        idle |= dict.fromkeys([f"{role}.{key}" for key in unused], f"{role}.schedule")
    return idle


def check_penalty_is_reached(config: Config, steps: int | None) -> None:
    """Raise UserError where the first lazy penalty would come after the end of a run of so many steps.

    None: its length in steps is not known (yet).
    """
    every = config.objective.penalty_every
    if steps is not None and steps * config.updates.d_steps < every:
        raise UserError(
            f"config objective.penalty_every: {every} is never reached in the {steps * config.updates.d_steps} D steps "
            "of the run; give a smaller one, or a longer run"
        )


def _check_lazy(config: Config) -> None:
    if config.objective.penalty_every > 1 and config.objective.penalty == "none":
        raise UserError("config objective.penalty_every: goes with a penalty, and objective.penalty is none")


def _check_accumulation(config: Config) -> None:
    parts = config.updates.accumulate
    if config.batch_size % parts:
        raise UserError(f"config updates.accumulate: batch_size {config.batch_size} has no {parts} equal parts")
    if parts > 1 and config.objective.penalty == "dragan":
        raise UserError(
            "config updates.accumulate: the penalty dragan takes its noise from the deviation of the whole batch; "
            "choose another penalty"
        )


def _check_optimizer(config: Config, role: str) -> None:
    _above_zero(config, f"{role}.lr", f"{role}.lr_steps", f"{role}.clip_norm")
    _at_least(config, 0, f"{role}.lr_end", f"{role}.lr_warmup")
    _at_least(config, 1, f"{role}.lr_drops")
    section: OptimizerConfig = getattr(config, role)
    if section.schedule == "step" and section.lr_end == 0:
        raise UserError(f"config {role}.lr_end: of 0 nothing is learnt after the first drop; give a factor such as 0.1")
    for key in ("beta1", "beta2", "decay", "momentum"):
        if not 0 <= getattr(section, key) < 1:
            raise UserError(f"config {role}.{key}: {getattr(section, key)} is not in [0, 1)")
    if section.beta2 == 0:
        raise UserError(f"config {role}.beta2: must be above 0; of 0 Adam's rounding would leave nothing to divide by")
    if section.clip_norm is not None and config.precision == "fp16":
        raise UserError(f"config {role}.clip_norm: goes with precision: fp32; those of a scaled loss are longer")


def _check_schedules(config: Config) -> None:
    sections = {role: getattr(config, role) for role in ("generator_optimizer", "discriminator_optimizer")}
    endless = [
        role for role, section in sections.items() if section.schedule != "constant" and section.lr_steps is None
    ]
    if endless and config.minutes is not None:
        raise UserError(
            f"config {endless[0]}.schedule: how many steps minutes have is not known; set after how many the rate has "
            f"fallen, such as --set {' '.join(f'{role}.lr_steps=10000' for role in endless)}"
        )


def _lookup(config: Config, path: str) -> Any:
    value: Any = config
    for key in path.split("."):
        value = getattr(value, key)
    return value


def _at_least(config: Config, least: float, *paths: str) -> None:
    for path in paths:
        value = _lookup(config, path)
        if value is not None and value < least:
            raise UserError(f"config {path}: {show(value)} is too small, the least is {least}")


def _at_most(most: int, value: Any, where: str) -> None:
    if isinstance(value, int | float) and value > most:
        # As text within quotes: a key of a network's options may be any text, with line ends too.
        raise UserError(f"config {show(where)[1:-1]}: {show(value)} is too large, the most is {most}")


def _above_zero(config: Config, *paths: str) -> None:
    for path in paths:
        value = _lookup(config, path)
        if value is not None and value <= 0:
            raise UserError(f"config {path}: {show(value)} must be above 0")
