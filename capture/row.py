"""The message row and the key row: their values, and their bytes in PostgreSQL's binary COPY format.

Source: PostgreSQL documentation, "COPY", "Binary Format"; the order of the fields is
`store.columns.MESSAGE_COLUMNS` and `KEY_COLUMNS`. Knows nothing of where bytes came from.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import IntFlag
from struct import Struct
from typing import TypeVar

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
    CHANGED_BY_SCRIPT = 32
    """A filter script has changed what the packet said."""


MESSAGE_FIELDS = 19
KEY_FIELDS = 19

_NULL = b"\xff\xff\xff\xff"
_length = Struct(">i").pack
_INT64 = Struct(">iq")
_INT32 = Struct(">ii")
_INT16 = Struct(">ih")
_key_head = Struct(">hiqiq").pack
_all_numbers = Struct(">hiqiqiqiqiiiiiiihihih").pack
"""The field count and the ten numbers of a message row none of which is NULL: nearly every row."""

_INET4 = b"\x00\x00\x00\x08\x02\x20\x00\x04"
_INET6 = b"\x00\x00\x00\x14\x03\x80\x00\x10"
"""inet on the wire: length, then PGSQL_AF_INET or PGSQL_AF_INET6, prefix bits, is_cidr, address length."""

_TRUE = b"\x00\x00\x00\x01\x01"
_IDS_AND_ERROR_NULL = 3 * _NULL
_RARER_NULL = 4 * _NULL
"""Correlation and session id, parse error and `extra` of nearly every row."""


def encode_message(
    time_us: int,
    delay_us: int,
    call: int,
    capture_id: int | None,
    source_port: int | None,
    destination_port: int | None,
    flags: int,
    protocol_type: int,
    ip_protocol: int | None,
    raw_codec: int,
    source: bytes | None,
    destination: bytes | None,
    method: str | None,
    node_name: str | None,
    correlation_id: str | None,
    session_id: str | None,
    parse_error: str | None,
    extra: Mapping[str, Json] | None,
    raw: bytes,
) -> bytes:
    """One row of a messages table, but for the id, which the database gives; None is NULL.

    `delay_us` is arrival minus capture time; addresses are packed, 4 or 16 bytes; `raw` is the payload as
    `raw_codec` says. One tuple of binary COPY: field count, then each field with its length, all big-endian.
    """
    if capture_id is None or source_port is None or destination_port is None or ip_protocol is None:
        numbers = _some_numbers(
            (_INT64, time_us),
            (_INT64, delay_us),
            (_INT64, call),
            (_INT64, capture_id),
            (_INT32, source_port),
            (_INT32, destination_port),
            (_INT32, flags),
            (_INT16, protocol_type),
            (_INT16, ip_protocol),
            (_INT16, raw_codec),
        )
    else:
        numbers = _all_numbers(
            MESSAGE_FIELDS,
            8,
            time_us,
            8,
            delay_us,
            8,
            call,
            8,
            capture_id,
            4,
            source_port,
            4,
            destination_port,
            4,
            flags,
            2,
            protocol_type,
            2,
            ip_protocol,
            2,
            raw_codec,
        )
    if correlation_id is None and session_id is None and parse_error is None:
        rarer = _IDS_AND_ERROR_NULL + _jsonb(extra) if extra else _RARER_NULL
    else:
        rarer = b"".join(
            (encode_text(correlation_id), encode_text(session_id), encode_text(parse_error), _jsonb(extra))
        )
    return b"".join(
        (
            numbers,
            _inet[source],
            _inet[destination],
            _word[method],
            _word[node_name],
            rarer,
            _length(len(raw)),
            raw,
        )
    )


def _some_numbers(*fields: tuple[Struct, int | None]) -> bytes:
    return Struct(">h").pack(MESSAGE_FIELDS) + b"".join(
        [_NULL if value is None else field.pack(field.size - 4, value) for field, value in fields]
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


_Value = TypeVar("_Value", bound=str | bytes | None)


class _Remembered(dict[_Value, bytes]):
    """The fields of values that come again and again: a third of the time of making them anew."""

    def __init__(self, encode: Callable[[_Value], bytes]) -> None:
        self._encode = encode

    def __missing__(self, value: _Value) -> bytes:
        encoded = self._encode(value)
        if len(encoded) <= _LONGEST_REMEMBERED:
            if len(self) >= _MOST_REMEMBERED:
                self.clear()
            self[value] = encoded
        return encoded


_LONGEST_REMEMBERED = 64
_MOST_REMEMBERED = 16_384
_inet = _Remembered(encode_inet)
_word = _Remembered(encode_text)
"""Of methods and node names."""
