"""Choosing the device, with trials of our own in place of a real Ascend."""

import os
import platform
import subprocess
import sys
import time
import types
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ms_gan.device import DeviceChoice, activate, choose_device, cpu_settings, describe_machine, probe, settings
from ms_gan.errors import UserError

REPOSITORY = Path(__file__).parents[1]
BLOCKING = "MS_DEV_HOST_BLOCKING_RUN"
SAYS_WORKS = f"print('{probe.WORKS}')"


@pytest.fixture(autouse=True)
def bare_machine(tmp_path, monkeypatch):
    """Give each test an environment without any setting, trace of Ascend, or imported mindspore."""
    ours = {"GLOG_v", BLOCKING, "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "DEVICE_ID", settings.OWN_SETTINGS}
    kept = {name: value for name, value in os.environ.items() if name not in ours and "ASCEND" not in name}
    monkeypatch.setattr(probe, "DEVICE_FILES", str(tmp_path / "davinci*"))
    monkeypatch.setattr(probe, "ASCEND_FOLDERS", (str(tmp_path / "Ascend"),))
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.delitem(sys.modules, "mindspore", raising=False)
    with mock.patch.dict(os.environ, kept | {"PATH": "/usr/bin:/bin"}, clear=True):
        yield


@pytest.fixture
def with_npu(tmp_path, monkeypatch):
    """Pretend that there is an NPU, on which `trial` is the operation that is tried."""
    (tmp_path / "davinci0").touch()

    def behave(trial: str) -> None:
        monkeypatch.setattr(probe, "TRIAL", trial)

    return behave


def fails_with(text: str) -> str:
    return f"print({probe.FAILED!r}, {text!r})"


def choose(*arguments, **keywords) -> tuple[DeviceChoice, str]:
    lines: list[str] = []
    choice = choose_device(*arguments, announce=lines.append, **keywords)
    return choice, "\n".join(lines)


def test_auto_without_a_trace_of_ascend_is_the_cpu_and_says_what_was_looked_for(monkeypatch):
    monkeypatch.setattr(probe, "TRIAL", "raise SystemExit('must not be tried')")
    choice, announced = choose("auto")
    assert (choice.target, choice.device_id, choice.requested) == ("CPU", 0, "auto")
    for trace in ("davinci*", "npu-smi", "ASCEND_* variables", "Ascend"):
        assert trace in choice.reason
    assert choice.reason in announced


DRIVER_TEXT = """RuntimeError: Ascend kernel runtime initialization failed. The details refer to 'Ascend Error Message'.

----------------------------------------------------
- Ascend Error Message:
----------------------------------------------------
EJ0001: Failed to initialize the HCCP process. Reason: drvErr=87

----------------------------------------------------
- C++ Call Stack: (For framework developers)
----------------------------------------------------
mindspore/secret.cc:1 Init
"""


def test_fallback_tells_the_words_of_the_driver_in_one_line(with_npu):
    with_npu(fails_with(DRIVER_TEXT))
    choice, announced = choose("auto")
    assert choice.target == "CPU"
    assert "EJ0001: Failed to initialize the HCCP process. Reason: drvErr=87" in choice.reason
    assert "davinci0" in choice.reason
    assert "secret.cc" not in choice.reason
    assert "----" not in choice.reason
    assert "\n" not in choice.reason
    assert choice.reason in announced


@pytest.mark.parametrize(("request_", "required"), [("ascend", False), ("auto", True), ("ASCEND", True)])
def test_demanded_ascend_that_fails_is_one_clear_line(with_npu, request_, required):
    with_npu(fails_with(DRIVER_TEXT))
    with pytest.raises(UserError, match="drvErr=87") as caught:
        choose(request_, require_ascend=required)
    assert "\n" not in str(caught.value)
    assert BLOCKING not in os.environ


def test_working_ascend_is_taken_without_the_settings_of_the_cpu(with_npu):
    with_npu(SAYS_WORKS)
    choice, announced = choose("auto")
    assert (choice.target, choice.settings, choice.kept) == ("Ascend", {"GLOG_v": "3"}, {})
    assert BLOCKING not in os.environ
    assert "ONEDNN_MAX_CPU_ISA" not in os.environ
    assert "Device: Ascend 0" in announced


def test_cpu_gets_its_settings_and_they_are_recorded():
    choice, announced = choose("cpu")
    assert choice.settings == {"GLOG_v": "3", BLOCKING: "1", "ONEDNN_MAX_CPU_ISA": "ALL"}
    assert {name: os.environ[name] for name in choice.settings} == choice.settings
    assert "ONEDNN_MAX_CPU_ISA=ALL" in announced


@pytest.mark.parametrize(
    ("name", "replaces"),
    [(BLOCKING, BLOCKING), ("GLOG_v", "GLOG_v"), ("DNNL_MAX_CPU_ISA", "ONEDNN_MAX_CPU_ISA")],
)
def test_value_of_the_user_is_kept_and_recorded(name, replaces):
    os.environ[name] = "0"
    choice, announced = choose("cpu")
    assert choice.kept == {name: "0"}
    assert os.environ[name] == "0"
    assert replaces not in choice.settings
    assert f"left as you set them: {name}=0" in announced


def test_second_choice_knows_its_own_settings_and_takes_them_back_for_ascend(with_npu, monkeypatch):
    with_npu(SAYS_WORKS)
    choose("cpu")
    again, _ = choose("cpu")
    assert BLOCKING in again.settings
    assert not again.kept
    monkeypatch.setenv("GLOG_v", "1")
    ascend, _ = choose("ascend")
    assert BLOCKING not in os.environ
    assert "ONEDNN_MAX_CPU_ISA" not in os.environ
    assert ascend.kept == {"GLOG_v": "1"}


def test_trial_on_ascend_does_not_see_the_settings_of_the_cpu(with_npu):
    with_npu(f"import os; assert {BLOCKING!r} not in os.environ; {SAYS_WORKS}")
    choose("cpu")
    assert choose("auto")[0].target == "Ascend"


def test_settings_that_come_too_late_are_told_and_not_claimed(monkeypatch):
    monkeypatch.setitem(sys.modules, "mindspore", object())
    choice, announced = choose("cpu")
    assert choice.settings == {}
    assert BLOCKING not in os.environ
    assert "Notice: mindspore was imported before" in announced
    assert BLOCKING in announced


@pytest.mark.parametrize(("machine", "named"), [("x86_64", True), ("aarch64", False)])
def test_instruction_sets_are_named_on_x86_only(monkeypatch, machine, named):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert ("ONEDNN_MAX_CPU_ISA" in cpu_settings()) == named
    assert cpu_settings()[BLOCKING] == "1"


@pytest.mark.parametrize("name", ["DEVICE_ID", "ASCEND_DEVICE_ID"])
@pytest.mark.parametrize("value", ["abc", "-1", "1.5", "٣", "0,1"])
@pytest.mark.parametrize("request_", ["auto", "cpu"])
def test_bad_device_number_is_refused(name, value, request_):
    os.environ[name] = value
    with pytest.raises(UserError, match=f"{name}={value}"):
        choose(request_)


def test_device_number_comes_from_the_environment(with_npu):
    with_npu(f"import sys; assert sys.argv[1:] == ['Ascend', '3']; {SAYS_WORKS}")
    with mock.patch.dict(os.environ, {"ASCEND_DEVICE_ID": "3", "DEVICE_ID": ""}):
        assert choose("ascend")[0].device_id == 3
    with mock.patch.dict(os.environ, {"ASCEND_DEVICE_ID": "0", "DEVICE_ID": "3"}):
        choice, announced = choose("ascend")
    assert choice.device_id == 3
    assert "DEVICE_ID=3 is used" in announced
    assert choose("ascend", device_id=3)[0].device_id == 3


def test_trial_that_hangs_is_ended_with_all_that_it_started(with_npu, monkeypatch, tmp_path):
    started = tmp_path / "started"
    with_npu(
        "import subprocess, time; child = subprocess.Popen(['sleep', '60']); "
        f"open({str(started)!r}, 'w').write(str(child.pid)); time.sleep(60)"
    )
    monkeypatch.setattr(probe, "TRIAL_SECONDS", 5.0)  # enough for a Python to start on a busy machine
    assert "no answer within 5 s" in choose("auto")[0].reason
    # It has been sent SIGKILL; the system may take a moment to end it.
    until = time.monotonic() + 30
    while _running(started.read_text()) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _running(started.read_text())


def _running(process: str) -> bool:
    """Tell whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_trial_that_crashes_is_survived(with_npu):
    with_npu("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert "SIGSEGV" in choose("auto")[0].reason


def test_trial_with_a_wrong_result_is_a_failure(with_npu, tmp_path):
    with_npu(probe.TRIAL)
    fake = tmp_path / "fakes"
    fake.mkdir()
    (fake / "mindspore.py").write_text(
        "import numpy as np\nclass ops:\n    matmul = staticmethod(lambda a, b: Tensor((a.array @ b.array) * 1.01))\n"
        "class Tensor:\n    def __init__(self, array): self.array = array\n    def asnumpy(self): return self.array\n"
        "def set_device(target, number): pass\n"
    )
    os.environ["PYTHONPATH"] = str(fake)
    assert "ArithmeticError" in choose("auto")[0].reason


@pytest.mark.parametrize(
    ("request_", "required", "message"), [("ascnd", False, "did you mean ascend"), ("cpu", True, "contradicts")]
)
def test_impossible_request_is_refused(request_, required, message):
    with pytest.raises(UserError, match=message):
        choose(request_, require_ascend=required)


def test_compile_cache_that_computes_nan_is_refused_on_a_cpu(with_npu, monkeypatch):
    monkeypatch.setenv("MS_COMPILER_CACHE_ENABLE", "1")
    with pytest.raises(UserError, match=r"MS_COMPILER_CACHE_ENABLE is set: .* unset it"):
        choose_device("cpu")
    with_npu(SAYS_WORKS)
    assert choose_device().target == "Ascend"
    monkeypatch.setenv("MS_COMPILER_CACHE_ENABLE", "0")
    assert choose_device("cpu").target == "CPU"


@pytest.mark.skipif(bool(probe.traces_of_ascend()), reason="this machine has an Ascend")
def test_real_mindspore_tells_which_library_it_wants():
    failure = probe.why_not_ascend(0, always_try=True)
    assert "libge_runner.so" in failure
    assert "set_env.sh" in failure


def test_activate_without_mindspore_tells_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "mindspore", None)
    with pytest.raises(UserError, match="doctor"):
        activate(DeviceChoice("CPU", 0, "cpu", "", {}, {}))


@pytest.mark.parametrize(("package", "version"), [("mindspore", "2.4.10"), ("mindspore", "2.6.0"), ("numpy", "2.1.0")])
def test_version_with_which_nothing_works_is_one_line(monkeypatch, package, version):
    monkeypatch.setitem(sys.modules, "mindspore", types.SimpleNamespace(__version__="2.7.1.post1", set_device=int))
    monkeypatch.setitem(sys.modules, package, types.SimpleNamespace(__version__=version))
    with pytest.raises(UserError, match=f"{package} {version} does not work here; run: .*pip install '{package}>="):
        activate(DeviceChoice("CPU", 0, "cpu", "", {}, {}))


def test_trial_with_a_mindspore_that_is_too_old_says_so(with_npu):
    with_npu(fails_with("AttributeError: module 'mindspore' has no attribute 'set_device'"))
    assert choose("auto")[0].reason.endswith("(this MindSpore is too old)")


def test_machine_is_described_where_nothing_is_installed():
    program = "from ms_gan.device import *; d = describe_machine(); print(d['mindspore'], d['numpy'], d['cores'] > 0)"
    done = subprocess.run([sys.executable, "-S", "-c", program], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.stdout == "None None True\n", done.stderr


def test_machine_has_versions_and_the_version_of_cann(tmp_path):
    info = tmp_path / "aarch64-linux/ascend_toolkit_install.info"
    info.parent.mkdir()
    info.write_text("package_name=Ascend-cann-toolkit\nversion=8.3.RC1\n")
    os.environ["ASCEND_HOME_PATH"] = str(tmp_path)
    machine = describe_machine()
    assert machine["cann"] == "8.3.RC1"
    assert machine["numpy"].startswith("1.")


@given(st.text())
def test_condensed_error_is_one_short_line(text):
    line = probe.condense(text, width=100)
    assert len(line) <= 100
    assert len(line.splitlines()) <= 1


def test_a_stopped_run_imports_no_mindspore_for_its_last_words():
    # Seconds in which the user waits, and in which a second Ctrl-C would end in a traceback.
    code = (
        "import sys; from ms_gan.commands.signals import Phase; from ms_gan.runs.folder import RunFolder; "
        "assert ' train --resume here' in Phase(RunFolder('here')).words() and Phase().words(); "
        "sys.exit('mindspore' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_nothing_imports_mindspore_before_the_device_is_chosen():
    # MindSpore reads its settings when it is imported: too early, and every step takes two to four times as long.
    names = ("train", "ready", "compare", "profile", "evaluate", "generate", "export", "self_test", "sweep", "report")
    imports = ", ".join(["ms_gan.cli", *(f"ms_gan.commands.{name}" for name in names)])
    code = f"import sys, {imports}; sys.exit('mindspore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
