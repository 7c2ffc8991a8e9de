"""What one HEP packet says, whatever its version.

Source: HEP3 rev. 37, "General protocol structure"; HEPv1 and HEPv2 as their senders emit them. Knows nothing
of bytes on the wire, sockets, clocks, SIP or tables.
"""

from enum import IntFlag

import msgspec


class Reading(IntFlag):
    """What the decoder had to forgive."""

    NONE = 0
    LONGER_THAN_LENGTH = 1
    """The datagram goes on after the length field's end (accepted: OpenSIPS and Kamailio accept it too)."""
    CUT_CHUNK = 2
    """A chunk lied about its length, or chunks went on without end, after the payload had been read."""
    NOT_INFLATED = 4
    """Chunk 0x0010 held no zlib, gzip or deflate stream: its bytes are kept as they came."""


class Packet(msgspec.Struct, frozen=True, gc=False):
    """One HEP packet as its agent sent it; nothing is guessed or defaulted. None means: not sent."""

    version: int
    """1, 2 or 3."""
    payload: bytes
    """What was captured, inflated; empty for a keep-alive.

    Exactly as sent: the NULs that OpenSIPS adds after HEPv1 and v2, its JSON wrapper around SIP, and HEP
    inside HEP all stay in what is stored; they are taken off for reading and display only.
    """
    family: int | None = None
    ip_protocol: int | None = None
    source: bytes | None = None
    """Packed, 4 or 16 bytes, network order."""
    destination: bytes | None = None
    source_port: int | None = None
    destination_port: int | None = None
    seconds: int | None = None
    """Capture time by the agent's clock, since the Unix epoch; None in HEPv1."""
    microseconds: int | None = None
    """To be added to the seconds; not always below 1,000,000."""
    protocol_type: int | None = None
    """Chunk 0x000b; None in HEPv1 and v2, which carry no type."""
    capture_id: int | None = None
    auth_key: bytes | None = None
    correlation_id: bytes | None = None
    """Chunk 0x0011; None when not sent, which is not the same as empty."""
    node_name: bytes | None = None
    mos: int | None = None
    """MOS × 100."""
    vlan: int | None = None
    tcp_flags: int | None = None
    tos: int | None = None
    compressed_bytes: int | None = None
    """Size of chunk 0x0010 where the payload came in it."""
    reading: Reading = Reading.NONE
    others: tuple[tuple[int, int, bytes], ...] = ()
    """Every other chunk, (vendor, type, body), in the order sent."""
