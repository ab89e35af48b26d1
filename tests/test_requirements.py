"""What is required: a Python, a MindSpore or a numpy with which nothing works is refused in one line."""

import ast
import subprocess
import sys
from pathlib import Path

import packaging
import pytest

from ms_gan.device.requirements import is_supported, read_requirements

REPOSITORY = Path(__file__).parents[1]


@pytest.mark.parametrize("file", ["ms_gan/__init__.py", "scripts/modelarts_train.py"])
def test_python_without_wheels_is_one_line_and_status_2(file):
    text = (REPOSITORY / file).read_text()
    ast.parse(text, feature_version=(3, 7))
    program = f"import runpy, sys; sys.version_info = (3, 9, 18); runpy.run_path({file!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "needs Python 3.10, 3.11 or 3.12" in done.stderr


@pytest.mark.parametrize(
    ("package", "version", "wanted"),
    [("numpy", "2.1.0", "numpy>=1.24,<2"), ("mindspore", "2.6.0", "mindspore>=2.7.1")],
)
def test_version_that_cannot_work_in_a_respected_environment_is_one_line_and_status_2(
    tmp_path, package, version, wanted
):
    info = tmp_path / f"{package}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    (info / "top_level.txt").write_text(f"{package}\n")
    (tmp_path / f"{package}.py").touch()
    (tmp_path / "packaging").symlink_to(Path(packaging.__file__).parent)
    program = [sys.executable, "-S", str(REPOSITORY / "ms_gan/device/requirements.py"), "requirements.txt"]
    environment = {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(program, cwd=REPOSITORY, capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert f"pip install '{wanted}" in done.stderr
    assert done.stderr.count("\n") == 1


def test_requirements_file_is_read_as_pip_reads_it():
    listed = {entry.package: entry for entry in read_requirements(REPOSITORY / "requirements.txt")}
    assert str(listed["mindspore"]) == "mindspore>=2.7.1,<2.11"
    assert listed["opencv-python"].module == "cv2"
    assert is_supported("2.7.1.post1", listed["mindspore"].bounds)
    assert not is_supported("2.6.0", listed["mindspore"].bounds)
    assert not is_supported("2.0.1", listed["numpy"].bounds)
    assert is_supported("a build of one's own", listed["mindspore"].bounds)
