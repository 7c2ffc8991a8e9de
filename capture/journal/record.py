"""One journal record: a packet exactly as received, with when, how and from whom.

Knows nothing of what is inside a packet, of files or of directories.
"""

from enum import IntEnum
from typing import NamedTuple

import msgspec


class Carrier(IntEnum):
    """How a packet came in."""

    UDP = 1
    TCP = 2
    TCP_RUBBISH = 3
    """A run of bytes on a TCP connection that is no frame; its first 64 bytes are the payload."""
    REPLAY = 4
    """A packet that had been set aside and is given to the worker again."""


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
    """The sender's address, packed to 16 bytes (IPv4 mapped into IPv6)."""
    peer_port: int
    packet: bytes
