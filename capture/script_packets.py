"""Packets at which a filter script was switched off, kept for study: each a capture file of its own.

As a capture, because that is what everything reads: `rhapsode filter try`, a script's tests, `rhapsode send`,
Wireshark. The packet in it is the one received, byte for byte, behind made-up headers of IP and UDP.

Source: libpcap's file format (pcap-savefile), RFC 791, RFC 768.
"""

import contextlib
import struct
from pathlib import Path

from xxhash import xxh3_64_hexdigest

from capture.journal.directory import make_directory, write_whole

SUFFIX = ".pcap"
MOST_KEPT = 100
"""Of one installation; the oldest go. They are looked at one by one, and may be 64 KiB each."""
_MOST_NAME_CHARS = 40
_RAW_IP = 101
_FILE_HEADER = struct.Struct("<IHHiIII")
_FRAME_HEADER = struct.Struct("<IIII")
_IP_HEADER = struct.Struct(">BBHHHBBH4s4s")
_UDP_HEADER = struct.Struct(">HHHH")
_HEP_PORT = 9060
_LOOPBACK = bytes((127, 0, 0, 1))
_LARGEST = 65_535


def keep_packet(directory: Path, script: str, packet: bytes, now_us: int) -> str:
    """Keep a packet for the study of a script; the file's name. The same packet again is the same file.

    OSError when it cannot be written.
    """
    stem = script.removesuffix(".lua")[:_MOST_NAME_CHARS]
    path = directory / f"{stem}-{xxh3_64_hexdigest(packet)}{SUFFIX}"
    make_directory(directory)
    write_whole(path, as_capture(packet, now_us))
    _delete_oldest(directory)
    return path.name


def _delete_oldest(directory: Path) -> None:
    kept = []
    for path in directory.glob(f"*{SUFFIX}"):
        # Another worker may be at it.
        with contextlib.suppress(FileNotFoundError):
            kept.append((path.stat().st_mtime_ns, path))
    for _, path in sorted(kept)[:-MOST_KEPT]:
        path.unlink(missing_ok=True)


def as_capture(packet: bytes, time_us: int) -> bytes:
    """A capture file with one HEP packet in it."""
    datagram = _UDP_HEADER.size + len(packet)
    # HEP over TCP may be a few bytes longer than UDP can carry: then 0, as a network card leaves it.
    udp = _UDP_HEADER.pack(_HEP_PORT, _HEP_PORT, datagram if datagram <= _LARGEST else 0, 0)
    whole = _IP_HEADER.size + datagram
    length = whole if whole <= _LARGEST else 0
    header = _IP_HEADER.pack(0x45, 0, length, 0, 0, 64, 17, 0, _LOOPBACK, _LOOPBACK)
    header = header[:10] + _checksum(header).to_bytes(2, "big") + header[12:]
    seconds, microseconds = divmod(time_us, 1_000_000)
    return (
        _FILE_HEADER.pack(0xA1B2C3D4, 2, 4, 0, 0, 262_144, _RAW_IP)
        + _FRAME_HEADER.pack(seconds, microseconds, whole, whole)
        + header
        + udp
        + packet
    )


def _checksum(header: bytes) -> int:
    """RFC 791 3.1: the complement of the sum, carries added in."""
    total: int = sum(struct.unpack(f">{len(header) // 2}H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF
