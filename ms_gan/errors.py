"""The errors that end a command with a line rather than a traceback."""


class UserError(Exception):
    """Something the user gave is wrong: a file, key, value, shape, checkpoint or device.

    The message is one line that names what was wrong, where, and what to do. The command line prints it
    without a traceback and exits with status 2; every other exception keeps its traceback.
    """


class NoSuchPart(UserError):
    """A data set that is whole but for its training or its test part, which was asked for."""


class TrainingDiverged(Exception):
    """A loss or parameter is no longer a finite number. The command line prints the message and exits with status 1."""


class WorkerDied(Exception):
    """One of several workers ended without a word. The command line prints the message and exits with status 1."""


class Interrupted(Exception):
    """The user or the system stopped the run, which is saved.

    Attributes
    ----------
    signal : int
        The signal's number; the command line exits with status 128 + signal.
    """

    def __init__(self, message: str, signal: int):
        super().__init__(message)
        self.signal = signal


def first_line(error: BaseException) -> str:
    """Return the first line of a library's error that says something; its type where none does."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def resizing(pixels: int) -> str:
    """Return how to ask for images of so many pixels: by the option, which not every command has, or the setting."""
    return f"--size {pixels} (or set data.size={pixels})"
