"""Captured frames and capture files as bytes, written from the RFCs and sharing no code with `rhapsode`."""

import struct
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

SOURCE, DESTINATION = "192.0.2.10", "192.0.2.20"
SOURCE_6, DESTINATION_6 = "2001:db8::10", "2001:db8::20"

RAW_IP = 101
ETHERNET = 1
UDP, TCP = 17, 6


def udp(payload: bytes, source_port: int = 5060, destination_port: int = 9060) -> bytes:
    return struct.pack(">HHHH", source_port, destination_port, len(payload) + 8, 0) + payload


def tcp(
    payload: bytes, sequence: int, flags: int = 0x18, source_port: int = 40_000, options: bytes = b""
) -> bytes:
    """A segment to port 9060; flags 0x02 SYN, 0x18 PSH and ACK."""
    words = (20 + len(options)) // 4
    header = struct.pack(">HHIIBBHHH", source_port, 9060, sequence, 1, words << 4, flags, 65535, 0, 0)
    return header + options + payload


def ipv4(
    body: bytes,
    protocol: int = UDP,
    *,
    offset: int = 0,
    more: bool = False,
    identification: int = 7,
    options: bytes = b"",
    source: str = SOURCE,
    destination: str = DESTINATION,
) -> bytes:
    """One IPv4 packet or fragment."""
    length = 20 + len(options) + len(body)
    header = struct.pack(
        ">BBHHHBBH",
        0x40 | (20 + len(options)) // 4,
        0,
        length,
        identification,
        (0x2000 if more else 0) | offset // 8,
        64,
        protocol,
        0,
    )
    return header + ip_address(source).packed + ip_address(destination).packed + options + body


def ipv6(body: bytes, next_header: int = UDP) -> bytes:
    addresses = ip_address(SOURCE_6).packed + ip_address(DESTINATION_6).packed
    return struct.pack(">IHBB", 0x60000000, len(body), next_header, 64) + addresses + body


def ethernet(packet: bytes, *tags: int) -> bytes:
    """An Ethernet frame, with VLAN tags of these types before the packet."""
    ether_type = b"\x08\0" if packet[0] >> 4 == 4 else b"\x86\xdd"
    return bytes(12) + b"".join(struct.pack(">HH", tag, 42) for tag in tags) + ether_type + packet


def write_pcap(
    path: Path, frames: Sequence[bytes], link_type: int = RAW_IP, order: str = "<", magic: int = 0xA1B2C3D4
) -> Path:
    """A classic capture file."""
    data = struct.pack(f"{order}IHHIIII", magic, 2, 4, 0, 0, 65_535, link_type)
    for number, frame in enumerate(frames):
        data += struct.pack(f"{order}IIII", 1_795_408_344 + number, 0, len(frame), len(frame)) + frame
    path.write_bytes(data)
    return path


def pcapng_block(block_type: int, body: bytes, order: str = "<") -> bytes:
    padded = body + bytes(-len(body) % 4)
    length = len(padded) + 12
    return struct.pack(f"{order}II", block_type, length) + padded + struct.pack(f"{order}I", length)


def pcapng_section(order: str = "<") -> bytes:
    return pcapng_block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def pcapng_interface(link_type: int, order: str = "<") -> bytes:
    return pcapng_block(1, struct.pack(f"{order}HHI", link_type, 0, 65_535), order)


def pcapng_packet(frame: bytes, interface: int = 0, order: str = "<") -> bytes:
    comment = struct.pack(f"{order}HH", 1, 4) + b"\xff\xfe\xfd\xfc" + bytes(4)
    padded = frame + bytes(-len(frame) % 4)
    header = struct.pack(f"{order}IIIII", interface, 0, 0, len(frame), len(frame))
    return pcapng_block(6, header + padded + comment, order)
