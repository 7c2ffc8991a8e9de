"""Log lines, protocol type 100: free text, or OpenSIPS's JSON around it.

Source: hep-protocol 13, "Logs". A Call-ID stands in the text as its senders write it.
"""

import re

import msgspec

from capture.errors import MediaError
from capture.media.lenient import read_object, read_text
from capture.text import to_text

SEARCHED_CHARS = 8192
"""A Call-ID is looked for in so much of a line: log lines are short, and what is longer is a dump."""

# `ID=«CALLID»`, `ID=CALLID ` (a blank ends it), `: [CALLID]`, `Call-ID: CALLID`. None takes in a character
# that could begin another match, so that each stretch of text is tried once.
_CALL_IDS = (
    re.compile(r"\bID=«([^»«\s]++)»"),
    re.compile(r"\bID=([^«\s]\S*+)"),
    re.compile(r": \[([^\]\s]++)\]"),
    re.compile(r"\bcall-?id[:=][ \t]*+(\S++)", re.IGNORECASE),
)


class LogLine(msgspec.Struct, frozen=True, gc=False):
    """One line and the call it is about."""

    text: str
    event: str = ""
    """OpenSIPS's level, where it is sent apart."""
    session_id: str | None = None


def parse_log(payload: bytes) -> LogLine:
    """MediaError when there is nothing in it."""
    text, event = to_text(payload.rstrip(b"\0")), ""
    if not text:
        raise MediaError("empty", "an empty log line")
    if text.startswith("{"):
        text, event = _unwrap(payload) or (text, "")
    searched = text[:SEARCHED_CHARS]
    matches = (pattern.search(searched) for pattern in _CALL_IDS)
    match = next(filter(None, matches), None)
    return LogLine(text, event, match[1] if match else None)


def _unwrap(payload: bytes) -> tuple[str, str] | None:
    """`text` and `Event` of OpenSIPS's JSON; None where it is something else."""
    try:
        record = read_object(payload)
    except MediaError:
        return None
    text = read_text(record.get("text"))
    return (text, read_text(record.get("Event"))) if text else None
