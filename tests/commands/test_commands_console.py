"""What is kept of what a user sees."""

import pytest

from ms_gan.commands.console import without_home


@pytest.mark.parametrize(
    ("home", "text", "written"),
    [
        ("/root", "wrote /root/runs/a and '/root/b'; MS_GAN_DATA=/root", "wrote ~/runs/a and '~/b'; MS_GAN_DATA=~"),
        (
            "/root",
            "cannot write /root: full. In /root. PATH=/bin:/root:/root/bin",
            "cannot write ~: full. In ~. PATH=/bin:~:~/bin",
        ),
        ("/root", "/mnt/root/mnist", None),
        ("/root", "/rootfs/data /root-old /root.bak ../root", None),
        ("/home/a.b", "/home/a.b/c /home/a-b/c", "~/c /home/a-b/c"),
        ("/home/me/", "/home/me/data", "~/data"),
        ("/", "/data and / alone", None),
        ("", "/data and / alone", None),
    ],
)
def test_the_home_folder_is_written_short_where_a_path_begins_with_it(monkeypatch, home, text, written):
    monkeypatch.setenv("HOME", home)
    assert without_home(text) == (text if written is None else written)
