"""HEP packets as bytes, written from the specification and sharing no code with `capture`."""

import struct
from ipaddress import ip_address

SIP = b"OPTIONS sip:alice@example.test SIP/2.0\r\nCall-ID: one@example.test\r\nCSeq: 1 OPTIONS\r\n\r\n"


def chunk(chunk_type: int, body: bytes, vendor: int = 0) -> bytes:
    """One chunk with an honest length."""
    return struct.pack(">HHH", vendor, chunk_type, len(body) + 6) + body


def hep3(*chunks: bytes, magic: bytes = b"HEP3") -> bytes:
    """One packet with an honest length."""
    body = b"".join(chunks)
    return magic + struct.pack(">H", len(body) + 6) + body


def common_chunks(order: str, seconds: int = 1_795_408_344) -> list[bytes]:
    """The chunks that most senders put first, by their types in hex: "1 2 3 4 7 8 9 a b c"."""
    bodies = {
        0x1: b"\x02",
        0x2: b"\x11",
        0x3: bytes([192, 0, 2, 1]),
        0x4: bytes([192, 0, 2, 2]),
        0x5: ip_address("2001:db8::1").packed,
        0x6: ip_address("2001:db8::2").packed,
        0x7: struct.pack(">H", 5060),
        0x8: struct.pack(">H", 5080),
        0x9: struct.pack(">I", seconds),
        0xA: struct.pack(">I", 775_048),
        0xB: b"\x01",
        0xC: struct.pack(">I", 2004),
    }
    return [chunk(chunk_type, bodies[chunk_type]) for chunk_type in (int(word, 16) for word in order.split())]


KAMAILIO = "1 2 3 4 7 8 9 a b c"
OPENSIPS = "1 2 7 8 9 a b c 3 4"


def a_hep3(*more: bytes, order: str = KAMAILIO, payload: bytes = SIP, seconds: int = 1_795_408_344) -> bytes:
    """A whole packet: the common chunks in an order, then `more`, then the payload."""
    return hep3(*common_chunks(order, seconds), *more, chunk(0xF, payload))


def legacy(
    version: int,
    payload: bytes = SIP,
    *,
    source: str = "192.0.2.1",
    destination: str = "192.0.2.2",
    family: int = 2,
    header_length: int = 16,
    seconds: int = 1_795_408_344,
    padding: bytes = b"\0\0",
) -> bytes:
    """A HEPv1 or v2 packet from port 5060 to 5080; v2 at .775048, capture id 2004."""
    header = struct.pack(">BBBBHH", version, header_length, family, 17, 5060, 5080)
    header += ip_address(source).packed + ip_address(destination).packed
    if version == 2:
        header += struct.pack("<IIH", seconds, 775_048, 2004) + padding
    return header + payload
