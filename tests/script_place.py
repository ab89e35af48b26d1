"""The scripts in a copied tree, with stand-ins for Python, pip and the training: shared by their tests."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

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
        # Empty: what some tests need is not there in every Python that runs these.
        for name in ("requirements-notebooks.txt", "requirements-tensorboard.txt"):
            (self.tree / name).touch()
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
        output, _ = process.communicate(timeout=300)
        return process.returncode, output

    def calls(self) -> list[str]:
        lines = self.calls_file.read_text().splitlines() if self.calls_file.exists() else []
        self.calls_file.unlink(missing_ok=True)
        return lines


def training(output: str) -> dict:
    return json.loads(re.search(r"TRAINING (.*)", output).group(1))
