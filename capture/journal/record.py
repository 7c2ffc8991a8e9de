"""One journal record: a packet exactly as received, with when, how and from whom; and its bytes in a segment.

A record is a head (little-endian: marker u32, packet length u32, number u64, arrival i64, port u16, carrier
u8, peer 16 bytes), the packet, and a checksum of all of that: xxh3-64, eight bytes big-endian, seeded with
the segment's random id plus the record's offset. The marker is cut from the same random id: it makes the
search for a record behind a damaged one a search for four bytes, and no sender can know it. Knows nothing of
what is inside a packet, of files or of directories.
"""

from collections.abc import Sequence
from enum import Enum, IntEnum, auto
from struct import Struct
from typing import NamedTuple

import msgspec
from xxhash import xxh3_64_digest


class Carrier(IntEnum):
    """How a packet came in."""

    UDP = 1
    TCP = 2
    TCP_RUBBISH = 3
    """A run of bytes on a TCP connection that is no frame; its first 64 bytes are the payload."""
    REPLAY = 4
    """A packet that had been set aside and is given to the worker again."""
    IMPORT = 5
    """A packet out of a capture file. In place of a peer stand the import and the frame's time (see
    `capture.imported`)."""


HEAD = Struct("<IIQqHB16s")
CHECKSUM_BYTES = 8
OVERHEAD = HEAD.size + CHECKSUM_BYTES
MAX_PACKET_BYTES = 65_535
"""The largest HEP3 frame (its length has 16 bits); a UDP datagram is smaller."""
LARGEST_RECORD = OVERHEAD + MAX_PACKET_BYTES

Arrival = tuple[int, int, bytes, int, bytes]
"""arrival_us, carrier, peer (16 bytes), peer port, packet (any bytes-like object)."""


class Position(NamedTuple):
    """Where a reader stands: just before the record `number`."""

    segment: int
    """Number in the segment file's name."""
    offset: int
    """Byte offset in that file."""
    number: int
    """Number of the next record, counted from 1 over the journal's whole life."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """A record as read back."""

    number: int
    segment: int
    offset: int
    arrival_us: int
    """Time of arrival by this machine's clock, microseconds since the Unix epoch."""
    carrier: Carrier
    peer: bytes
    """The sender's address, packed to 16 bytes (IPv4 mapped into IPv6); with `Carrier.IMPORT` no address."""
    peer_port: int
    packet: bytes

    @property
    def end(self) -> Position:
        """Just behind this record: what to commit when it is the last of a batch."""
        return Position(self.segment, self.offset + OVERHEAD + len(self.packet), self.number + 1)


class Key(NamedTuple):
    """What the records of one segment are checked with."""

    segment: int
    marker: int
    seed: int
    """The segment's random id, below 2^63 so that an offset can be added to it."""


class Stop(Enum):
    """Why `unpack_records` read no further."""

    END = auto()
    """The data ends with a whole record."""
    SHORT = auto()
    """The data ends within a record."""
    BAD = auto()
    """What follows is no record."""
    JUMP = auto()
    """The next record is whole, but not the one expected by number."""


_CARRIERS = {int(carrier): carrier for carrier in Carrier}


def pack_records(
    arrivals: Sequence[Arrival], start: int, key: Key, offset: int, number: int, room: int
) -> list[bytes]:
    """Pack `arrivals[start:]` for `offset` on, as many as `room` bytes take; two items a record.

    Stops before a packet longer than MAX_PACKET_BYTES.
    """
    parts: list[bytes] = []
    add = parts.append
    pack = HEAD.pack
    marker = key.marker
    seed = key.seed + offset
    room += seed
    for arrival_us, carrier, peer, port, packet in arrivals[start:] if start else arrivals:
        length = len(packet)
        after = seed + OVERHEAD + length
        if after > room or length > MAX_PACKET_BYTES:
            break
        record = pack(marker, length, number, arrival_us, port, carrier, peer) + packet
        add(record)
        add(xxh3_64_digest(record, seed))
        seed = after
        number += 1
    return parts


def unpack_records(
    data: bytes, key: Key, base: int, expected: int, into: list[Record]
) -> tuple[int, Stop, int]:
    """Append to `into` the records of `data`, which begins at offset `base` of the segment.

    Returns how many bytes were read, why no more, and the number of the next record (of the whole one that
    does not have the expected number in case of JUMP).
    """
    add = into.append
    unpack = HEAD.unpack_from
    segment, marker, seed = key
    seed += base
    size = len(data)
    last_head = size - OVERHEAD
    at = 0
    while at <= last_head:
        mark, length, number, arrival_us, port, carrier, peer = unpack(data, at)
        if mark != marker or length > MAX_PACKET_BYTES:
            return at, Stop.BAD, expected
        start = at + HEAD.size
        end = start + length
        after = end + CHECKSUM_BYTES
        if after > size:
            return at, Stop.SHORT, expected
        if xxh3_64_digest(data[at:end], seed + at) != data[end:after] or carrier not in _CARRIERS:
            return at, Stop.BAD, expected
        if number != expected:
            return at, Stop.JUMP, number
        add(Record(number, segment, base + at, arrival_us, _CARRIERS[carrier], peer, port, data[start:end]))
        expected += 1
        at = after
    return at, Stop.END if at == size else Stop.SHORT, expected
