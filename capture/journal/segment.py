"""Segment files: their names, their header, and the records that can be read in them. See docs/journal.md.

A segment begins with a header that is on disk before its first record and never written again. The block of
the first use, in a page of its own, repeats it and adds the number of the first record; so either page alone
can tell what the segment is. Knows nothing of when a segment is made, synced or deleted.
"""

import os
import re
import secrets
from pathlib import Path
from struct import Struct
from typing import Any, NamedTuple
from uuid import UUID
from zlib import crc32

from capture.errors import JournalError
from capture.journal.record import LARGEST_RECORD, Key, Record, Stop, unpack_records

PAGE = 4096
RECORDS_START = 2 * PAGE
"""Offset of the first record: behind the page of the header and that of the first use."""

_HEADER = Struct("<8sIQ16sQq")
_HEADER_MAGIC = b"RHAPJRNL"
_USE = Struct("<8sIQ16sQqQ")
_USE_MAGIC = b"RHAPUSED"
_CRC = Struct("<I")
VERSION = 1

_NAME = re.compile(r"(\d{16})\.segment")
_SCAN_BYTES = 1 << 20


class Header(NamedTuple):
    """What a segment says about itself."""

    number: int
    journal: UUID
    segment_id: int
    """Random, below 2^63."""
    created_us: int
    first_number: int | None = None
    """Number of the first record; None when unused, or used but lost with the machine's power."""

    @property
    def key(self) -> Key:
        """What its records are checked with."""
        return Key(self.number, self.segment_id & 0xFFFFFFFF, self.segment_id)


def segment_path(directory: Path, number: int) -> Path:
    """The file of segment `number`."""
    return directory / f"{number:016d}.segment"


def segment_numbers(directory: Path) -> list[int]:
    """Numbers of all segment files, whatever is in them, ascending."""
    names = (_NAME.fullmatch(name) for name in os.listdir(directory))  # noqa: PTH208
    return sorted(int(name[1]) for name in names if name)


def new_header(number: int, journal: UUID, created_us: int) -> Header:
    """A header with a fresh random id."""
    while True:
        segment_id = secrets.randbits(63)
        # A zero in the marker would make every hole that a power loss left in a file a place to look at.
        if 0 not in segment_id.to_bytes(8, "little")[:4]:
            return Header(number, journal, segment_id, created_us)


def pack_header(header: Header) -> bytes:
    """The first page of the file."""
    number, journal, segment_id, created_us, _ = header
    packed = _HEADER.pack(_HEADER_MAGIC, VERSION, number, journal.bytes, segment_id, created_us)
    return (packed + _CRC.pack(crc32(packed))).ljust(PAGE, b"\0")


def pack_use(header: Header, first_number: int) -> bytes:
    """The block that is written at PAGE when the segment is first used."""
    number, journal, segment_id, created_us, _ = header
    packed = _USE.pack(_USE_MAGIC, VERSION, number, journal.bytes, segment_id, created_us, first_number)
    return packed + _CRC.pack(crc32(packed))


def parse_header(head: bytes, use: bytes) -> Header | None:
    """The header from a segment's first two pages, whichever of them is whole; None when neither is."""
    fields = _checked(_USE, _USE_MAGIC, use) or _checked(_HEADER, _HEADER_MAGIC, head)
    if fields is None:
        return None
    number, journal, segment_id, created_us, *first = fields
    return Header(number, UUID(bytes=journal), segment_id, created_us, first[0] if first else None)


def _checked(layout: Struct, magic: bytes, page: bytes) -> tuple[Any, ...] | None:
    packed = page[: layout.size]
    if packed[: len(magic)] != magic or page[layout.size :][: _CRC.size] != _CRC.pack(crc32(packed)):
        return None
    _, version, *fields = layout.unpack(packed)
    if version != VERSION:
        raise JournalError(f"a segment of format {version}; this program knows format {VERSION}")
    return tuple(fields)


def read_header(descriptor: int) -> Header | None:
    """`parse_header` of an open segment file."""
    return parse_header(os.pread(descriptor, PAGE, 0), os.pread(descriptor, PAGE, PAGE))


class Found(NamedTuple):
    """A whole record behind a place where there is none."""

    offset: int
    number: int


def find_record(descriptor: int, key: Key, offset: int) -> Found | None:
    """The first whole record at `offset` or behind it, whatever its number; one pass over the file."""
    marker = key.marker.to_bytes(4, "little")
    while data := os.pread(descriptor, _SCAN_BYTES, offset):
        at = data.find(marker)
        while at >= 0:
            # The candidate may reach past what was read here, so it is read for itself.
            one = data[at : at + LARGEST_RECORD]
            if len(one) < LARGEST_RECORD:
                one = os.pread(descriptor, LARGEST_RECORD, offset + at)
            number = record_number(one, key, offset + at)
            if number is not None:
                return Found(offset + at, number)
            at = data.find(marker, at + 1)
        if len(data) < len(marker):
            return None
        offset += len(data) - len(marker) + 1
    return None


def read_record_at(directory: Path, segment: int, offset: int) -> Record | None:
    """The record at a place, whatever its number; None when there is none, or it cannot be read."""
    try:
        descriptor = os.open(segment_path(directory, segment), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        header = read_header(descriptor)
        data = os.pread(descriptor, LARGEST_RECORD, offset)
    except (OSError, JournalError):
        return None
    finally:
        os.close(descriptor)
    number = None if header is None else record_number(data, header.key, offset)
    if header is None or number is None:
        return None
    records: list[Record] = []
    unpack_records(data, header.key, offset, number, records)
    return records[0]


def record_number(data: bytes, key: Key, offset: int) -> int | None:
    """The number of the whole record that `data` begins with; None when it begins with none."""
    records: list[Record] = []
    _, stop, number = unpack_records(data, key, offset, -1, records)
    return number if stop is Stop.JUMP else None
