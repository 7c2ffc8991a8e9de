"""A payload cut into header lines and body.

Source: RFC 3261 7 and 7.3.1 (folding), 7.5 (blank lines before the start line). Knows no header by name.
"""

import re

import msgspec

from capture.sip.grammar import BLANKS
from capture.text import to_text

MAX_LINES = 1024
"""Header lines that are read: 64 KiB, the largest HEP payload, of lines of 64 bytes. More is an attack."""

Head = tuple[list[str], bytes, int]
"""Lines, start line first, perhaps folded, each perhaps with a CR at its end (more than `MAX_LINES`: the last
is the rest); the message itself, taken out of its wrapper, without blank lines before it; where its body
begins.

A bare tuple, because a named one costs 0.3 µs on each message.
"""

_WRAPPER = re.compile(rb'\s*+\{\s*+"payload"\s*+:')
_BLANK_LINE = re.compile(rb"\n\r?\n")
# A payload that starts with one of these (or is empty) is not a start line as it stands.
_ODD_STARTS = frozenset([b"{", b"\r", b"\n", b" ", b"\t", b"\0", b""])


class _Wrapped(msgspec.Struct):
    payload: str


def split_head(payload: bytes) -> Head:
    """Header lines in the one text form, whether they end in CRLF or LF; the body is not decoded."""
    if payload[:1] in _ODD_STARTS:
        payload = unwrap(payload).lstrip(b"\r\n \t\0")
    end = payload.find(b"\n\r\n")
    if end >= 0:
        lines = to_text(payload[:end]).split("\n", MAX_LINES)
        if "" not in lines:
            return lines, payload, end + 3
    # LF alone ends the header, or nothing does.
    blank = _BLANK_LINE.search(payload)
    if blank:
        return to_text(payload[: blank.start()]).split("\n", MAX_LINES), payload, blank.end()
    # OpenSIPS fills HEPv1 and v2 packets up with NULs.
    return to_text(payload.rstrip(b"\0\r\n")).split("\n", MAX_LINES), payload, len(payload)


def head_text(payload: bytes) -> str:
    """The same lines in one text, neither unfolded nor without their CR."""
    if payload[:1] not in _ODD_STARTS:
        end = payload.find(b"\n\r\n")
        if end >= 0 and payload.find(b"\n\n", 0, end + 1) < 0:
            return to_text(payload[:end])
    return "\n".join(split_head(payload)[0])


def unfold(lines: list[str]) -> list[str]:
    """Each continuation joined to its header by one blank.

    One right behind the start line belongs to no header, and is left out.
    """
    parts: list[list[str]] = []
    for line in lines[1:]:
        if not line.startswith((" ", "\t")):
            parts.append([line])
        elif parts and (text := line.strip(BLANKS)):
            parts[-1].append(text)
    return lines[:1] + [
        header[0] if len(header) == 1 else " ".join([header[0].rstrip(BLANKS), *header[1:]])
        for header in parts
    ]


def is_wrapped(payload: bytes) -> bool:
    """Whether this is JSON around SIP: OpenSIPS with homer5_on=0 sends `{"payload": "INVITE …"}`."""
    return payload[:1] == b"{" and _WRAPPER.match(payload) is not None


def unwrap(payload: bytes) -> bytes:
    """The SIP message inside OpenSIPS's JSON, else the payload as it is."""
    if not is_wrapped(payload):
        return payload
    try:
        # Through text, because OpenSIPS copies bytes that are not UTF-8 into the JSON.
        wrapped = msgspec.json.decode(to_text(payload.rstrip(b"\0")), type=_Wrapped)
    except (msgspec.MsgspecError, RecursionError):
        return payload
    return wrapped.payload.encode("utf-8", "replace")
