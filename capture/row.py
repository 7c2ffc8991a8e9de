"""The message row and the key row: their values, and their bytes in PostgreSQL's binary COPY format.

Source: PostgreSQL documentation, "COPY", "Binary Format"; the order of the fields is
`store.columns.MESSAGE_COLUMNS` and `KEY_COLUMNS`. Knows nothing of where bytes came from.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import IntFlag
from struct import Struct

import msgspec

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]


class Flag(IntFlag):
    """Facts about a stored message that no field says."""

    NONE = 0
    ARRIVAL_TIME = 1
    """Stored under the arrival time: the sender's was missing or not sensible (its own stands in `extra`)."""
    SWAPPED_TIME = 2
    """The sender's time was byte-swapped (rtpengine 2025): stored under the swapped value."""
    NOT_INFLATED = 4
    """The compressed payload could not be inflated; its bytes are stored as they came."""
    LONGER_THAN_LENGTH = 8
    CUT_CHUNK = 16


class MessageRow(msgspec.Struct, frozen=True, gc=False):
    """One row of a messages table, but for the id that the database gives. None is NULL."""

    time_us: int
    delay_us: int
    """Arrival minus capture time."""
    call: int
    capture_id: int | None
    source_port: int | None
    destination_port: int | None
    flags: int
    protocol_type: int
    ip_protocol: int | None
    raw_codec: int
    source: bytes | None
    """Packed, 4 or 16 bytes."""
    destination: bytes | None
    method: str | None
    node_name: str | None
    correlation_id: str | None
    session_id: str | None
    parse_error: str | None
    extra: Mapping[str, Json] | None
    raw: bytes
    """The payload as `raw_codec` says."""


MESSAGE_FIELDS = 19
KEY_FIELDS = 19

_NULL = b"\xff\xff\xff\xff"
_length = Struct(">i").pack
_int64 = Struct(">iq").pack
_int32 = Struct(">ii").pack
_int16 = Struct(">ih").pack
_key_head = Struct(">hiqiq").pack
_all_numbers = Struct(">hiqiqiqiqiiiiiiihihih").pack
"""The field count and the ten numbers of a message row none of which is NULL: nearly every row."""

_INET4 = b"\x00\x00\x00\x08\x02\x20\x00\x04"
_INET6 = b"\x00\x00\x00\x14\x03\x80\x00\x10"
"""inet on the wire: length, then PGSQL_AF_INET or PGSQL_AF_INET6, prefix bits, is_cidr, address length."""

_TRUE = b"\x00\x00\x00\x01\x01"
_RARER_NULL = 4 * _NULL
"""Correlation and session id, parse error and `extra` of nearly every row."""


def encode_message(row: MessageRow) -> bytes:
    """One tuple of binary COPY: field count, then each field with its length, all big-endian."""
    if (
        row.capture_id is None
        or row.source_port is None
        or row.destination_port is None
        or row.ip_protocol is None
    ):
        numbers = _some_numbers(row)
    else:
        numbers = _all_numbers(
            MESSAGE_FIELDS,
            8,
            row.time_us,
            8,
            row.delay_us,
            8,
            row.call,
            8,
            row.capture_id,
            4,
            row.source_port,
            4,
            row.destination_port,
            4,
            row.flags,
            2,
            row.protocol_type,
            2,
            row.ip_protocol,
            2,
            row.raw_codec,
        )
    raw = row.raw
    return b"".join(
        (
            numbers,
            encode_inet(row.source),
            encode_inet(row.destination),
            encode_text(row.method),
            encode_text(row.node_name),
            _encode_rarer(row.correlation_id, row.session_id, row.parse_error, row.extra),
            _length(len(raw)),
            raw,
        )
    )


def _encode_rarer(
    correlation_id: str | None,
    session_id: str | None,
    parse_error: str | None,
    extra: Mapping[str, Json] | None,
) -> bytes:
    if correlation_id is None and session_id is None and parse_error is None and not extra:
        return _RARER_NULL
    return b"".join(
        (encode_text(correlation_id), encode_text(session_id), encode_text(parse_error), _jsonb(extra))
    )


def _some_numbers(row: MessageRow) -> bytes:
    def optional(value: int | None, pack: Callable[[int, int], bytes], size: int) -> bytes:
        return _NULL if value is None else pack(size, value)

    return b"".join(
        (
            Struct(">h").pack(MESSAGE_FIELDS),
            _int64(8, row.time_us),
            _int64(8, row.delay_us),
            _int64(8, row.call),
            optional(row.capture_id, _int64, 8),
            optional(row.source_port, _int32, 4),
            optional(row.destination_port, _int32, 4),
            _int32(4, row.flags),
            _int16(2, row.protocol_type),
            optional(row.ip_protocol, _int16, 2),
            _int16(2, row.raw_codec),
        )
    )


def encode_key(
    bucket: int,
    call: int,
    values: Sequence[str | None],
    source: bytes | None,
    destination: bytes | None,
    *,
    cut: bool = False,
    extra: Mapping[str, Json] | None = None,
) -> bytes:
    """One key row; `values` in the order of `store.columns.KEY_TEXT_COLUMNS`."""
    return b"".join(
        (
            _key_head(KEY_FIELDS, 8, bucket, 8, call),
            *[_NULL if value is None else encode_text(value) for value in values],
            encode_inet(source),
            encode_inet(destination),
            _TRUE if cut else _NULL,
            _jsonb(extra),
        )
    )


def encode_text(value: str | None) -> bytes:
    """A text field; the one text form holds no NUL and no lone surrogate, so this cannot fail."""
    if value is None:
        return _NULL
    data = value.encode()
    return _length(len(data)) + data


def encode_inet(packed: bytes | None) -> bytes:
    """An inet field of a packed address."""
    if packed is None:
        return _NULL
    return (_INET4 if len(packed) == 4 else _INET6) + packed


def _jsonb(value: Mapping[str, Json] | None) -> bytes:
    if not value:
        return _NULL
    data = msgspec.json.encode(value)
    # The leading 1 is the version of jsonb's wire form.
    return _length(len(data) + 1) + b"\x01" + data
