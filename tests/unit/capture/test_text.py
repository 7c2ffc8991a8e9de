"""The one text form."""

import pytest

from capture.text import to_text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"plain", "plain"),
        ("grün €".encode(), "grün €"),
        (b"a\xe9b", "a\ufffdb"),
        (b"a\0b", "a\ufffdb"),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
        (b"cut \xe2\x82", "cut \ufffd"),
    ],
)
def test_bytes_become_text_that_can_be_stored(data: bytes, text: str) -> None:
    assert to_text(data) == text
    assert to_text(text.encode()) == text
