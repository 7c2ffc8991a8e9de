"""A candidate: a row of a messages table as a search reads it, and the message that it stands for."""

import socket
from functools import lru_cache
from typing import Any

import msgspec

from capture.errors import PayloadCorrupt
from capture.fields import StoredMessage
from capture.route import MessageClass
from capture.store.codec import PayloadCodec


class Candidate(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One row, in the order of `candidate_columns`; travels to other processes as it is."""

    id: int
    time_us: int
    delay_us: int
    call: int
    capture_id: int | None
    source_port: int | None
    destination_port: int | None
    flags: int
    protocol_type: int
    ip_protocol: int | None
    raw_codec: int
    source: bytes | None
    """As `inet_send` gives it: four bytes of head, then the packed address."""
    destination: bytes | None
    method: str | None
    node_name: str | None
    correlation_id: str | None
    session_id: str | None
    parse_error: str | None
    extra: dict[str, Any] | None
    raw: bytes


_SENT = frozenset(["source", "destination"])
CANDIDATE_COLUMNS = ", ".join(
    f"inet_send(m.{name})" if name in _SENT else f"m.{name}" for name in Candidate.__struct_fields__
)
"""What to select of a messages table `m`; addresses in binary, as their text form in SQL is not everywhere
that of Python."""


def stored_message(
    message_class: MessageClass, row: Candidate, payload: bytes, *, session_id: str | None = None
) -> StoredMessage:
    """The message of a row with its payload restored."""
    # By position, in the order of the fields: by name it takes 0.8 µs more.
    return StoredMessage(
        message_class,
        row.id,
        row.time_us,
        row.delay_us,
        row.capture_id,
        _address(row.source),
        row.source_port,
        _address(row.destination),
        row.destination_port,
        row.flags,
        row.protocol_type,
        row.ip_protocol,
        row.method,
        row.node_name,
        row.correlation_id,
        row.session_id if session_id is None else session_id,
        row.parse_error,
        row.extra,
        payload,
    )


def restore(payloads: PayloadCodec, row: Candidate) -> tuple[bytes, str | None]:
    """The payload, or none and why: a corrupt one is the trouble of its own message only."""
    try:
        return payloads.decode(row.raw_codec, row.raw), None
    except PayloadCorrupt as error:
        return b"", f"stored payload cannot be read: {error}"


@lru_cache(maxsize=4096)
def _inet_text(sent: bytes) -> str:
    packed = sent[4:]
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def _address(sent: bytes | None) -> str | None:
    return None if sent is None else _inet_text(sent)
