"""Ctrl-C and SIGTERM beside the steps: one line, 130 or 143, and a run that goes on."""

import _thread
import os
import signal
import sys
import threading
import time

import pytest
from conftest import slow
from run_folders import differences

from ms_gan.errors import Interrupted

pytestmark = pytest.mark.usefixtures("compiled_once")


def _stop(number):
    # MindSpore may have put a handler of its own in place of Python's.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.kill(os.getpid(), number)


def _stopped(result, number, words):
    lines = result.stderr.strip().splitlines()
    assert result.status == 128 + number
    assert len(lines) == 1
    assert words in lines[0]
    assert "Traceback" not in result.stdout + result.stderr


@pytest.fixture
def once(monkeypatch):
    """Give a function that lets a signal come once, when a function is called."""

    def once(number, place, name):
        original, waiting = getattr(place, name), [number]

        def called(*arguments, **options):
            if waiting:
                _stop(waiting.pop())
            return original(*arguments, **options)

        monkeypatch.setattr(place, name, called)

    return once


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_data_are_loaded(begin, once, number):
    from ms_gan.commands import preparing

    once(number, preparing, "configured_images")
    run, result = begin()
    _stopped(result, number, "stopped before the first step; there is nothing to resume yet, start again")
    assert not run.exists()
    assert begin()[1].status == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_the_run_folder_is_made(begin, once, number):
    from ms_gan.runs.folder import RunFolder

    once(number, RunFolder, "write_config")
    _, result = begin()
    _stopped(result, number, "there is nothing to resume yet, start again")
    assert begin()[1].status == 0


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("prepare_steps", signal.SIGINT),
        ("animate", signal.SIGTERM),
        slow("prepare_steps", signal.SIGTERM),
        slow("animate", signal.SIGINT),
        slow("plot", signal.SIGINT),
        slow("plot", signal.SIGTERM),
    ],
)
def test_while_compiling_or_drawing(begin, once, command, finished, number, name):
    from ms_gan.commands import running

    once(number, running, name)
    run, result = begin()
    _stopped(result, number, "stopped; the run goes on from its last saved state, nothing before that is lost. Go on")
    assert result.stderr.strip().endswith(f" train --resume {run}")
    assert command("train", "--resume", run).status == 0
    assert differences(run, finished) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_in_a_step_ends_at_once(number, monkeypatch, capfd):
    from ms_gan.commands import signals

    def interrupted():
        with signals.ending_signals(), signals.noted_signals() as received:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)  # as `timeout` does
            assert received == [signal.SIGTERM]
            monkeypatch.setattr(signals, "_ONE_SIGNAL", 0.0)
            os.kill(os.getpid(), number)
            time.sleep(1)

    with pytest.raises(Interrupted) as caught:
        interrupted()
    assert caught.value.signal == number
    assert capfd.readouterr().err.count("once more to stop at once") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_in_a_process_of_its_own_while_digits_are_drawn(start, tmp_path, number):
    data = tmp_path / "cache"
    words = ("--data", "builtin", "--data-dir", data, "--out", tmp_path / "run", "--device", "cpu")
    with start("train", *words) as child:
        assert child.stdout.readline().startswith("Device: CPU")
        child.send_signal(number)
        stdout, stderr = child.communicate(timeout=60)
    assert child.returncode == 128 + number, stderr
    assert stderr.count("\n") == 1
    assert "there is nothing to resume yet, start again" in stderr
    assert "Traceback" not in stdout + stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_a_library_takes_the_signal_for_an_error_of_its_own(begin, monkeypatch, number):
    from ms_gan.commands import preparing
    from ms_gan.errors import UserError

    def interrupted(*_):
        try:
            _thread.interrupt_main(number)
            while True:
                pass
        except BaseException:
            raise UserError("the library has a fault") from None

    monkeypatch.setattr(preparing, "configured_images", interrupted)
    _, result = begin()
    _stopped(result, number, "stopped before the first step; there is nothing to resume yet, start again")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_module_that_is_being_imported_does_not_see_the_signal(begin, monkeypatch, tmp_path, number):
    from ms_gan.commands import preparing

    # As the start of OpenCV does, whose C code prints what it catches and raises an ImportError.
    lines = (
        "import _thread",
        "try:",
        f"    _thread.interrupt_main({number:d})",
        "    for turn in range(1000): pass",
        "except BaseException:",
        "    print('caught')",
    )
    (tmp_path / "fragile.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)

    def loaded(*_):
        import fragile  # noqa: F401

        while True:
            pass

    monkeypatch.setattr(preparing, "configured_images", loaded)
    monkeypatch.delitem(sys.modules, "fragile", raising=False)
    _, result = begin()
    _stopped(result, number, "stopped before the first step; there is nothing to resume yet, start again")
    assert "caught" not in result.stdout


def test_handlers_are_put_back(begin, once):
    from ms_gan.commands import preparing

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    once(signal.SIGTERM, preparing, "configured_images")
    begin()
    assert [signal.getsignal(number) for number in numbers] == before


def test_training_in_a_thread_leaves_signals_alone(digits_folder, tmp_path, mindspore_cpu):
    from ms_gan import train

    failed = []
    # Widths of its own, so that nothing which is compiled is shared by two threads.
    changes = {"generator.options.widths": [32], "discriminator.options.widths": [16]}
    changes |= {"steps": 2, "data.folder": str(digits_folder)}

    def run():
        try:
            train("mlp", overrides=changes, out=str(tmp_path / "r"), device="cpu")
        except BaseException as error:  # pragma: no cover
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert failed == []
