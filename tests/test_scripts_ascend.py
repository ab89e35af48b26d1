"""run_ascend.sh with a CANN, an npu-smi and an NPU that are not real: CANN is entered, failures are told and end so."""

import json
import shutil
from pathlib import Path

import pytest
from script_place import REPOSITORY, Place, training

SET_ENV = """
echo "from $UNSET_VARIABLE set_env, arguments: $#"
false
export CANN_WAS_SOURCED=yes ASCEND_HOME_PATH=/opt/cann LD_LIBRARY_PATH=/opt/cann/lib64:$LD_LIBRARY_PATH
"""


without_real_cann = pytest.mark.skipif(Path("/usr/local/Ascend").is_dir(), reason="the real CANN is found first")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@without_real_cann
@pytest.mark.parametrize("where", ["cann", "cann-8.5.0", "ascend-toolkit", "ascend-toolkit/latest", "nnae"])
def test_cann_is_sourced_before_the_training(place, where):
    place.add_python()
    place.add_program(place.home / "Ascend" / where / "set_env.sh", SET_ENV)
    status, output = place.run("run_ascend.sh", "--steps", "5")
    assert status == 0, output
    assert training(output)["CANN_WAS_SOURCED"] == "yes"
    assert training(output)["LD_LIBRARY_PATH"].startswith("/opt/cann/lib64")
    assert "arguments: 0" in output


@without_real_cann
def test_cann_that_the_environment_names_comes_first_and_is_not_entered_twice(place):
    place.add_python()
    place.add_program(place.home / "Ascend/cann/set_env.sh", "export CANN_WAS_SOURCED=default")
    named = place.add_program(place.home / "mine/ascend-toolkit/set_env.sh", SET_ENV).parent / "latest"
    named.mkdir()
    _, output = place.run("run_ascend.sh", ASCEND_TOOLKIT_HOME=str(named))
    assert training(output)["CANN_WAS_SOURCED"] == "yes"
    _, output = place.run("run_ascend.sh", ASCEND_TOOLKIT_HOME=str(named), LD_LIBRARY_PATH=f"/x:{named}/lib64")
    assert training(output)["CANN_WAS_SOURCED"] is None
    assert "CANN is set up already" in output


def test_what_cann_imports_is_installed_where_cann_is(place):
    place.add_python()
    place.add_program(place.home / "Ascend/cann/set_env.sh", SET_ENV)
    place.run("run_ascend.sh", NOTHING_INSTALLED="1")
    assert "decorator>=4.4.0" in place.calls()[-1]
    place.pip_fails.touch()
    status, output = place.run("run_ascend.sh", NOTHING_INSTALLED="1")
    assert status == 0, output
    assert "going on without" in output


@without_real_cann
def test_two_canns_are_told_and_one_can_be_chosen(place):
    place.add_python()
    ascend = place.home / "Ascend"
    for name in ("cann-8.5.0", "cann-9.0.0", "ascend-toolkit", "ascend-toolkit/latest"):
        place.add_program(ascend / name / "set_env.sh", f"export CANN_WAS_SOURCED={name}")
    (ascend / "cann").symlink_to("cann-9.0.0")
    _, output = place.run("run_ascend.sh")
    assert training(output)["CANN_WAS_SOURCED"] == "cann-9.0.0"
    assert f"CANN is also in {ascend}/cann-8.5.0 {ascend}/ascend-toolkit; ASCEND_HOME_PATH=FOLDER" in output
    _, output = place.run("run_ascend.sh", ASCEND_HOME_PATH=str(ascend / "cann-8.5.0"))
    assert training(output)["CANN_WAS_SOURCED"] == "cann-8.5.0"
    assert "CANN is also in" not in output


def test_machine_without_a_home_trains(place):
    place.add_python()
    del place.environment["HOME"]
    status, output = place.run("run_ascend.sh")
    assert status == 0, output


def test_npu_smi_is_shown_and_decides_nothing(place):
    place.add_python()
    place.add_program(place.bin / "npu-smi", f'#!{place.bin / "bash"}\necho "| 0  910B3 | OK | $1 |"\n')
    assert "| 0  910B3 | OK | info |" in place.run("run_ascend.sh")[1]
    place.add_program(place.bin / "npu-smi", f"#!{place.bin / 'bash'}\necho dcmi module not initialised; exit 3\n")
    status, output = place.run("run_ascend.sh")
    assert status == 0
    assert "npu-smi info failed: dcmi module not initialised" in output


def test_device_number_reaches_the_training(place):
    place.add_python()
    assert training(place.run("run_ascend.sh", DEVICE_ID="5")[1])["DEVICE_ID"] == "5"


@pytest.fixture
def pretender(place: Place) -> Place:
    """Give the real ms_gan on a machine with npu-smi and CANN's set_env.sh, and no NPU behind them."""
    shutil.rmtree(place.tree / "ms_gan")
    (place.tree / "ms_gan").symlink_to(REPOSITORY / "ms_gan")
    place.add_python()
    place.add_program(place.home / "Ascend/cann/set_env.sh", SET_ENV)
    place.add_program(place.bin / "npu-smi", f'#!{place.bin / "bash"}\necho "| 3  910B3 | OK |"\n')
    return place


@without_real_cann
def test_required_npu_that_fails_ends_with_the_real_error_text(pretender, digits_folder):
    given = ["--require-ascend", "--data-dir", str(digits_folder), "--steps", "2", "--out", "run"]
    status, output = pretender.run("run_ascend.sh", *given, DEVICE_ID="3")
    assert status == 2, output
    assert "| 3  910B3 | OK |" in output
    assert "Trying Ascend device 3 with one operation" in output
    reason = output.splitlines()[-1]
    assert "no Ascend device to use: the trial on Ascend device 3 failed (although there is npu-smi" in reason
    assert "libge_runner.so" in reason
    assert "Traceback" not in output
    assert not (pretender.elsewhere / "run").exists()


@without_real_cann
def test_fallback_tells_the_reason_and_a_failing_training_its_status(pretender, digits_folder):
    small = ["generator.options.widths=[64,128]", "discriminator.options.widths=[64]"]
    diverging = ["--set", "discriminator_optimizer.lr=1e30", "generator_optimizer.lr=1e30", *small]
    given = ["--data-dir", str(digits_folder), "--steps", "10", "--out", "run", *diverging]
    status, output = pretender.run("run_ascend.sh", *given, ASCEND_DEVICE_ID="5")
    assert status == 1, output
    (log,) = (pretender.elsewhere / "runs").glob("run_ascend-*.log")
    for text in (output, log.read_text()):
        assert "Device: CPU - Ascend is not used: the trial on Ascend device 5 failed" in text
        assert "libge_runner.so" in text
        assert "finite" in text.splitlines()[-1]
    device = json.loads((pretender.elsewhere / "run/environment.json").read_text())["device"]
    assert (device["target"], device["id"]) == ("CPU", 0)
    assert "trial on Ascend device 5" in device["reason"]


@pytest.mark.parametrize("number", ["one", "-1"])
def test_impossible_device_number_is_refused_before_anything_is_tried(pretender, number):
    status, output = pretender.run("run_ascend.sh", "--steps", "2", DEVICE_ID=number)
    assert status == 2, output
    assert output.splitlines()[-1].startswith(f"ms-gan: DEVICE_ID={number}: ")
    assert "Trying Ascend" not in output
