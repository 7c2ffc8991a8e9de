"""The elements of a HEP3 packet: their numbers, their headers, and a walk over them.

Source: HEP3 rev. 37, "General protocol structure" and its chunk table. Knows nothing of what a body means.
"""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from capture.errors import HepError

MAGICS: Final = frozenset([b"HEP3", b"EEP3"])
"""Revision 37 allows `EEP3` beside `HEP3`."""

PACKET_HEADER: Final = struct.Struct(">4sH")
"""Magic, and the length of the whole packet with these six bytes."""

CHUNK_HEADER: Final = struct.Struct(">HHH")
"""Vendor, type, and the chunk's length with these six bytes."""

GENERIC: Final = 0
"""The vendor id of the chunks below; the same type under another vendor means something else."""

FAMILY: Final = 0x01
IP_PROTOCOL: Final = 0x02
IPV4_SOURCE: Final = 0x03
IPV4_DESTINATION: Final = 0x04
IPV6_SOURCE: Final = 0x05
IPV6_DESTINATION: Final = 0x06
SOURCE_PORT: Final = 0x07
DESTINATION_PORT: Final = 0x08
SECONDS: Final = 0x09
MICROSECONDS: Final = 0x0A
PROTOCOL_TYPE: Final = 0x0B
CAPTURE_ID: Final = 0x0C
AUTH_KEY: Final = 0x0E
PAYLOAD: Final = 0x0F
COMPRESSED_PAYLOAD: Final = 0x10
CORRELATION_ID: Final = 0x11
VLAN: Final = 0x12
NODE_NAME: Final = 0x13
TCP_FLAGS: Final = 0x17
TOS: Final = 0x18
MOS: Final = 0x20


MAX_CHUNKS: Final = 64
"""Chunks looked at in one packet.

Some 30 types are defined and the longest packet met has 15 chunks. 64 KiB could hold 10,921 empty ones, which
would cost a thousand times as much as an honest packet of that size.
"""


class Chunk(NamedTuple):
    """Where one chunk's body lies in its packet."""

    vendor: int
    type: int
    offset: int
    """Of the body's first byte, from the packet's start."""
    length: int
    """Of the body, without the chunk's header."""


def packet_end(data: bytes) -> int:
    """The length a HEP3 packet claims, once it is known to have those bytes.

    HepError: "magic", "short" (no room for the header), "length" (below 6, or more than there is).
    """
    if data[:4] not in MAGICS:
        raise HepError("magic", f"HEP3 or EEP3 expected, {bytes(data[:4])!r} found")
    if len(data) < PACKET_HEADER.size:
        raise HepError("short", f"{len(data)} bytes, a HEP3 packet has 6 at least", len(data))
    end = data[4] << 8 | data[5]
    if end < PACKET_HEADER.size:
        raise HepError("length", f"packet length {end}, 6 is the least", 4)
    if end > len(data):
        raise HepError("length", f"packet length {end}, but {len(data)} bytes are there", 4)
    return end


def chunk_error(data: bytes, offset: int, end: int) -> HepError:
    """Why what begins at `offset` is not taken as a chunk of a packet that ends at `end`."""
    left = end - offset
    if left < CHUNK_HEADER.size:
        return HepError("chunk", f"{left} bytes left, a chunk has 6 at least", offset)
    _, _, length = CHUNK_HEADER.unpack_from(data, offset)
    if length < CHUNK_HEADER.size:
        return HepError("chunk", f"chunk length {length}, 6 is the least", offset + 4)
    if length > left:
        return HepError("chunk", f"chunk of {length} bytes, but {left} are left in the packet", offset + 4)
    return HepError("chunk", f"more than {MAX_CHUNKS} chunks", offset)


def walk(data: bytes) -> Iterator[Chunk]:
    """Every chunk of a HEP3 packet in the order sent, whatever its vendor.

    HepError as `packet_end`, and "chunk" where a chunk's length is below 6 or reaches past the packet.
    """
    end = packet_end(data)
    offset = PACKET_HEADER.size
    while offset < end:
        if end - offset < CHUNK_HEADER.size:
            raise chunk_error(data, offset, end)
        vendor, chunk_type, length = CHUNK_HEADER.unpack_from(data, offset)
        if length < CHUNK_HEADER.size or offset + length > end:
            raise chunk_error(data, offset, end)
        yield Chunk(vendor, chunk_type, offset + CHUNK_HEADER.size, length - CHUNK_HEADER.size)
        offset += length
