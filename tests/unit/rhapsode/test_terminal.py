"""What commands write to a terminal."""

import pytest

from rhapsode.terminal import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [("Grüße", "Grüße"), ("", ""), ("\x1b[31mred\x07", "·[31mred·"), ("a\r\nb\tc", "a··b·c")],
)
def test_what_a_terminal_would_obey_becomes_dots(text: str, shown: str) -> None:
    assert printable(text) == shown
