"""HEPv1 and HEPv2: a C structure copied to the wire, one packet a datagram.

Source: no specification was published; the layout is what Kamailio, OpenSIPS, captagent, sngrep and sofia-sip
emit. The header-length byte is not used: sofia-sip counts the time block, the others do not, and sngrep puts
something else there. The time block is 12 bytes long and little-endian: its senders copy it in host order.
"""

import struct
from typing import Final

from capture.errors import HepError
from capture.hep.packet import Packet

IPV4_FAMILY: Final = 2
IPV6_FAMILIES: Final = frozenset([10, 24, 26, 28, 30])
"""AF_INET6 of the sending system: Linux, NetBSD and OpenBSD, Solaris, FreeBSD, macOS."""

IPV4_ADDRESSES: Final = struct.Struct(">4B2H4s4s")
"""Version, header length, family, IP protocol, source and destination port, source and destination."""
IPV6_ADDRESSES: Final = struct.Struct(">4B2H16s16s")
TIME_BLOCK: Final = struct.Struct("<IIH2x")
"""Seconds, microseconds, capture id; the padding is whatever the sender's stack held (sngrep)."""


def time_offset(data: bytes) -> int:
    """Where the time block of a HEPv2 packet begins, or the payload of a HEPv1 packet.

    HepError: "short" when the header is not whole, "magic" when the address family is none that is known.
    """
    if len(data) < 4:
        raise HepError("short", f"{len(data)} bytes, a HEPv{data[0]} header has 16 at least", len(data))
    family = data[2]
    if family == IPV4_FAMILY:
        offset = IPV4_ADDRESSES.size
    elif family in IPV6_FAMILIES:
        offset = IPV6_ADDRESSES.size
    else:
        raise HepError("magic", f"begins like HEPv{data[0]}, but with address family {family}", 2)
    needed = offset + (TIME_BLOCK.size if data[0] == 2 else 0)
    if len(data) < needed:
        raise HepError("short", f"{len(data)} bytes, this HEPv{data[0]} header has {needed}", len(data))
    return offset


def decode_legacy(data: bytes) -> Packet:
    """Decode a packet whose first byte is 1 or 2; the payload is all after the header, trailing NULs too.

    HepError as `time_offset`.
    """
    offset = time_offset(data)
    layout = IPV4_ADDRESSES if offset == IPV4_ADDRESSES.size else IPV6_ADDRESSES
    (
        version, _, family, ip_protocol, source_port, destination_port, source, destination,
    ) = layout.unpack_from(data)  # fmt: skip
    seconds = microseconds = capture_id = None
    if version == 2:
        seconds, microseconds, capture_id = TIME_BLOCK.unpack_from(data, offset)
        offset += TIME_BLOCK.size
    return Packet(
        version=version,
        payload=data[offset:],
        family=family,
        ip_protocol=ip_protocol,
        source=source,
        destination=destination,
        source_port=source_port,
        destination_port=destination_port,
        seconds=seconds,
        microseconds=microseconds,
        capture_id=capture_id,
    )
