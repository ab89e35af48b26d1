"""The command line: thin; every subcommand is a call of a public function."""

import argparse
import os
import sys
from collections.abc import Sequence

from ms_gan import __version__
from ms_gan.cli.interrupts import guard_interrupts
from ms_gan.errors import Interrupted, TrainingDiverged, UserError, WorkerDied
from ms_gan.streams import take_any_name


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words after ``ms-gan``; None: those of this process.

    Returns
    -------
    int
        The exit status: 0, or 2 for bad input, 1 for a diverged training or a dead worker, 130 or 143 after a signal.
    """
    take_any_name()
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words == ["doctor"]:
        # Before anything else is imported: the doctor works where packages are missing.
        from ms_gan.doctor import run_doctor

        return run_doctor()
    if os.name != "posix":
        # Locks, limits of memory and masks of signals; what imports them would end in a traceback.
        return _fail(f"needs Linux, and this is {sys.platform}; on Windows install and run it in WSL", 2)
    guard_interrupts()
    try:
        _refuse_empty(words)
        options = build_parser().parse_args(words)
        return options.run(options) or 0
    except UserError as error:
        return _fail(str(error), 2)
    except (TrainingDiverged, WorkerDied) as error:
        return _fail(str(error), 1)
    except Interrupted as error:
        return _fail(str(error), 128 + error.signal)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except BrokenPipeError:
        # The reader of our output went away, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    from ms_gan.cli import ascend, data, judging, measuring, training, using

    parser = argparse.ArgumentParser(
        prog="ms-gan",
        description="Train generative adversarial networks with MindSpore, on Ascend NPUs or any CPU.",
        epilog="First run: ms-gan train --config mlp",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    training.add_commands(commands)
    measuring.add_commands(commands)
    using.add_commands(commands)
    judging.add_commands(commands)
    data.add_commands(commands)
    ascend.add_commands(commands)
    return parser


def _refuse_empty(words: Sequence[str]) -> None:
    """Refuse an empty word: of a variable that is not set it would silently mean "not given"."""
    for before, word in zip(["ms-gan", *words], words, strict=False):
        if word == "":
            raise UserError(f"the word after {before} is empty; was a variable not set?")
        if word.startswith("--") and word.endswith("="):
            raise UserError(f"{word} is empty; was a variable not set?")


def _fail(message: str, status: int) -> int:
    # A file's name may hold a line end; the message is one line all the same.
    print("ms-gan: " + message.replace("\n", " "), file=sys.stderr)
    return status
