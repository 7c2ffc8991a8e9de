"""Rows in PostgreSQL's binary COPY format, taken apart again by the format's own description."""

import struct
from typing import Any

from capture.row import KEY_FIELDS, MESSAGE_FIELDS, encode_key, encode_message
from capture.store.columns import KEY_TEXT_COLUMNS


def fields(encoded: bytes) -> list[bytes | None]:
    (count,) = struct.unpack_from(">h", encoded)
    offset = 2
    found: list[bytes | None] = []
    for _ in range(count):
        (length,) = struct.unpack_from(">i", encoded, offset)
        offset += 4
        found.append(None if length < 0 else encoded[offset : offset + length])
        offset += max(length, 0)
    assert offset == len(encoded)
    return found


def a_message(**given: object) -> bytes:
    row: dict[str, Any] = {
        "time_us": 1,
        "delay_us": -2,
        "call": -3,
        "capture_id": 4,
        "source_port": 5,
        "destination_port": 6,
        "flags": 7,
        "protocol_type": 8,
        "ip_protocol": 17,
        "raw_codec": 9,
        "source": b"\x01\x02\x03\x04",
        "destination": bytes(16),
        "method": "INVITE",
        "node_name": None,
        "correlation_id": "ü",
        "session_id": None,
        "parse_error": None,
        "extra": {"hep": {"version": 2}},
        "raw": b"payload",
    }
    return encode_message(**row | given)


def test_message_fields_are_as_described() -> None:
    found = fields(a_message())

    assert len(found) == MESSAGE_FIELDS
    assert found[:4] == [struct.pack(">q", number) for number in (1, -2, -3, 4)]
    assert found[4:7] == [struct.pack(">i", number) for number in (5, 6, 7)]
    assert found[7:10] == [struct.pack(">h", number) for number in (8, 17, 9)]
    assert found[10] == b"\x02\x20\x00\x04\x01\x02\x03\x04"
    assert found[11] == b"\x03\x80\x00\x10" + bytes(16)
    assert found[12:17] == [b"INVITE", None, "ü".encode(), None, None]
    assert found[17] == b'\x01{"hep":{"version":2}}'
    assert found[18] == b"payload"


def test_missing_number_is_null_and_moves_nothing() -> None:
    whole = fields(a_message())

    found = fields(a_message(ip_protocol=None, capture_id=None, source_port=None, source=None))

    assert [index for index, field in enumerate(found) if field != whole[index]] == [3, 4, 8, 10]
    assert found[3] is found[4] is found[8] is found[10] is None


def test_key_fields_are_as_described() -> None:
    values = [name if name != "node" else None for name in KEY_TEXT_COLUMNS]

    found = fields(encode_key(10, -11, values, b"\x7f\x00\x00\x01", None, cut=True, extra={"a": ["b"]}))

    assert len(found) == KEY_FIELDS
    assert found[:2] == [struct.pack(">q", 10), struct.pack(">q", -11)]
    assert found[2:-4] == [None if value is None else value.encode() for value in values]
    assert found[-4:] == [b"\x02\x20\x00\x04\x7f\x00\x00\x01", None, b"\x01", b'\x01{"a":["b"]}']


def test_unmarked_key_row_has_no_mark() -> None:
    found = fields(encode_key(1, 2, [None] * len(KEY_TEXT_COLUMNS), None, None))

    assert found[2:] == [None] * (KEY_FIELDS - 2)
