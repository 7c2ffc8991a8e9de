"""HEP packets to bytes: what `decode` reads back as the same packet.

Source: HEP3 rev. 37, "General protocol structure", chunks in Kamailio's order; HEPv1 and v2 as `legacy` reads
them.
"""

import struct
import zlib
from collections.abc import Iterator

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
    MICROSECONDS,
    MOS,
    NODE_NAME,
    PACKET_HEADER,
    PAYLOAD,
    PROTOCOL_TYPE,
    SECONDS,
    SOURCE_PORT,
    TCP_FLAGS,
    TOS,
    VLAN,
)
from capture.hep.legacy import IPV4_ADDRESSES, IPV6_ADDRESSES, TIME_BLOCK, decode_legacy
from capture.hep.packet import Packet, Reading


def encode_packet(packet: Packet) -> bytes:
    """One packet of the version it names.

    HEP3: a field that is None is not sent; with `compressed_bytes` set the payload goes into chunk 0x0010,
    as a zlib stream unless NOT_INFLATED says that it is none; cut chunks and longer datagrams are not made.

    HepError "length" when 16 bits cannot say how long a chunk or the packet is, "chunk" when a value does not
    fit its field or, in HEPv1 and v2, has no field or is missing.
    """
    if packet.version == 3:
        return _encode_v3(packet)
    if packet.version in (1, 2):
        return _encode_legacy(packet)
    raise HepError("magic", f"there is no HEPv{packet.version}")


def _encode_v3(packet: Packet) -> bytes:
    body = b"".join(_chunk(vendor, chunk_type, data) for vendor, chunk_type, data in _chunks(packet))
    length = PACKET_HEADER.size + len(body)
    if length > 0xFFFF:
        raise HepError("length", f"a packet of {length} bytes, 65535 is the most", 4)
    return PACKET_HEADER.pack(b"HEP3", length) + body


def _chunk(vendor: int, chunk_type: int, body: bytes) -> bytes:
    length = CHUNK_HEADER.size + len(body)
    if length > 0xFFFF:
        raise HepError("length", f"chunk {chunk_type:#06x} of {length} bytes, 65535 is the most")
    return CHUNK_HEADER.pack(vendor, chunk_type, length) + body


def _chunks(packet: Packet) -> Iterator[tuple[int, int, bytes]]:
    source, destination = packet.source, packet.destination
    generic = (
        (FAMILY, _number(packet.family, 1)),
        (IP_PROTOCOL, _number(packet.ip_protocol, 1)),
        (IPV6_SOURCE if _is_ipv6(source) else IPV4_SOURCE, source),
        (IPV6_DESTINATION if _is_ipv6(destination) else IPV4_DESTINATION, destination),
        (SOURCE_PORT, _number(packet.source_port, 2)),
        (DESTINATION_PORT, _number(packet.destination_port, 2)),
        (SECONDS, _number(packet.seconds, 4)),
        (MICROSECONDS, _number(packet.microseconds, 4)),
        (PROTOCOL_TYPE, _number(packet.protocol_type, 1)),
        (CAPTURE_ID, _number(packet.capture_id, 4)),
        (AUTH_KEY, packet.auth_key),
        (CORRELATION_ID, packet.correlation_id),
        (VLAN, _number(packet.vlan, 2)),
        (NODE_NAME, packet.node_name),
        (TCP_FLAGS, _number(packet.tcp_flags, 1)),
        (TOS, _number(packet.tos, 1)),
        (MOS, _number(packet.mos, 2)),
        _payload(packet),
    )
    for chunk_type, body in generic:
        if body is not None:
            yield GENERIC, chunk_type, body
    yield from packet.others


def _number(value: int | None, size: int) -> bytes | None:
    if value is None:
        return None
    try:
        return value.to_bytes(size, "big")
    except OverflowError as error:
        raise HepError("chunk", f"{value} does not fit {size} unsigned bytes") from error


def _is_ipv6(address: bytes | None) -> bool:
    if address is None or len(address) == 4:
        return False
    if len(address) != 16:
        raise HepError("chunk", f"an address of {len(address)} bytes, 4 or 16 expected")
    return True


def _payload(packet: Packet) -> tuple[int, bytes]:
    if packet.compressed_bytes is None:
        return PAYLOAD, packet.payload
    if Reading.NOT_INFLATED in packet.reading:
        return COMPRESSED_PAYLOAD, packet.payload
    return COMPRESSED_PAYLOAD, zlib.compress(packet.payload)


def _encode_legacy(packet: Packet) -> bytes:
    layout = IPV6_ADDRESSES if _is_ipv6(packet.source) else IPV4_ADDRESSES
    try:
        header = layout.pack(
            packet.version,
            layout.size,
            packet.family,
            packet.ip_protocol,
            packet.source_port,
            packet.destination_port,
            packet.source,
            packet.destination,
        )
        if packet.version == 2:
            header += TIME_BLOCK.pack(packet.seconds, packet.microseconds, packet.capture_id)
    except struct.error as error:
        raise HepError("chunk", f"HEPv{packet.version} needs every field of its header: {error}") from error
    encoded = header + packet.payload
    if decode_legacy(encoded) != packet:
        raise HepError("chunk", f"HEPv{packet.version} has no room for all that this packet says")
    return encoded
