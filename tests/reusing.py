"""Compiled steps that several runs in one process share: what the tests of files and faults would wait for otherwise.

A run whose computation was compiled before takes the networks and steps of that one, every parameter set to its own
start. What compiling anew gives is the matter of test_training_modes.py and of the first tests in
test_training_resume.py and test_commands_train.py, which do not use this.
"""

import dataclasses
from collections.abc import Callable

from ms_gan.config import Config
from ms_gan.config.schema import EvaluationConfig, SamplesConfig, SavingConfig

_PLAYERS: dict[str, object] = {}
_STEPS: dict[int, tuple[object, list[str]]] = {}


def _computation(config: Config) -> str | None:
    """Return what is compiled, or None where that is nothing, or in half precision."""
    if config.mode != "graph" or config.precision != "fp32":
        return None
    length = {"epochs": 1, "steps": None, "minutes": None}
    data = dataclasses.replace(config.data, source="auto", folder=None)
    others = {"seed": 0, "log_every": 1, "on_nan": "stop", "max_rollbacks": 3}
    others |= {"samples": SamplesConfig(), "saving": SavingConfig(), "evaluation": EvaluationConfig()}
    return repr(dataclasses.replace(config, data=data, **length, **others))


def reuse(build: Callable, prepare_steps: Callable) -> tuple[Callable, Callable]:
    """Return both functions of the commands so that they take what was compiled before."""
    from mindspore import ops

    from ms_gan.runs.state import player_parameters

    def build_again(config, batches_per_epoch):
        config, players, plan = build(config, batches_per_epoch)
        computation = _computation(config)
        if computation is None:
            return config, players, plan
        known = _PLAYERS.setdefault(computation, players)
        start = player_parameters(players)
        for name, parameter in player_parameters(known).items():
            # Not set_data: compiled steps may go on with the old values.
            ops.assign(parameter, start[name])
        return config, known, plan

    def prepare_again(players, config, image, announce):
        if id(players) not in map(id, _PLAYERS.values()):
            return prepare_steps(players, config, image, announce)
        if id(players) not in _STEPS:
            said: list[str] = []
            _STEPS[id(players)] = prepare_steps(players, config, image, said.append), said
        steps, said = _STEPS[id(players)]
        for line in said:
            announce(line)
        return steps

    return build_again, prepare_again
