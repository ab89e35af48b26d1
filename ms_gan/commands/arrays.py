"""Arrays that a user gives in a file."""

from pathlib import Path

import numpy as np

from ms_gan.errors import UserError, first_line


def read_array(path: Path, where: str) -> np.ndarray:
    """Read a .npy file.

    Parameters
    ----------
    path : Path
        The file.
    where : str
        What the user gave, for the message.

    Returns
    -------
    ndarray
        Of any shape and kind but Python objects.

    Raises
    ------
    UserError
        If the file is missing, cannot be read, or holds something else.
    """
    try:
        array = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise UserError(f"{where}: no such file") from None
    # NumPy and the zip reader raise many kinds for damaged files, a MemoryError for a header that names a huge shape.
    except Exception as error:
        raise UserError(f"{where}: cannot be read as a .npy file: {first_line(error)}") from None
    if not isinstance(array, np.ndarray):
        raise UserError(f"{where}: is no .npy file of one array")
    return array
