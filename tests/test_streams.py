"""Names of files that are not UTF-8, on the console."""

import os
import subprocess
import sys


def test_a_name_that_is_not_utf_8_is_printed_in_codes(child_environment, tmp_path):
    folder = tmp_path / os.fsdecode(b"d\xe9")
    folder.mkdir()
    for name in ("d_loss.txt", "d_acc.txt", "g_loss.txt"):
        (folder / name).write_text("0.5\n0.25\n")
    # As the streams are in every locale but C.
    environment = child_environment | {"PYTHONIOENCODING": "utf-8:strict"}
    words = (sys.executable, "-m", "ms_gan", "plot", os.fspath(folder))
    result = subprocess.run(words, env=environment, capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout == f"wrote {tmp_path}/d\\udce9/losses.png\n".encode()
