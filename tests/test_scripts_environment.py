"""The shell scripts make, find, mend and choose the Python environment that they use."""

from pathlib import Path

import pytest
from script_place import Place, training


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


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
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert place.calls().count("venv") == 1


def test_no_python_with_wheels_is_one_line_and_status_2(place):
    place.add_other_python("python3", "3.13")
    status, output = place.run("test.sh")
    assert status == 2
    assert len(output.splitlines()) == 1
    assert "3.10, 3.11, 3.12" in output
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
    assert "ruff" not in call
    place.run("test.sh", VIRTUAL_ENV=str(active), NOTHING_INSTALLED="1")
    assert "ruff>=" in place.calls()[0]


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


def test_named_mindspore_has_an_environment_of_its_own(place):
    place.add_python()
    active = place.add_python(place.home / "env/bin/python").parents[1]
    assert place.run("test.sh")[0] == 0
    place.calls()
    for given in (["--mindspore", "2.7.1"], ["--mindspore=2.7.1"]):
        status, output = place.run("test.sh", *given, "-k", "a", VIRTUAL_ENV=str(active))
        assert status == 0, output
    calls = place.calls()
    assert next(call for call in calls if "--requirement" in call).endswith("requirements.txt mindspore==2.7.1")
    assert calls.count("venv") == 1
    assert calls[-1].startswith("[-m][pytest]")
    assert calls[-1].endswith("[-k][a]")
    assert {path.name for path in place.tree.glob(".venv*")} == {".venv", ".venv-2.7.1"}
    assert place.run("test.sh")[0] == 0
    assert not [call for call in place.calls() if "venv" in call or "install" in call]


def test_named_mindspore_takes_only_a_python_that_it_has_wheels_for(place):
    place.add_other_python("python3.12", "3.12")
    status, output = place.run("test.sh", "--mindspore", "2.7.1")
    assert (status, output.count("\n")) == (2, 1)
    assert "MindSpore 2.7.1 needs one of Python 3.10, 3.11, with venv" in output
    for version in ("2.7.2", "2.10.0"):
        assert "making the environment" in place.run("test.sh", "--mindspore", version)[1]
    # An environment with a Python without such wheels is made again.
    place.add_other_python("../a clone/.venv-2.7.1/bin/python", "3.12")
    place.add_python()
    assert place.run("test.sh", "--mindspore", "2.7.1")[0] == 0
    assert "venv" in place.calls()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["--mindspore"], "needs a version"),
        (["--mindspore", "newest"], "needs a version"),
        (["--mindspore=2.7.1;ls"], "needs a version"),
        (["--mindspore", "2.7.1", "--python", "python3.11"], "leave --python away"),
    ],
)
def test_impossible_mindspore_is_refused(place, given, named):
    place.add_python()
    status, output = place.run("test.sh", *given)
    assert (status, output.count("\n")) == (2, 1)
    assert named in output
    assert not place.calls()
