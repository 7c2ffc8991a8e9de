"""JSON as agents write it."""

import pytest

from capture.errors import MediaError
from capture.media.lenient import REPAIRED_CHARS, read_integer, read_number, read_object, read_text


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b' \r\n{"a": null} \0\0', {"a": None}),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b'{"a": "x\ty"}', {"a": "x\ty"}),
        (b'{"a": "\xe9"}', {"a": "\ufffd"}),
        (b'{"a": word, "b": 7x, "c": -1.5e3, "d": true}', {"a": "word", "b": "7x", "c": -1500.0, "d": True}),
        (b'{"a": "kept, as: it is", "b": 007}', {"a": "kept, as: it is", "b": "007"}),
    ],
)
def test_object_is_read_leniently(payload: bytes, value: dict[str, object]) -> None:
    assert read_object(payload) == value


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "form"),
        (b"[1]", "form"),
        (b"text", "form"),
        (b'{"a": ', "json"),
        (b'{"a":' + b"[" * 100_000, "json"),
        (b'{"a": word, "b": "' + b"x" * REPAIRED_CHARS + b'"}', "json"),
    ],
)
def test_anything_else_is_an_error(payload: bytes, reason: str) -> None:
    with pytest.raises(MediaError) as caught:
        read_object(payload)

    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("value", "integer", "number"),
    [
        (7, 7, 7.0),
        ("7", 7, 7.0),
        ("-7.0", -7, -7.0),
        (2**40, 2**40, 2.0**40),
        (1.5, None, 1.5),
        ("x", None, None),
        ("9" * 99, None, None),
        (True, None, None),
        (None, None, None),
        ([1], None, None),
        ("nan", None, None),
        (float("inf"), None, None),
        ("1e999", None, None),
    ],
)
def test_number_may_be_text(value: object, integer: int | None, number: float | None) -> None:
    assert read_integer(value) == integer
    assert read_number(value) == number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"),
        (7, "7"),
        (1.5, "1.5"),
        (None, ""),
        (True, ""),
        ([], ""),
        ("a\0b", "a\ufffdb"),
        ("\ud800", "?"),
        (10**400, ""),
    ],
)
def test_text_can_be_stored(value: object, text: str) -> None:
    assert read_text(value) == text
