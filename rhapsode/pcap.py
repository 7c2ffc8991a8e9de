"""Packets out of a capture file, pcap or pcapng: HEP, or HEP and SIP that stands by itself.

Source: the pcapng draft (draft-ietf-opsawg-pcapng), "Block Types"; pcap files are read by dpkt. dpkt's reader
of pcapng takes the first interface's link type for all of them, so its blocks are read here.
"""

import struct
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import dpkt

from capture.errors import HepError
from capture.hep.decode import decode_packet
from capture.hep.packet import Packet
from capture.route import SIP
from rhapsode.dissect import HEP, LINK_TYPES, Carried, Dissector, Wanted, is_hep
from rhapsode.errors import SendError
from rhapsode.sip_framing import HepOrSipFramer, is_sip

_PCAPNG_SECTION: Final = 0x0A0D0D0A
_PCAPNG_INTERFACE: Final = 1
_PCAPNG_OLD_PACKET: Final = 2
_PCAPNG_SIMPLE_PACKET: Final = 3
_PCAPNG_PACKET: Final = 6
_PCAPNG_TIME_RESOLUTION: Final = 9
"""An option of an interface: a power of ten, or of two with the highest bit set."""
_MAX_BLOCK_BYTES: Final = 16 * 1024 * 1024
"""A longer block than libpcap's limit for a packet is a broken file."""


_HEP_OR_SIP: Final = Wanted(lambda datagram: is_hep(datagram) or is_sip(datagram), HepOrSipFramer)


class _Frame(NamedTuple):
    link_type: int
    time_us: int
    """When it was captured; 0 where the file does not say."""
    data: bytes


def read_hep(path: Path, warn: Callable[[str], None]) -> Iterator[bytes]:
    """Every HEP packet of a capture in the order captured: UDP datagrams to any port, and TCP streams cut up.

    `warn` is told, at the end, of frames that could not be used. SendError when the file is no capture.
    """
    for found, _ in _carried(path, HEP, warn):
        yield found.body


def read_packets(path: Path, warn: Callable[[str], None]) -> Iterator[Packet]:
    """Every HEP packet, decoded, and every SIP message that was captured without HEP around it.

    The latter as an agent that captured it would send it. HEP that cannot be decoded is left out, and told.
    """
    broken = 0
    for found, time_us in _carried(path, _HEP_OR_SIP, warn):
        if is_hep(found.body):
            try:
                yield decode_packet(found.body)
            except HepError:
                broken += 1
        else:
            yield _captured(found, time_us)
    if broken:
        warn(f"{broken} packets of HEP in {path} are malformed and were left out")


def _captured(found: Carried, time_us: int) -> Packet:
    seconds, microseconds = divmod(time_us, 1_000_000)
    return Packet(
        version=3,
        payload=found.body,
        family=2 if len(found.source) == 4 else 10,
        ip_protocol=found.ip_protocol,
        source=found.source,
        destination=found.destination,
        source_port=found.source_port,
        destination_port=found.destination_port,
        seconds=seconds,
        microseconds=microseconds,
        protocol_type=SIP,
    )


def _carried(path: Path, wanted: Wanted, warn: Callable[[str], None]) -> Iterator[tuple[Carried, int]]:
    """What is looked for, each with the time of the frame that completed it."""
    dissector = Dissector(wanted)
    unknown: Counter[int] = Counter()
    time_us = 0
    for link_type, time_us, data in _frames(path, warn):
        if link_type in LINK_TYPES:
            for found in dissector.feed(link_type, data):
                yield found, time_us
        else:
            unknown[link_type] += 1
    for found in dissector.finish():
        yield found, time_us
    if dissector.cut:
        warn(f"{dissector.cut} frames are not whole in {path} and were left out")
    for link_type, count in unknown.items():
        warn(f"{count} frames of link type {link_type} cannot be read and were left out")


def _frames(path: Path, warn: Callable[[str], None]) -> Iterator[_Frame]:
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


def _pcap_frames(file: BinaryIO, path: Path, warn: Callable[[str], None]) -> Iterator[_Frame]:
    try:
        reader = dpkt.pcap.Reader(file)
    except (ValueError, dpkt.UnpackError) as error:
        raise SendError(f"{path} is not a packet capture: neither pcap nor pcapng") from error
    link_type = reader.datalink()
    try:
        for seconds, data in reader:
            yield _Frame(link_type, round(seconds * 1_000_000), data)
    except dpkt.UnpackError:
        warn(f"{path} ends in the middle of a frame")


class _Interface(NamedTuple):
    """What a section of a pcapng says of one of its interfaces."""

    link_type: int
    ticks_per_second: int


def _pcapng_frames(file: BinaryIO, path: Path, warn: Callable[[str], None]) -> Iterator[_Frame]:
    order = "<"
    interfaces: list[_Interface] = []
    while header := file.read(8):
        if header[:4] == _PCAPNG_SECTION.to_bytes(4, "big"):
            header += file.read(4)
            order = "<" if header[8:12] == b"\x4d\x3c\x2b\x1a" else ">"
            interfaces = []
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
            interfaces.append(_pcapng_interface(order, body))
            continue
        frame = _pcapng_frame(order, block_type, body, interfaces)
        if frame is not None:
            yield frame


def _pcapng_interface(order: str, body: bytes) -> _Interface:
    link_type = struct.unpack_from(f"{order}H", body)[0]
    at = 8
    while at + 4 <= len(body) - 4:
        code, length = struct.unpack_from(f"{order}HH", body, at)
        if code == _PCAPNG_TIME_RESOLUTION and length == 1:
            resolution = body[at + 4]
            return _Interface(link_type, 2 ** (resolution & 0x7F) if resolution & 0x80 else 10**resolution)
        at += 4 + length + -length % 4
    return _Interface(link_type, 1_000_000)


def _pcapng_frame(
    order: str, block_type: int, body: bytes, interfaces: Sequence[_Interface]
) -> _Frame | None:
    """None for blocks that hold no frame, or one of an interface that is not described."""
    if block_type in (_PCAPNG_PACKET, _PCAPNG_OLD_PACKET) and len(body) >= 24:
        interface_code = "I" if block_type == _PCAPNG_PACKET else "H2x"
        number, high, low, captured = struct.unpack_from(f"{order}{interface_code}III", body)
        if number >= len(interfaces):
            return None
        link_type, ticks_per_second = interfaces[number]
        time_us = (high << 32 | low) * 1_000_000 // ticks_per_second
        return _Frame(link_type, time_us, body[20 : 20 + captured])
    if block_type == _PCAPNG_SIMPLE_PACKET and len(body) >= 8 and interfaces:
        (original,) = struct.unpack_from(f"{order}I", body)
        return _Frame(interfaces[0].link_type, 0, body[4:-4][:original])
    return None
