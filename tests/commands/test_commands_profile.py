"""What MindSpore's profiler tells, as a table and as JSON, and nothing left behind."""

import json
from pathlib import Path

import pytest

from ms_gan.commands.profile import profile_table, read_operators
from ms_gan.commands.results import result_folder
from ms_gan.errors import UserError

CPU = """op_type,type_occurrences,execution_frequency(per-step),total_compute_time,avg_time(ms),percent
Mul,20,10,1.0,0.05,0.1
MatMul,42,21,8.0,0.190476,0.8
Adam,2,1,1.0,0.5,0.1
"""
ASCEND = """Device_id,OP Type,Core Type,Count,Total Time(us),Min Time(us),Avg Time(us),Max Time(us),Ratio(%)
0,Mul,AI_VECTOR_CORE,20,1000,1,50,100,20
0,MatMulV2,AI_CORE,42,4000,1,95,100,80
"""


def test_profile_lists_the_operators_of_both_steps(run_child, digits_folder, tmp_path):
    out, work = tmp_path / "p", tmp_path / "work"
    work.mkdir()
    small = ("--set", "generator.options.widths=[64,128]", "discriminator.options.widths=[64]")
    words = ("--data-dir", digits_folder, "--steps", 3, "--top", 4, "--out", out, *small)
    result = run_child("profile", *words, cwd=work)
    assert result.status == 0, result.stderr
    assert list(work.iterdir()) == []
    assert "Parsing" not in result.stdout + result.stderr
    found = json.loads((out / "profile.json").read_text())
    assert (found["recipe"], found["updates"], list(found["parts"])) == ("mlp", 3, ["D and G update"])
    for name, part in found["parts"].items():
        assert profile_table(name, part, 4) in result.stdout
        assert 0.1 < part["covered"] < 2
        assert sum(operator["share"] for operator in part["operators"]) == pytest.approx(1)
        operators = {operator["type"]: operator for operator in part["operators"]}
        # Forward and backward products of every dense layer; every weight and bias has its Adam.
        assert operators["MatMul"]["calls"] >= 10
        assert operators["Adam"]["calls"] == 12


def test_the_tables_of_cpu_and_ascend_are_read(tmp_path):
    (tmp_path / "FRAMEWORK").mkdir()
    (tmp_path / "FRAMEWORK" / "cpu_op_type_info_0.csv").write_text(CPU)
    found = read_operators(tmp_path, 2)
    assert [operator["type"] for operator in found] == ["MatMul", "Mul", "Adam"]
    assert found[0] == {"type": "MatMul", "calls": 21, "ms": 4.0, "share": 0.8, "ms_per_call": pytest.approx(8 / 42)}
    other = tmp_path / "other"
    (other / "ASCEND_PROFILER_OUTPUT").mkdir(parents=True)
    (other / "ASCEND_PROFILER_OUTPUT" / "op_statistic.csv").write_text(ASCEND)
    found = read_operators(other, 2)
    assert [(operator["type"], operator["ms"]) for operator in found] == [("MatMulV2", 2.0), ("Mul", 0.5)]


def test_no_table_is_said_in_a_line(tmp_path):
    with pytest.raises(UserError, match="left no table of operators"):
        read_operators(tmp_path, 1)


def test_what_does_not_fit_the_table_is_summed():
    operators = [
        {"type": name, "calls": 2.0, "ms": ms, "share": ms / 10, "ms_per_call": ms / 2}
        for name, ms in (("MatMul", 7.0), ("Mul", 2.0), ("Add", 1.0))
    ]
    part = {"ms": 11.0, "ms_watched": 12.5, "operators_ms": 10.0, "covered": 0.8, "operators": operators}
    lines = profile_table("D update", part, 1).splitlines()
    assert lines[0] == "D update: 11.00 ms, 12.50 ms while watched; operators take 10.00 ms of that, 80 %"
    assert lines[-2:] == ["| MatMul | 2 | 7.000 | 70.0 % | 3.5000 |", "| 2 others | 4 | 3.000 | 30.0 % | 0.7500 |"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--steps", "0"), "--steps must be from 1"),
        (("--top", "0"), "--top at least 1"),
        (("--config", "nosuch"), "nosuch"),
        (("--out", __file__), "cannot write"),
    ],
)
def test_profile_refuses(command, words, message):
    result = command("profile", *words)
    assert result.status == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_results_of_the_same_second_have_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with result_folder("profile", "mlp", None) as first, result_folder("profile", "mlp", None) as second:
        assert first != second
    with result_folder("profile", "mlp", "mine") as first, result_folder("profile", "mlp", "mine") as second:
        assert first == second == Path("mine")


@pytest.mark.parametrize("out", [None, "mine"])
def test_work_that_fails_leaves_no_empty_folder(tmp_path, monkeypatch, out):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError), result_folder("profile", "mlp", out) as folder:
        raise UserError("no such data")
    assert not folder.exists()


def test_work_that_fails_takes_away_no_folder_of_the_user_and_no_file(tmp_path):
    with pytest.raises(UserError), result_folder("profile", "mlp", tmp_path):
        raise UserError("no such data")
    assert tmp_path.exists()
    (tmp_path / "profile.json").write_text("{}")
    with pytest.raises(UserError), result_folder("profile", "mlp", tmp_path):
        raise UserError("too late")
    assert (tmp_path / "profile.json").read_text() == "{}"
