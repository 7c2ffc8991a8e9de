"""ISUP inside SIP (SIP-I, RFC 3204): its binary body made readable.

Source: homer-app shows it as upper-case hexadecimal bytes with a blank between two.
"""

import re

_ISUP = re.compile(rb"^content-type:[ \t]*application/isup\b", re.IGNORECASE | re.MULTILINE)
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")


def with_readable_isup(payload: bytes) -> bytes:
    """The payload with its ISUP part in hexadecimal; as it is when there is none.

    The part ends at the boundary line that the one before it began with, else at the end.
    """
    found = _ISUP.search(payload)
    if found is None:
        return payload
    blank = _BLANK_LINE.search(payload, found.end())
    if blank is None:
        return payload
    start = blank.end()
    end = _end_of_part(payload, found.start(), start)
    return payload[:start] + payload[start:end].hex(" ").upper().encode() + payload[end:]


def _end_of_part(payload: bytes, header_at: int, start: int) -> int:
    boundary = payload.rfind(b"\n--", 0, header_at)
    if boundary < 0:
        return len(payload)
    line = payload[boundary + 1 : payload.index(b"\n", boundary + 1)].rstrip(b"\r")
    end = payload.find(b"\n" + line, start)
    if end < 0:
        return len(payload)
    return end - 1 if payload[end - 1 : end] == b"\r" else end
