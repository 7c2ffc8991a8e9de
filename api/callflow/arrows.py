"""What stands on an arrow of a ladder.

Source: homer-app's names of payload types; the last one that a message has of payload type, method, ISUP
message name and event.
"""

from collections.abc import Mapping
from typing import NamedTuple

from capture.text import to_text

Value = str | int | None

SHOWN_BYTES = 50
"""So much of the payload stands beside an arrow."""

_GENERIC = ("Generic", "generic")
_TYPES = {
    5: ("RTCP", "RTCP"),
    34: ("Report RTP", "Report RTP"),
    35: ("Report RTP", "Report RTP"),
    54: ("ISUP", "ISUP message"),
    81: ("CDR", "CDR"),
    100: ("LOG", "LOG"),
    200: ("Loki Data", "Loki Data"),
}


class Label(NamedTuple):
    """The word on an arrow, and the same for people."""

    method: str
    text: str


def label_of(protocol_type: int, fields: Mapping[str, Value]) -> Label:
    """The label of a message by its fields."""
    label = Label(*_TYPES.get(protocol_type, _GENERIC))
    for name in ("method", "msg_name", "event"):
        value = fields.get(name)
        if value:
            label = Label(str(value), str(value))
    return label


def head_of(payload: bytes) -> str:
    """The payload's beginning."""
    return to_text(payload[:SHOWN_BYTES].rstrip(b"\0"))
