"""The shell scripts, in a copied tree with stand-ins for Python, pip and the training."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
TOOLS = "bash basename cat cmp cp date dirname env flock head mkdir mv readlink rm sed sleep sort tail tee timeout tr"
# Answers `-m venv`, `-m pip`, `-m ruff` and `-m pytest` itself, notes each call, and is a real Python otherwise.
FAKE_PYTHON = """#!{bash}
case "$1 $2" in
  "-m venv")
    echo "venv" >>"$CALLS"
    sleep "${{VENV_SECONDS:-0}}"
    for last; do :; done
    mkdir -p "$last/bin" && cp "$0" "$last/bin/python" ;;
  "-m pip")
    [ "$3" = --version ] && exit 0
    echo "$*" >>"$CALLS"
    [ ! -e "$PIP_FAILS" ] || {{ echo "ERROR: no route to the package index" >&2; exit 1; }} ;;
  "-m ruff" | "-m pytest")
    printf '[%s]' "$@" >>"$CALLS"; echo >>"$CALLS"
    [ "$2 $3" != "${{FAILING_STEP:-}}" ] || exit 7 ;;
  "-c import cv2")
    [ -z "${{NO_LIBGL:-}}" ] ;;
  *)
    [ -z "${{NOTHING_INSTALLED:-}}" ] || case "$1" in */requirements.py) set -- -S "$@" ;; esac
    exec {python} "$@" ;;
esac
"""
FAKE_TRAINING = """
import json, os, signal, sys, time

def main(argv):
    names = ["CANN_WAS_SOURCED", "LD_LIBRARY_PATH", "DEVICE_ID"]
    seen = {"argv": argv, "cwd": os.getcwd(), **{n: os.environ.get(n) for n in names}}
    print("TRAINING " + json.dumps(seen))
    print("a line for stderr", file=sys.stderr)
    if "--wait" in argv:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        try:
            time.sleep(30)
        except KeyboardInterrupt:
            print("interrupted, state saved")
            return 130
    return int(os.environ.get("TRAINING_STATUS", 0))
"""


class Place:
    """A copy of the scripts in a folder with a space, and an environment in which nothing else is found."""

    def __init__(self, folder: Path) -> None:
        self.tree = folder / "a clone"
        self.bin = folder / "bin"
        self.home = folder / "home"
        self.elsewhere = folder / "some where"
        self.calls_file = folder / "calls"
        self.pip_fails = folder / "pip fails"
        for made in (self.tree / "ms_gan/cli", self.tree / "ms_gan/device", self.bin, self.home, self.elsewhere):
            made.mkdir(parents=True)
        shutil.copytree(REPOSITORY / "scripts", self.tree / "scripts")
        for name in ("requirements.txt", "pyproject.toml", "ms_gan/device/requirements.py"):
            shutil.copy(REPOSITORY / name, self.tree / name)
        (self.tree / "ms_gan/__init__.py").touch()
        (self.tree / "ms_gan/cli/__init__.py").write_text(FAKE_TRAINING)
        for tool in TOOLS.split():
            (self.bin / tool).symlink_to(shutil.which(tool))
        self.environment = {
            "PATH": str(self.bin),
            "HOME": str(self.home),
            "CALLS": str(self.calls_file),
            "PIP_FAILS": str(self.pip_fails),
        }

    def add_program(self, path: Path, text: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        return path

    def add_python(self, path: Path | None = None) -> Path:
        text = FAKE_PYTHON.format(bash=self.bin / "bash", python=sys.executable)
        return self.add_program(path or self.bin / "python3.11", text)

    def add_other_python(self, name: str, version: str) -> None:
        self.add_program(self.bin / name, f"#!{self.bin / 'bash'}\necho {version}\n")

    def start(self, script: str, *arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.Popen:
        return subprocess.Popen(
            [str(self.bin / "bash"), script if "/" in script else str(self.tree / "scripts" / script), *arguments],
            cwd=cwd or self.elsewhere,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, script: str, *arguments: str, **more) -> tuple[int, str]:
        process = self.start(script, *arguments, **more)
        output, _ = process.communicate(timeout=60)
        return process.returncode, output

    def calls(self) -> list[str]:
        lines = self.calls_file.read_text().splitlines() if self.calls_file.exists() else []
        self.calls_file.unlink(missing_ok=True)
        return lines


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def training(output: str) -> dict:
    return json.loads(re.search(r"TRAINING (.*)", output).group(1))


def test_first_start_makes_the_environment_and_trains_the_main_job(place):
    place.add_python()
    status, output = place.run("run_ascend.sh")
    assert status == 0, output
    assert training(output)["argv"] == ["train", "--config", "mlp"]
    assert training(output)["cwd"] == str(place.elsewhere)
    calls = place.calls()
    assert calls[0] == "venv"
    assert any("--requirement" in call and "a clone/requirements.txt" in call for call in calls)
    assert any("--no-deps" in call and call.endswith("--editable " + str(place.tree)) for call in calls)
    log = next((place.elsewhere / "runs").glob("run_ascend-*.log"))
    assert str(log) in output
    assert "TRAINING" in log.read_text()
    assert "a line for stderr" in log.read_text()


def test_second_start_installs_nothing_and_a_changed_list_is_installed(place):
    place.add_python()
    place.run("run_ascend.sh")
    place.calls()
    assert place.run("run_ascend.sh")[0] == 0
    assert place.run("test.sh")[0] == 0
    assert not [call for call in place.calls() if "venv" in call or "install" in call]
    with open(place.tree / "requirements.txt", "a") as stream:
        stream.write("rich>=13\n")
    place.run("run_ascend.sh")
    calls = place.calls()
    assert "venv" not in calls
    assert any("--requirement" in call for call in calls)


def test_interrupted_installation_is_done_again(place):
    place.add_python()
    place.pip_fails.touch()
    status, output = place.run("run_ascend.sh")
    assert status == 1
    assert "no route to the package index" in output
    assert "TRAINING" not in output
    place.pip_fails.unlink()
    place.calls()
    assert place.run("run_ascend.sh")[0] == 0
    assert any("--requirement" in call for call in place.calls())


def test_machine_without_libgl_gets_the_opencv_that_does_without(place):
    place.add_python()
    status, output = place.run("run_ascend.sh", NO_LIBGL="1")
    assert status == 0
    assert "opencv-python-headless instead" in output
    removed, added = [call for call in place.calls() if "opencv-python" in call]
    assert "uninstall" in removed
    assert "opencv-python-headless<5" in added


def test_failed_update_is_done_again_even_when_the_list_is_the_old_one_again(place):
    place.add_python()
    place.run("run_ascend.sh")
    listed = (place.tree / "requirements.txt").read_text()
    (place.tree / "requirements.txt").write_text(listed + "rich>=13\n")
    place.pip_fails.touch()
    assert place.run("run_ascend.sh")[0] == 1
    (place.tree / "requirements.txt").write_text(listed)
    place.pip_fails.unlink()
    place.calls()
    assert place.run("run_ascend.sh")[0] == 0
    assert any("--requirement" in call for call in place.calls())


def test_moved_clone_is_installed_again(place):
    place.add_python()
    place.run("run_ascend.sh")
    place.calls()
    moved = place.tree.rename(place.tree.with_name("moved clone"))
    assert place.run(str(moved / "scripts/run_ascend.sh"))[0] == 0
    assert any(call.endswith("--editable " + str(moved)) for call in place.calls())


def test_two_first_starts_at_once_make_one_environment(place):
    place.add_python()
    processes = [place.start("run_ascend.sh", VENV_SECONDS="0.5") for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert place.calls().count("venv") == 1


@pytest.mark.parametrize("status", [1, 2, 77])
def test_status_of_a_failing_training_comes_back(place, status):
    place.add_python()
    assert place.run("run_ascend.sh", TRAINING_STATUS=str(status))[0] == status


def test_arguments_pass_unchanged(place):
    place.add_python()
    given = ["--config", "my file.yaml", "--out", "a b", "--set", "x=*", "", "--require-ascend"]
    assert training(place.run("run_ascend.sh", *given)[1])["argv"] == ["train", *given]


@pytest.mark.parametrize("given", [["--config=dense"], ["--resume", "runs/x"], ["--resume=runs/x"]])
def test_main_job_is_only_the_default(place, given):
    place.add_python()
    assert training(place.run("run_ascend.sh", *given)[1])["argv"] == ["train", *given]


def test_help_and_dry_run_leave_no_log(place):
    place.add_python()
    _, output = place.run("run_ascend.sh", "--help")
    assert "--require-ascend" in output
    assert training(output)["argv"][-1] == "--help"
    place.run("run_ascend.sh", "--dry-run")
    assert not (place.elsewhere / "runs").exists()


def test_works_through_a_link_and_without_a_writable_folder(place):
    place.add_python()
    link = place.elsewhere / "go"
    link.symlink_to(place.tree / "scripts/run_ascend.sh")
    (place.elsewhere / "runs").write_text("a file in the way")
    status, output = place.run(str(link))
    assert status == 0
    assert "no log is kept" in output


def test_ctrl_c_reaches_the_training_whose_last_words_are_logged(place):
    place.add_python()
    process = place.start("run_ascend.sh", "--wait")
    _wait_for_log(place, "a line for stderr")
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted, state saved" in output
    assert "interrupted, state saved" in _log(place)


def test_term_of_a_scheduler_reaches_the_training(place):
    place.add_python()
    process = place.start("run_ascend.sh", "--wait")
    _wait_for_log(place, "a line for stderr")
    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == 143


def _log(place: Place) -> str:
    return "".join(log.read_text() for log in (place.elsewhere / "runs").glob("*.log"))


def _wait_for_log(place: Place, text: str) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if text in _log(place):
            time.sleep(0.3)
            return
        time.sleep(0.05)
    raise AssertionError(f"{text!r} never came into the log: {_log(place)}")


SET_ENV = """
echo "from $UNSET_VARIABLE set_env, arguments: $#"
false
export CANN_WAS_SOURCED=yes ASCEND_HOME_PATH=/opt/cann LD_LIBRARY_PATH=/opt/cann/lib64:$LD_LIBRARY_PATH
"""


without_real_cann = pytest.mark.skipif(Path("/usr/local/Ascend").is_dir(), reason="the real CANN is found first")


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


def test_no_python_with_wheels_is_one_line_and_status_2(place):
    place.add_other_python("python3", "3.13")
    status, output = place.run("test.sh")
    assert status == 2
    assert len(output.splitlines()) == 1
    assert "3.10, 3.11 or 3.12" in output
    assert "python3 is 3.13" in output
    assert place.run("run_ascend.sh")[0] == 2


def test_shims_that_do_not_run_are_passed_over(place):
    place.add_program(place.bin / "python3.11", f"#!{place.bin / 'bash'}\necho not installed >&2; exit 127\n")
    place.add_python(place.bin / "python3.10")
    assert place.run("run_ascend.sh")[0] == 0


@pytest.mark.parametrize("variable", ["VIRTUAL_ENV", "CONDA_PREFIX"])
def test_active_environment_is_used_as_it_is(place, variable):
    active = place.home / "my env"
    place.add_python(active / "bin/python")
    status, output = place.run("run_ascend.sh", **{variable: str(active)})
    assert status == 0, output
    assert f"using {active}/bin/python as it is" in output
    assert not (place.tree / ".venv").exists()
    assert not place.calls()


def test_only_what_is_missing_is_added_to_an_active_environment(place):
    active = place.home / "env"
    place.add_python(active / "bin/python")
    _, output = place.run("run_ascend.sh", VIRTUAL_ENV=str(active), NOTHING_INSTALLED="1")
    (call,) = place.calls()
    assert "--constraint" in call
    assert "mindspore>=2.7.1,<2.11" in call
    assert "numpy" in output


def test_active_environment_without_wheels_gives_way_to_the_own_one(place):
    place.add_python()
    place.add_program(place.home / "env/bin/python", f"#!{place.bin / 'bash'}\necho 3.13\n")
    status, output = place.run("run_ascend.sh", CONDA_PREFIX=str(place.home / "env"))
    assert status == 0
    assert "3.13" in output
    assert (place.tree / ".venv").exists()


def test_named_python_is_used_or_refused(place):
    named = place.add_python(place.elsewhere / "py/python")
    status, output = place.run("run_ascend.sh", "--steps", "3", "--python", "py/python")
    assert status == 0, output
    assert f"using {named.parent}/python as it is" in output
    assert training(output)["argv"] == ["train", "--config", "mlp", "--steps", "3"]
    place.add_other_python("old", "3.8")
    status, output = place.run("test.sh", "--python=old")
    assert (status, output.count("\n")) == (2, 1)
    assert "is Python 3.8" in output
    assert place.run("test.sh", "--python", "nowhere")[0] == 2
    assert place.run("test.sh", "--python")[0] == 2


@pytest.mark.parametrize("step", ["ruff check", "ruff format", "pytest -k"])
def test_test_command_ends_with_the_status_of_the_failing_step(place, step):
    place.add_python()
    assert place.run("test.sh", "-k", "a or b", FAILING_STEP=step)[0] == 7


def test_test_command_checks_style_and_passes_arguments(place):
    place.add_python()
    assert place.run("test.sh", "-k", "a or b")[0] == 0
    steps = [call for call in place.calls() if call.startswith("[")]
    assert steps == ["[-m][ruff][check][.]", "[-m][ruff][format][--check][.]", "[-m][pytest][-k][a or b]"]


@pytest.mark.parametrize(("script", "command"), [("train.py", "train"), ("make_gif.py", "animate")])
def test_python_entries_call_the_command(place, script, command):
    run = [sys.executable, str(place.tree / "scripts" / script), "a b"]
    done = subprocess.run(run, cwd=place.elsewhere, capture_output=True, text=True, env={"TRAINING_STATUS": "3"})
    assert done.returncode == 3, done.stderr
    assert training(done.stdout)["argv"] == [command, "a b"]


def test_download_entry_is_one_line_for_a_folder_that_cannot_be_written(tmp_path):
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    run = [sys.executable, str(REPOSITORY / "scripts/download_mnist.py"), "--data-dir", str(in_the_way)]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert str(in_the_way) in done.stderr
