"""States: whole, or recognised as damaged."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_folders import states

from ms_gan.errors import UserError


def _players(ms, width=3):
    from ms_gan.config import OptimizerConfig
    from ms_gan.training.optimizers import build_optimizer
    from ms_gan.training.steps import Players

    def network(name):
        net = ms.nn.Dense(2, width)
        net.update_parameters_name(f"{name}.")
        return net

    g, d = network("g"), network("d")
    optimizers = [
        build_optimizer(role, net.trainable_params(), OptimizerConfig(), 1)
        for role, net in (("generator", g), ("discriminator", d))
    ]
    return Players(g, d, *optimizers)


def _numbers(players):
    from ms_gan.runs.state import player_parameters

    return {name: parameter.asnumpy().copy() for name, parameter in player_parameters(players).items()}


@pytest.fixture(scope="module")
def saved(mindspore_cpu, tmp_path_factory):
    """Give players and a run folder with three of their states saved, of which two are kept."""
    from ms_gan.runs.state import save_state
    from ms_gan.training.loop import Position

    players, run = _players(mindspore_cpu), tmp_path_factory.mktemp("states")
    for step in (1, 2, 3):
        save_state(run / "checkpoints", players, Position(step, step / 3))
    return players, run


def test_newest_two_are_kept_and_nothing_half_written(saved):
    _, run = saved
    names = sorted(path.name for path in (run / "checkpoints").iterdir())
    assert names == ["state-00000002", "state-00000003"]


def test_state_comes_back_to_the_bit(saved, mindspore_cpu):
    from ms_gan.runs.state import find_state, load_state

    players, run = saved
    others = _players(mindspore_cpu)
    ours, theirs = _numbers(players), _numbers(others)
    assert not all(np.array_equal(a, b) for a, b in zip(ours.values(), theirs.values(), strict=True))
    state = find_state(run / "checkpoints", pytest.fail)
    load_state(state, others)
    assert (state.position.step, state.position.seconds) == (3, 1.0)
    theirs = _numbers(others)
    assert ours.keys() == theirs.keys()
    assert all(ours[name].tobytes() == theirs[name].tobytes() for name in ours)


def test_state_of_other_networks_is_refused(saved, mindspore_cpu):
    from ms_gan.runs.state import find_state, load_state

    state = find_state(saved[1] / "checkpoints", pytest.fail)
    with pytest.raises(UserError, match=r"is of other networks \(.* has shape \(3, 2\), expected \(4, 2\)\)"):
        load_state(state, _players(mindspore_cpu, width=4))


@given(st.sampled_from(["parameters.npz", "position.json"]), st.integers(0), st.integers(0, 7), st.sampled_from("fct"))
def test_damage_is_never_loaded(saved, tmp_path_factory, file, place, bit, how):
    from ms_gan.runs.state import find_state

    folder = tmp_path_factory.getbasetemp() / "damaged"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(states(saved[1])[-1], folder / "state-00000003")
    path = folder / "state-00000003" / file
    content = bytearray(path.read_bytes())
    place %= len(content)
    if how == "f":
        content[place] ^= 1 << bit
    elif how == "c":
        del content[place:]
    else:
        content[place:place] = b"x"
    path.write_bytes(content)
    said = []
    state = find_state(folder, said.append)
    if state is None:
        assert "damaged" in said[0]
    else:  # a bit that JSON does not mind, such as that of a space
        assert (state.position.step, state.position.seconds) == (3, 1.0)
        assert file == "position.json"


@given(st.binary(max_size=80) | st.sampled_from([b"[" * 9000, b"{}", b"[1]", b'{"sha256": 3}', b"null"]))
def test_any_bytes_as_position(saved, tmp_path_factory, content):
    from ms_gan.runs.state import find_state

    folder = tmp_path_factory.getbasetemp() / "any"
    (folder / "state-00000009").mkdir(parents=True, exist_ok=True)
    (folder / "state-00000009" / "position.json").write_bytes(content)
    shutil.copy(states(saved[1])[-1] / "parameters.npz", folder / "state-00000009")
    assert find_state(folder, str) is None


def test_pickled_arrays_are_not_run(saved, tmp_path):
    from ms_gan.runs.sealed import file_digest
    from ms_gan.runs.state import State, find_state, load_state
    from ms_gan.runs.stored import seal_of

    folder = tmp_path / "state-00000003"
    shutil.copytree(states(saved[1])[-1], folder)
    np.savez(folder / "parameters.npz", **{name: np.array([print], object) for name in _numbers(saved[0])})
    content = {"step": 3, "seconds": 1.0}
    digest = seal_of(content, file_digest(folder / "parameters.npz"))
    (folder / "position.json").write_text(json.dumps(content | {"sha256": digest}))
    state = find_state(tmp_path, pytest.fail)
    assert isinstance(state, State)
    with pytest.raises(UserError, match="cannot be read"):
        load_state(state, saved[0])


def test_the_last_state_that_was_due_is_kept_beside_those_of_signals(mindspore_cpu, tmp_path):
    from ms_gan.runs.state import find_state, save_state
    from ms_gan.training.loop import Position

    players = _players(mindspore_cpu)
    for step, due in ((10, True), (20, True), (21, False), (22, False), (23, False)):
        save_state(tmp_path, players, Position(step), {"due": due})
    assert [path.name for path in sorted(tmp_path.iterdir())] == [f"state-{step:08d}" for step in (20, 22, 23)]
    assert find_state(tmp_path, pytest.fail, lambda about: about["due"]).position.step == 20
    save_state(tmp_path, players, Position(30, rollbacks=2), {"due": True})
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["state-00000023", "state-00000030"]
    assert find_state(tmp_path, pytest.fail).position.rollbacks == 2


def test_copies_in_a_state_are_checked_and_do_not_change_with_the_original(mindspore_cpu, tmp_path):
    from ms_gan.runs.state import find_state, save_state
    from ms_gan.training.loop import Position

    history, best = tmp_path / "history.jsonl", tmp_path / "GeneratorBest.ckpt"
    history.write_text("one\n")
    best.write_text("first")
    save_state(tmp_path, _players(mindspore_cpu), Position(5), {"note": 3}, [history, best])
    history.write_text("one\ntwo\n")
    best.write_text("second")  # in place, as a failing disk would
    state = find_state(tmp_path, pytest.fail)
    assert state.about["note"] == 3
    assert state.file("history.jsonl").read_text() == "one\n"
    assert state.file("GeneratorBest.ckpt").read_text() == "first"
    assert state.file("config.yaml") is None
    state.file("history.jsonl").write_text("oNe\n")
    said = []
    assert find_state(tmp_path, said.append) is None
    assert "the checksum of history.jsonl does not hold" in said[0]
