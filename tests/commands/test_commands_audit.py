"""The audit: an operator that Ascend lacks is found in a real graph and fails it; what is there passes."""

import os
import subprocess
import sys

import pytest

from ms_gan.commands import audit as audit_module
from ms_gan.commands import audit_graphs
from ms_gan.commands.audit import audit, documented_platforms, judge, kernels_for
from ms_gan.commands.audit_graphs import operators_of, read_graphs
from ms_gan.device.plugin import kernels_on_ascend
from ms_gan.errors import UserError

# A D step with an operator for GPU and CPU only, whose graph MindSpore writes where the environment says.
_BESSEL = """
from ms_gan.device import activate, choose_device
activate(choose_device("cpu", announce=lambda line: None))
import mindspore as ms
from mindspore import ops
def d_step(x):
    return ops.bessel_j0(ops.matmul(x, x))
ms.jit(d_step)(ms.ops.ones((2, 2), ms.float32))
"""


@pytest.fixture(scope="module")
def bessel_steps(child_environment, tmp_path_factory):
    folder = tmp_path_factory.mktemp("graphs")
    wishes = {"MS_DEV_SAVE_GRAPHS": "1", "MS_DEV_SAVE_GRAPHS_PATH": str(folder), "MS_DEV_DUMP_IR_PASSES": "validate"}
    # A file, because MindSpore compiles nothing else.
    program = tmp_path_factory.mktemp("program") / "bessel.py"
    program.write_text(_BESSEL)
    done = subprocess.run(
        [sys.executable, program], env=child_environment | wishes, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert os.listdir(folder)
    return read_graphs(folder)


def test_an_operator_that_ascend_lacks_fails_the_audit(command, bessel_steps, tmp_path, monkeypatch):
    assert set(operators_of(bessel_steps["D"])) >= {"BesselJ0", "MatMulExt"}
    monkeypatch.setattr(audit_module, "graphs_of_steps", lambda recipe, folder, layers: bessel_steps)
    result = command("audit", "--config", "mlp", "--out", tmp_path / "a")
    assert result.status == 1
    assert "NOT ON ASCEND: BesselJ0 in mlp D: the documentation names GPU CPU only" in result.stdout
    assert "| BesselJ0 | **NO** | GPU CPU | 1 |" in (tmp_path / "a" / "audit.md").read_text()
    assert "MatMulExt in" not in result.stdout


@pytest.mark.slow
def test_every_operator_of_mlp_is_there(tmp_path):
    told = []
    folder, passed = audit(["mlp"], out=tmp_path / "a", announce=told.append)
    assert passed, told
    table = (folder / "audit.md").read_text()
    # Forward, backward and optimizer.
    for operator in ("BatchNorm", "BatchNormGrad", "MatMul", "Adam"):
        assert f"| {operator} | " in table


def test_the_plug_in_tells_what_it_has_from_what_it_has_not():
    found = kernels_on_ascend(["MatMul", "BatchNormGrad", "BesselJ0", "NoSuchOperator"])
    assert found == {"MatMul": "aclnn", "BatchNormGrad": "acl", "BesselJ0": "", "NoSuchOperator": ""}


def test_what_computes_nothing_needs_no_kernel(monkeypatch):
    # What the plug-in itself says is the test before this one.
    monkeypatch.setattr(audit_module, "kernels_on_ascend", lambda names: dict.fromkeys(names, "aclnn"))
    assert kernels_for(["Switch", "MatMul"]) == {"Switch": "graph", "MatMul": "aclnn"}
    assert not judge({"mlp D": {"Switch": 1}}, {"Switch": "graph"}, {"Switch": ""})["failures"]


def test_documentation_is_read(mindspore_cpu):
    found = documented_platforms(["Adam", "BesselJ0", "BatchNormGrad", "NoSuchOperator"])
    assert found == {"Adam": "Ascend GPU CPU", "BesselJ0": "GPU CPU", "BatchNormGrad": "", "NoSuchOperator": ""}


@pytest.mark.parametrize(
    ("kernel", "platforms", "there"),
    [("aclnn", "GPU CPU", True), ("acl", "", True), ("acl", "GPU CPU", False), ("", "Ascend", False), ("", "", False)],
)
def test_unknown_or_denied_is_not_there(kernel, platforms, there):
    result = judge({"mlp D": {"X": 2}, "mlp G": {}}, {"X": kernel}, {"X": platforms})
    assert result["operators"][0]["ascend"] is there
    assert [failure.partition(":")[0] for failure in result["failures"]] == ([] if there else ["X in mlp D"])


def test_missing_plug_in_and_missing_graphs_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(audit_graphs, "run_limited", lambda *arguments: ("", "", 0))
    with pytest.raises(UserError, match="no graphs of the steps of mlp"):
        audit_graphs.graphs_of_steps(tmp_path / "mlp.yaml", tmp_path, "native")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="no Ascend plug-in"):
        kernels_on_ascend(["MatMul"])


def test_audit_refuses_an_unknown_recipe(command):
    result = command("audit", "--config", "mpl")
    assert result.status == 2
    assert "mlp" in result.stderr
