"""Log lines."""

import pytest

from capture.errors import MediaError
from capture.media.log import SEARCHED_CHARS, LogLine, parse_log


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("NATed request detected - R=sip:187@example.com ID=swe69@127.0.0.1", "swe69@127.0.0.1"),
        ("reply ID=swe69@127.0.0.1 M=INVITE", "swe69@127.0.0.1"),
        ("reply ID=«swe69@127.0.0.1» M=INVITE", "swe69@127.0.0.1"),
        ("core: [swe69@127.0.0.1] relayed", "swe69@127.0.0.1"),
        ("Processing OPTIONS using Call-Id: hcxgsi@127.0.0.1", "hcxgsi@127.0.0.1"),
        ("request REGISTER from bob to <null>", None),
        ("GRID=7 BRID=8", None),
        ("ID= nothing", None),
        ("x" * SEARCHED_CHARS + " ID=swe69@127.0.0.1", None),
    ],
)
def test_call_is_found_in_the_text(text: str, call: str | None) -> None:
    assert parse_log(text.encode()) == LogLine(text, "", call)


def test_json_of_opensips_is_unwrapped() -> None:
    payload = b'{\n\t"Event":\t"NOTICE",\n\t"text":\t"got INVITE ID=a@b\\n"\n}'

    assert parse_log(payload) == LogLine("got INVITE ID=a@b\n", "NOTICE", "a@b")


@pytest.mark.parametrize("text", ['{"other": "json"}', "{broken", "{}"])
def test_other_text_in_braces_is_a_line(text: str) -> None:
    assert parse_log(text.encode()).text == text


def test_bytes_that_are_not_utf8_are_replaced() -> None:
    assert parse_log(b"caf\xe9\0\0").text == "caf\ufffd"


@pytest.mark.parametrize("payload", [b"", b"\0\0"])
def test_nothing_is_an_error(payload: bytes) -> None:
    with pytest.raises(MediaError):
        parse_log(payload)
