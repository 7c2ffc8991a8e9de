"""Payloads cut into lines and body."""

import pytest

from capture.sip.lines import MAX_LINES, is_wrapped, split_head, unfold, unwrap


def stripped(payload: bytes) -> list[str]:
    return [line.removesuffix("\r") for line in split_head(payload)[0]]


@pytest.mark.parametrize(
    "payload",
    [
        b"START\r\nA: 1\r\nB: 2\r\n\r\nbody",
        b"START\nA: 1\nB: 2\n\nbody",
        b"START\nA: 1\r\nB: 2\n\r\nbody",
        b"\r\n\r\nSTART\r\nA: 1\r\nB: 2\r\n\r\nbody",
        b"START\r\nA: 1\r\nB: 2\n\nbody",
    ],
)
def test_lines_end_in_crlf_or_lf(payload: bytes) -> None:
    _, message, body_at = split_head(payload)

    assert stripped(payload) == ["START", "A: 1", "B: 2"]
    assert message[body_at:] == b"body"


def test_blank_line_inside_the_body_does_not_end_the_header() -> None:
    payload = b"START\nA: 1\n\nbody\r\n\r\nB: 2"

    lines, message, body_at = split_head(payload)

    assert lines == ["START", "A: 1"]
    assert message[body_at:] == b"body\r\n\r\nB: 2"


@pytest.mark.parametrize("end", [b"", b"\r\n", b"\r\n" + b"\0" * 8])
def test_header_may_lack_its_blank_line(end: bytes) -> None:
    payload = b"START\r\nA: 1" + end

    assert stripped(payload) == ["START", "A: 1"]
    assert split_head(payload)[2] == len(payload)


def test_body_is_not_decoded() -> None:
    lines, message, body_at = split_head(b"START\r\nA: \xff\0\r\n\r\n\xff\0")

    assert lines == ["START\r", "A: \ufffd\ufffd\r"]
    assert message[body_at:] == b"\xff\0"


@pytest.mark.parametrize("payload", [b"", b"\r\n\r\n", b"\0\0\0\0"])
def test_keep_alive_has_one_empty_line(payload: bytes) -> None:
    assert split_head(payload)[0] == [""]


def test_lines_are_limited() -> None:
    lines, *_ = split_head(b"START\r\n" + b"A: 1\r\n" * 5000 + b"\r\n")

    assert len(lines) == MAX_LINES + 1


def test_continuations_are_joined_by_one_blank() -> None:
    lines = ["START", " dropped", "A: 1 ", "  2\r", "\t3 ", " ", "B: 4"]

    assert unfold(lines) == ["START", "A: 1 2 3", "B: 4"]


@pytest.mark.parametrize(
    "payload",
    [
        b'{"payload":"SIP\\r\\n\xc3\xa9"}',
        b'{\n\t"payload":\t"SIP\\r\\n\xc3\xa9"\n}\0\0',
        b'{"payload" : "SIP\\r\\n\\u00e9", "x": [1]}',
    ],
)
def test_json_wrapper_is_taken_off(payload: bytes) -> None:
    assert is_wrapped(payload)
    assert unwrap(payload) == b"SIP\r\n\xc3\xa9"


@pytest.mark.parametrize(
    "payload", [b'{"payload": 1}', b'{"payload": "x', b'{"payload":' + b"[" * 9000, b'{"x": "payload"}']
)
def test_other_json_stays_as_it_is(payload: bytes) -> None:
    assert unwrap(payload) == payload
