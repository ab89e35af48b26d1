"""The one kind of error that is the user's to mend."""


class UserError(Exception):
    """Something the user gave is wrong: a file, key, value, shape, checkpoint or device.

    The message is one line that names what was wrong, where, and what to do. The command line prints it
    without a traceback and exits with status 2; every other exception keeps its traceback.
    """
