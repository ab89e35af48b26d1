"""What a line for people takes from the errors of libraries."""

import pytest

from ms_gan.errors import first_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("wrong"), "wrong"),
        (RuntimeError("\n\n  wrong here \n---\nstack"), "wrong here"),
        (ValueError(), "ValueError"),
        (TypeError(" \n "), "TypeError"),
    ],
)
def test_the_first_line_that_says_something(error, line):
    assert first_line(error) == line
