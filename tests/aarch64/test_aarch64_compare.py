"""What scripts/test_aarch64.sh accepts: the comparison of two machines' results, and a start without its tools."""

import json

import numpy as np
import pytest
import smoke
from script_place import Place


@pytest.fixture
def results(tmp_path):
    """Give a function that writes both machines' results; what it is given is changed on aarch64."""

    def results(changed=None, leaked=None):
        for machine in ("x86_64", "aarch64"):
            arrays = {"digits": np.zeros((2, 28, 28), np.uint8)}
            for mode in ("graph", "pynative"):
                arrays[f"mlp {mode} losses of D"] = np.array([1.4, 1.3])
                arrays[f"mlp {mode} parameters of G"] = np.linspace(-3, 3, 7, dtype=np.float32)
                arrays[f"dcgan {mode} losses of G"] = np.ones(20)
            if machine == "aarch64":
                arrays |= changed or {}
            facts = {"machine": machine, "settings": {}, "seconds": {"doctor": 2.0}, "versions": {}}
            facts["ONEDNN_MAX_CPU_ISA"] = leaked if machine == "aarch64" else "ALL"
            np.savez(tmp_path / f"{machine}.npz", facts=json.dumps(facts), **arrays)
        return tmp_path

    return results


def _both(kind, array):
    return {f"mlp {mode} {kind}": array for mode in ("graph", "pynative")}


def test_small_differences_pass_and_are_printed(results, capsys):
    assert smoke.compare(results(_both("losses of D", np.array([1.40004, 1.3])))) == 0
    output = capsys.readouterr().out
    assert "2.9e-05" in output
    assert "agree within 0.0001" in output


@pytest.mark.parametrize(("step", "status"), [(3, 1), (4, 0)])
def test_of_dcgan_the_first_steps_are_judged(results, capsys, step, status):
    losses = np.ones(20)
    losses[step] = 1.01
    changed = {f"dcgan {mode} losses of G": losses for mode in ("graph", "pynative")}
    assert smoke.compare(results(changed)) == status
    assert "1.0e-02" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "leaked", "named"),
    [
        (_both("losses of D", np.array([1.402, 1.3])), None, "losses of D: differ by 1.4e-03"),
        (_both("losses of D", np.array([np.nan, 1.3])), None, "losses of D: differ by nan"),
        (_both("losses of D", np.array([1.4])), None, "losses of D: differ by inf"),
        ({"mlp graph losses of D": np.array([1.40001, 1.3])}, None, "not the bits of the resumed PyNative run"),
        ({"dcgan graph losses of D": np.zeros(2)}, None, "the sides have different results"),
        (None, "ALL", "ONEDNN_MAX_CPU_ISA=ALL is set on aarch64"),
    ],
)
def test_what_must_not_be_fails(results, capsys, changed, leaked, named):
    assert smoke.compare(results(changed, leaked)) == 1
    assert named in capsys.readouterr().out


@pytest.mark.parametrize("given", [["--bogus"], ["--work"], ["--work", "x", "y"], ["--python"]])
def test_wrong_arguments_are_one_line_and_status_2(tmp_path, given):
    status, output = Place(tmp_path).run("test_aarch64.sh", *given)
    assert (status, output.count("\n")) == (2, 1)


def test_missing_tools_are_named_with_their_packages(tmp_path):
    place = Place(tmp_path)
    status, output = place.run("test_aarch64.sh", "--work", "x")
    assert (status, output.count("\n")) == (2, 1)
    assert "apt-get install qemu-user-static binfmt-support arch-test mmdebstrap" in output
    assert not place.calls()
