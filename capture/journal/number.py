"""Which number was given last, read from the segments: so it goes on over restarts and power losses."""

import os
from pathlib import Path

from capture.journal.directory import Segments
from capture.journal.record import HEAD, MAX_PACKET_BYTES, OVERHEAD, Key, Stop, unpack_records
from capture.journal.segment import RECORDS_START, find_record, segment_path

_READ_BYTES = 1 << 20
_UNKNOWN = -1


def last_number(directory: Path, segments: Segments) -> int:
    """The last number given in the newest segment that can tell; 0 in a new journal."""
    for number in reversed(segments.numbers()):
        segment = segments.in_use(number)
        if segment is None:
            continue
        try:
            descriptor = os.open(segment_path(directory, number), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            first = segment.header.first_number
            following = number_behind(
                descriptor, segment.header.key, RECORDS_START, _UNKNOWN if first is None else first
            )
        finally:
            os.close(descriptor)
        if following != _UNKNOWN:
            return following - 1
    return 0


def number_behind(descriptor: int, key: Key, offset: int, expected: int) -> int:
    """The number behind the last record of a segment, read from `offset` on, where `expected` is due.

    Damaged records count, those that are cut off do not. Without any record it is `expected`.
    """
    while data := os.pread(descriptor, _READ_BYTES, offset):
        read, stop, expected = unpack_records(data, key, offset, expected, [])
        offset += read
        if read or stop is Stop.JUMP:
            continue
        damaged = _damaged_bytes(data, key, expected)
        if damaged:
            expected += 1
            offset += damaged
            continue
        found = find_record(descriptor, key, offset + 1)
        if found is None:
            break
        offset, expected = found
    return expected


def _damaged_bytes(data: bytes, key: Key, expected: int) -> int:
    """The length of a record that is all there and has the number that is due, whatever else is wrong with
    it; else 0.

    It was appended, so its number is not given again: the reader counts it as lost. A record that is cut off
    was not.
    """
    if len(data) < OVERHEAD:
        return 0
    marker, length, number, *_ = HEAD.unpack_from(data)
    whole = marker == key.marker and length <= MAX_PACKET_BYTES and OVERHEAD + length <= len(data)
    return OVERHEAD + length if whole and number == expected else 0
