"""What `ms-gan doctor` says where something is missing; with stand-in packages in a child process."""

import subprocess
import sys
from pathlib import Path

import pytest

from ms_gan import doctor
from ms_gan.device.requirements import parse_requirement

REPOSITORY = Path(__file__).parents[1]
# Enough of MindSpore for the trial on the CPU, and fast to import.
FAKE_MINDSPORE = """
import os
class Tensor:
    def __init__(self, array): self.array = array
    def asnumpy(self): return self.array
class ops:
    matmul = staticmethod(lambda a, b: Tensor(a.array @ b.array))
def set_device(target, number):
    if target != "CPU": raise RuntimeError("no such device")
"""


class Patient:
    def __init__(self, folder: Path) -> None:
        self.packages = folder / "packages"
        self.here = folder / "here"
        self.packages.mkdir()
        self.here.mkdir()
        self.install("mindspore", FAKE_MINDSPORE)

    def install(self, module: str, text: str) -> None:
        (self.packages / f"{module}.py").write_text(text)

    def visit(self, *python_options: str, **environment: str) -> tuple[int, str]:
        # -S hides what is installed, so there the stand-ins must go as well.
        paths = [REPOSITORY] if python_options else [REPOSITORY, self.packages]
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(map(str, paths)), **environment}
        program = [sys.executable, *python_options, "-m", "ms_gan.doctor"]
        done = subprocess.run(program, cwd=self.here, capture_output=True, text=True, env=environment, timeout=60)
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        return done.returncode, done.stdout


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    return Patient(tmp_path)


def line_with(report: str, mark: str, title: str) -> str:
    """Return a finding's line and the advice under it."""
    lines = [*report.splitlines(), ""]
    index = next((i for i, line in enumerate(lines) if line.split()[:2] == [mark, title]), None)
    assert index is not None, f"no {mark} {title} in:\n{report}"
    return lines[index] + (lines[index + 1] if "->" in lines[index + 1] else "")


def test_healthy_machine_can_train(patient):
    status, report = patient.visit()
    assert status == 0, report
    assert "[!!]" not in report
    assert "Training can run." in report
    assert report.count("an operation ran with the right result") == 1
    assert "MS_DEV_HOST_BLOCKING_RUN=1" in report
    assert "can be written" in report
    assert "MNIST" in report
    assert list(patient.here.iterdir()) == []


def test_opencv_that_dies_when_it_is_imported_is_found(patient):
    patient.install("cv2", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    status, report = patient.visit()
    assert status == 1
    assert "--force-reinstall" in line_with(report, "[!!]", "opencv-python")
    assert "see [!!] above (opencv-python)" in report


@pytest.mark.parametrize(
    ("package", "module", "failing", "advice"),
    [
        ("opencv-python", "cv2", "libGL.so.1: cannot open shared object file", "apt-get install libgl1"),
        ("opencv-python", "cv2", "libgthread-2.0.so.0: cannot open shared", "libglib2.0-0"),
        ("opencv-python", "cv2", "numpy.core.multiarray failed to import", "'numpy<2'"),
        ("mindspore", "mindspore", "libgomp.so.1: cannot open shared object file", "apt-get install libgomp1"),
    ],
)
def test_package_that_cannot_be_imported_gets_its_remedy(tmp_path, monkeypatch, package, module, failing, advice):
    (tmp_path / f"{module}.py").write_text(f"raise ImportError({failing!r})")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = doctor._package(parse_requirement(package))
    assert (found.state, found.title) == ("missing", package)
    assert advice in found.advice


def test_mindspore_that_does_not_compute_is_found(tmp_path, monkeypatch):
    (tmp_path / "mindspore.py").write_text(FAKE_MINDSPORE.replace("a.array @ b.array", "a.array @ b.array + 1"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = doctor._cpu()
    assert (found.state, found.title) == ("missing", "CPU")
    assert "ArithmeticError" in found.text


def test_numpy_2_is_found(monkeypatch):
    monkeypatch.setattr(doctor, "module_version", lambda module: "2.1.0")
    found = doctor._package(parse_requirement("numpy>=1.24,<2"))
    assert (found.state, found.title) == ("missing", "numpy")
    assert "pip install 'numpy>=1.24,<2'" in found.advice


def test_bare_python_is_told_all_that_is_missing(patient):
    status, report = patient.visit("-S")
    assert status == 1
    assert "pip install 'mindspore" in line_with(report, "[!!]", "mindspore")
    assert "only the tests" in line_with(report, "[--]", "pytest")
    assert "run_ascend.sh makes the environment" in report


def test_bad_device_number_and_kept_setting_are_shown(patient):
    status, report = patient.visit("-S", DEVICE_ID="two")
    assert status == 1
    assert "DEVICE_ID=two" in line_with(report, "[!!]", "device")
    _, report = patient.visit("-S", GLOG_v="1")
    assert "GLOG_v=1, as you set it" in line_with(report, "[--]", "setting")


def test_python_without_wheels_is_told_which_have_them(monkeypatch):
    monkeypatch.setattr(doctor, "SUPPORTED_PYTHON", ((3, 8), (3, 9)))
    for section in ("_packages", "_device", "_data"):
        monkeypatch.setattr(doctor, section, lambda *_: iter(()))
    lines: list[str] = []
    assert doctor.run_doctor(write=lines.append) == 1
    assert "3.10, 3.11 and (from MindSpore 2.7.2) 3.12" in line_with("\n".join(lines), "[!!]", "Python")


def test_place_that_cannot_hold_runs_is_told(tmp_path):
    (tmp_path / "runs").write_text("a file in the way")
    (found,) = doctor._output(tmp_path / "runs")
    assert found.state == "note"
    assert "--out DIR" in found.advice
