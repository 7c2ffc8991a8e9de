"""HEP packets out of a capture file, pcap or pcapng.

Source: the pcapng draft (draft-ietf-opsawg-pcapng), "Block Types"; pcap files are read by dpkt. dpkt's reader
of pcapng takes the first interface's link type for all of them, so its blocks are read here.
"""

import struct
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

import dpkt

from rhapsode.dissect import LINK_TYPES, Dissector
from rhapsode.errors import SendError

_PCAPNG_SECTION: Final = 0x0A0D0D0A
_PCAPNG_INTERFACE: Final = 1
_PCAPNG_OLD_PACKET: Final = 2
_PCAPNG_SIMPLE_PACKET: Final = 3
_PCAPNG_PACKET: Final = 6
_MAX_BLOCK_BYTES: Final = 16 * 1024 * 1024
"""A longer block than libpcap's limit for a packet is a broken file."""


def read_hep(path: Path, warn: Callable[[str], None]) -> Iterator[bytes]:
    """Every HEP packet of a capture in the order captured: UDP datagrams to any port, and TCP streams cut up.

    `warn` is told, at the end, of frames that could not be used. SendError when the file is no capture.
    """
    dissector = Dissector()
    unknown: Counter[int] = Counter()
    for link_type, frame in _frames(path, warn):
        if link_type in LINK_TYPES:
            yield from dissector.feed(link_type, frame)
        else:
            unknown[link_type] += 1
    yield from dissector.finish()
    if dissector.cut:
        warn(f"{dissector.cut} frames are not whole in {path} and were left out")
    for link_type, count in unknown.items():
        warn(f"{count} frames of link type {link_type} cannot be read and were left out")


def _frames(path: Path, warn: Callable[[str], None]) -> Iterator[tuple[int, bytes]]:
    """Link type and bytes of each frame."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
            file.seek(0)
            if magic == _PCAPNG_SECTION.to_bytes(4, "big"):
                yield from _pcapng_frames(file, path, warn)
            else:
                yield from _pcap_frames(file, path, warn)
    except OSError as error:
        raise SendError(f"cannot read {path}: {error.strerror}") from error


def _pcap_frames(file: BinaryIO, path: Path, warn: Callable[[str], None]) -> Iterator[tuple[int, bytes]]:
    try:
        reader = dpkt.pcap.Reader(file)
    except (ValueError, dpkt.UnpackError) as error:
        raise SendError(f"{path} is not a packet capture: neither pcap nor pcapng") from error
    link_type = reader.datalink()
    try:
        for _, frame in reader:
            yield link_type, frame
    except dpkt.UnpackError:
        warn(f"{path} ends in the middle of a frame")


def _pcapng_frames(file: BinaryIO, path: Path, warn: Callable[[str], None]) -> Iterator[tuple[int, bytes]]:
    order = "<"
    link_types: list[int] = []
    while header := file.read(8):
        if header[:4] == _PCAPNG_SECTION.to_bytes(4, "big"):
            header += file.read(4)
            order = "<" if header[8:12] == b"\x4d\x3c\x2b\x1a" else ">"
            link_types = []
        if len(header) < 8:
            warn(f"{path} ends in the middle of a block")
            return
        block_type, length = struct.unpack_from(f"{order}II", header)
        if not len(header) <= length <= _MAX_BLOCK_BYTES:
            raise SendError(f"{path} is broken: a block of {length} bytes")
        body = header[8:] + file.read(length - len(header))
        if len(body) < length - 8:
            warn(f"{path} ends in the middle of a block")
            return
        if block_type == _PCAPNG_INTERFACE:
            link_types.append(struct.unpack_from(f"{order}H", body)[0])
            continue
        found = _pcapng_frame(order, block_type, body)
        if found is not None and found[0] < len(link_types):
            yield link_types[found[0]], found[1]


def _pcapng_frame(order: str, block_type: int, body: bytes) -> tuple[int, bytes] | None:
    """Number of the interface and the frame; None for blocks that hold no frame."""
    if block_type in (_PCAPNG_PACKET, _PCAPNG_OLD_PACKET) and len(body) >= 24:
        interface_code = "I" if block_type == _PCAPNG_PACKET else "H2x"
        interface, captured = struct.unpack_from(f"{order}{interface_code}8xI", body)
        return interface, body[20 : 20 + captured]
    if block_type == _PCAPNG_SIMPLE_PACKET and len(body) >= 8:
        (original,) = struct.unpack_from(f"{order}I", body)
        return 0, body[4:-4][:original]
    return None
