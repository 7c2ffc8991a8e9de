"""HEP packets from bytes, trusting no length.

Source: HEP3 rev. 37, "General protocol structure". Two readers of HEP3 give the same result: one unpacks the
ten chunks that most senders put first at one stroke (2 µs), the other walks any chunks in any order (9 µs).
Knows nothing of sockets, clocks, SIP, scripts or tables.

What is refused is refused with one of five reasons:

short     fewer bytes than the header needs
magic     neither HEP3, EEP3, HEPv1, HEPv2 nor gzip
length    the packet's length field is below 6 or greater than the datagram
chunk     a chunk's length is below 6 or reaches past the packet, or there are too many, before any payload
          was read; after it this is forgiven (Reading.CUT_CHUNK)
inflate   compressed bytes exceed the limit, or a datagram that begins like gzip is none

Everything else is a packet: no payload, no type, unknown chunks, other vendors, known chunks of a wrong size.
"""

import struct
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from capture.errors import HepError
from capture.hep.chunks import (
    AUTH_KEY,
    CAPTURE_ID,
    CHUNK_HEADER,
    COMPRESSED_PAYLOAD,
    CORRELATION_ID,
    DESTINATION_PORT,
    FAMILY,
    GENERIC,
    IP_PROTOCOL,
    IPV4_DESTINATION,
    IPV4_SOURCE,
    IPV6_DESTINATION,
    IPV6_SOURCE,
    MAGICS,
    MAX_CHUNKS,
    MICROSECONDS,
    MOS,
    NODE_NAME,
    PAYLOAD,
    PROTOCOL_TYPE,
    SECONDS,
    SOURCE_PORT,
    TCP_FLAGS,
    TOS,
    VLAN,
    chunk_error,
    packet_end,
)
from capture.hep.inflate import GZIP_MAGIC, inflate
from capture.hep.legacy import decode_legacy
from capture.hep.packet import Packet, Reading

MAX_PACKET_BYTES: Final = 65535
"""What the 16-bit length field can say; also the limit of a gzip datagram's content."""


def decode_packet(data: bytes, max_payload_bytes: int = 1 << 20) -> Packet:
    """Decode one whole packet of any version; the module's docstring says what is refused.

    `max_payload_bytes` limits an inflated payload. Of two generic chunks of one type the later one counts.
    """
    magic = data[:4]
    if magic in MAGICS:
        packet = read_common(data)
        return read_any(data, max_payload_bytes) if packet is None else packet
    if magic[:2] == GZIP_MAGIC:
        return _decode_plain(_unzip(data), max_payload_bytes)
    return _decode_plain(data, max_payload_bytes)


def _decode_plain(data: bytes, max_payload_bytes: int) -> Packet:
    magic = data[:4]
    if magic in MAGICS:
        return read_any(data, max_payload_bytes)
    if magic[:1] == b"\x01" or magic[:1] == b"\x02":
        return decode_legacy(data)
    if any(known.startswith(magic) for known in MAGICS):
        raise HepError("short", f"{len(data)} bytes, a HEP3 packet has 6 at least", len(data))
    raise HepError("magic", f"no HEP packet begins with {magic!r}")


def _unzip(data: bytes) -> bytes:
    """The packet in a gzip datagram (heplify's `payload_zip`), unwrapped once."""
    inflated = inflate(data, MAX_PACKET_BYTES)
    if inflated is None:
        raise HepError("inflate", "begins like gzip, but is no whole gzip stream")
    return inflated


# ---- the ten chunks that most senders put first ----


class _Prefix(NamedTuple):
    """Ten chunks in an order met in practice.

    Their headers are numbers below 257, which Python keeps: to compare all of them as one tuple costs less
    than to take two chunks apart.
    """

    headers: Callable[[bytes, int], tuple[Any, ...]]
    expected: tuple[int, ...]
    bodies: Callable[[bytes, int], tuple[Any, ...]]
    end: int


_BODY_CODES: Final = {
    FAMILY: "B",
    IP_PROTOCOL: "B",
    IPV4_SOURCE: "4s",
    IPV4_DESTINATION: "4s",
    IPV6_SOURCE: "16s",
    IPV6_DESTINATION: "16s",
    SOURCE_PORT: "H",
    DESTINATION_PORT: "H",
    SECONDS: "I",
    MICROSECONDS: "I",
    PROTOCOL_TYPE: "B",
    CAPTURE_ID: "I",
}


def _prefix(*order: int) -> _Prefix:
    codes = [_BODY_CODES[chunk_type] for chunk_type in order]
    sizes = [struct.calcsize(f">{code}") for code in codes]
    headers = struct.Struct(">" + "".join(f"IH{size}x" for size in sizes))
    bodies = struct.Struct(">" + "".join(f"{CHUNK_HEADER.size}x{code}" for code in codes))
    expected: list[int] = []
    for chunk_type, size in zip(order, sizes, strict=True):
        expected += (GENERIC << 16 | chunk_type, size + CHUNK_HEADER.size)
    return _Prefix(headers.unpack_from, tuple(expected), bodies.unpack_from, 6 + headers.size)


# Kamailio, heplify, hep-js, horaclifix
_ADDRESSES_FIRST_V4: Final = _prefix(1, 2, 3, 4, 7, 8, 9, 10, 11, 12)
_ADDRESSES_FIRST_V6: Final = _prefix(1, 2, 5, 6, 7, 8, 9, 10, 11, 12)
# OpenSIPS, Asterisk, sofia-sip, rtpengine, captagent, sngrep, sipgrep, reSIProcate
_ADDRESSES_LAST_V4: Final = _prefix(1, 2, 7, 8, 9, 10, 11, 12, 3, 4)
_ADDRESSES_LAST_V6: Final = _prefix(1, 2, 7, 8, 9, 10, 11, 12, 5, 6)

_SHORTEST_PREFIX: Final = _ADDRESSES_FIRST_V4.end
_THIRD_TYPE: Final = 23
"""Where the low byte of the third chunk's type stands."""
_NINTH_TYPE: Final = 76
"""The same of the ninth chunk, when ports follow the first two."""

_unpack_header: Final = CHUNK_HEADER.unpack_from
_NO_CHUNK: Final = (0, 0, 0)
_NOTHING_FORGIVEN: Final = Reading.NONE


def read_common(data: bytes) -> Packet | None:
    """A HEP3 packet that fills `data` and is of a common shape, or None: then `read_any` says what it is.

    The shape: one of four prefixes, then a payload, and beside it correlation id, key, node name, VLAN id and
    MOS, each at most once.
    """
    end = len(data)
    if end < _SHORTEST_PREFIX or data[4] << 8 | data[5] != end:
        return None
    third = data[_THIRD_TYPE]
    addresses_last = third == SOURCE_PORT
    if addresses_last:
        prefix = _ADDRESSES_LAST_V6 if data[_NINTH_TYPE] == IPV6_SOURCE else _ADDRESSES_LAST_V4
    else:
        prefix = _ADDRESSES_FIRST_V6 if third == IPV6_SOURCE else _ADDRESSES_FIRST_V4
    headers, expected, bodies, offset = prefix
    if end < offset or headers(data, 6) != expected:
        return None

    payload = auth_key = correlation_id = node_name = vlan = mos = None
    while offset != end:
        if offset + 6 > end:
            return None
        vendor, chunk_type, length = _unpack_header(data, offset)
        stop = offset + length
        if vendor or length < 6 or stop > end:
            return None
        if chunk_type == PAYLOAD and payload is None:
            payload = data[offset + 6 : stop]
        elif chunk_type == CORRELATION_ID and correlation_id is None:
            correlation_id = data[offset + 6 : stop]
        elif chunk_type == AUTH_KEY and auth_key is None:
            auth_key = data[offset + 6 : stop]
        elif chunk_type == NODE_NAME and node_name is None:
            node_name = data[offset + 6 : stop]
        elif chunk_type == VLAN and vlan is None and length == 8:
            vlan = data[offset + 6] << 8 | data[offset + 7]
        elif chunk_type == MOS and mos is None and length == 8:
            mos = data[offset + 6] << 8 | data[offset + 7]
        else:
            return None
        offset = stop
    if payload is None:
        return None

    if addresses_last:
        (
            family, ip_protocol, source_port, destination_port, seconds, microseconds, protocol_type,
            capture_id, source, destination,
        ) = bodies(data, 6)  # fmt: skip
    else:
        (
            family, ip_protocol, source, destination, source_port, destination_port, seconds,
            microseconds, protocol_type, capture_id,
        ) = bodies(data, 6)  # fmt: skip
    return Packet(
        3, payload, family, ip_protocol, source, destination, source_port, destination_port, seconds,
        microseconds, protocol_type, capture_id, auth_key, correlation_id, node_name, mos, vlan,
    )  # fmt: skip


# ---- any chunks in any order ----

_NUMBER_BYTES: Final = {
    FAMILY: 1,
    IP_PROTOCOL: 1,
    SOURCE_PORT: 2,
    DESTINATION_PORT: 2,
    SECONDS: 4,
    MICROSECONDS: 4,
    PROTOCOL_TYPE: 1,
    CAPTURE_ID: 4,
    VLAN: 2,
    TCP_FLAGS: 1,
    TOS: 1,
    MOS: 2,
}
_TEXTS: Final = frozenset([AUTH_KEY, PAYLOAD, CORRELATION_ID, NODE_NAME])
_ADDRESSES: Final = {
    IPV4_SOURCE: IPV4_SOURCE,
    IPV6_SOURCE: IPV4_SOURCE,
    IPV4_DESTINATION: IPV4_DESTINATION,
    IPV6_DESTINATION: IPV4_DESTINATION,
}
"""4 or 16 bytes are taken in all four: HFP's ping puts 16 into those of IPv4."""


def read_any(data: bytes, max_payload_bytes: int) -> Packet:
    """A HEP3 packet of any shape, chunk by chunk."""
    end = packet_end(data)
    numbers: dict[int, int] = {}
    bodies: dict[int, bytes] = {}
    others: list[tuple[int, int, bytes]] = []
    compressed_at: int | None = None
    reading = _NOTHING_FORGIVEN if end == len(data) else Reading.LONGER_THAN_LENGTH
    offset = 6
    count = 0
    while offset < end:
        vendor, chunk_type, length = _unpack_header(data, offset) if offset + 6 <= end else _NO_CHUNK
        stop = offset + length
        count += 1
        if length < 6 or stop > end or count > MAX_CHUNKS:
            if PAYLOAD not in bodies and compressed_at is None:
                raise chunk_error(data, offset, end)
            reading |= Reading.CUT_CHUNK
            break
        body = data[offset + 6 : stop]
        offset = stop
        if vendor == GENERIC:
            if _NUMBER_BYTES.get(chunk_type) == len(body):
                numbers[chunk_type] = int.from_bytes(body, "big")
                continue
            if chunk_type in _TEXTS:
                bodies[chunk_type] = body
                continue
            if chunk_type in _ADDRESSES and len(body) in (4, 16):
                bodies[_ADDRESSES[chunk_type]] = body
                continue
            if chunk_type == COMPRESSED_PAYLOAD:
                compressed_at = len(others)
        others.append((vendor, chunk_type, body))

    payload = bodies.get(PAYLOAD, b"")
    compressed_bytes = None
    if compressed_at is not None and PAYLOAD not in bodies:
        # Beside a plain payload chunk 0x0010 is none (in the 2013 draft it was a number): it stays in others.
        compressed = others.pop(compressed_at)[2]
        compressed_bytes = len(compressed)
        inflated = inflate(compressed, max_payload_bytes)
        if inflated is None:
            reading |= Reading.NOT_INFLATED
        payload = compressed if inflated is None else inflated

    number = numbers.get
    text = bodies.get
    return Packet(
        version=3,
        payload=payload,
        family=number(FAMILY),
        ip_protocol=number(IP_PROTOCOL),
        source=text(IPV4_SOURCE),
        destination=text(IPV4_DESTINATION),
        source_port=number(SOURCE_PORT),
        destination_port=number(DESTINATION_PORT),
        seconds=number(SECONDS),
        microseconds=number(MICROSECONDS),
        protocol_type=number(PROTOCOL_TYPE),
        capture_id=number(CAPTURE_ID),
        auth_key=text(AUTH_KEY),
        correlation_id=text(CORRELATION_ID),
        node_name=text(NODE_NAME),
        mos=number(MOS),
        vlan=number(VLAN),
        tcp_flags=number(TCP_FLAGS),
        tos=number(TOS),
        compressed_bytes=compressed_bytes,
        reading=reading,
        others=tuple(others),
    )
