"""The frames of a capture file, pcap or pcapng, one at a time, trusting no length.

Source: draft-ietf-opsawg-pcap, "Packet Record"; draft-ietf-opsawg-pcapng, "Block Types". Written out here
because dpkt takes the first interface's link type for all, and reads whatever length a file claims.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from capture.errors import PcapError

MAX_FRAME_BYTES: Final = 16 * 1024 * 1024
"""A longer frame or block is a broken file: libpcap's own limit for a packet is 256 KiB."""

_TICKS_PER_SECOND: Final = {0xA1B2C3D4: 1_000_000, 0xA1B23C4D: 1_000_000_000}
"""By the magic of a pcap."""
_GZIP_MAGIC: Final = b"\x1f\x8b"
_PCAP_HEADER_BYTES: Final = 24
_LINK_TYPE: Final = 0xFFFF
"""The bits above it say whether frames end with a checksum."""

_SECTION: Final = 0x0A0D0D0A
_SECTION_MAGIC: Final = _SECTION.to_bytes(4, "big")
_INTERFACE: Final = 1
_OLD_PACKET: Final = 2
_SIMPLE_PACKET: Final = 3
_PACKET: Final = 6
_TIME_RESOLUTION: Final = 9
"""An option of an interface: a power of ten, or of two with the highest bit set."""
_TIME_OFFSET: Final = 14
"""An option of an interface: seconds to be added to each time, signed."""

NO_LINK: Final = -1
"""In place of a link type: the frame is of an interface that the file does not describe."""


class Frame(NamedTuple):
    """What was captured at one moment."""

    number: int
    """In the file, from 1 on, as Wireshark counts."""
    link_type: int
    time_us: int
    """When it was captured, microseconds since the Unix epoch; 0 where the file does not say."""
    data: bytes


def open_capture(path: Path) -> BinaryIO:
    """The file, to be read from its beginning; PcapError "unreadable" when it cannot be."""
    try:
        return path.open("rb")
    except OSError as error:
        raise PcapError("unreadable", f"cannot read {path}: {error.strerror}") from error


def read_frames(file: BinaryIO, name: object) -> Iterator[Frame]:
    """Every frame, in the order of the file; `name` is what errors call it.

    PcapError "foreign" when it is no capture, "cut" when it ends in the middle of a frame, "broken" when it
    contradicts itself, "unreadable". All frames before that place have been given then.
    """
    try:
        magic = file.read(4)
        if magic == _SECTION_MAGIC:
            yield from _Pcapng(file, name).frames()
        else:
            yield from _pcap_frames(file, magic, name)
    except OSError as error:
        raise PcapError("unreadable", f"cannot read {name}: {error.strerror}") from error


def _cut(name: object, number: int) -> PcapError:
    return PcapError("cut", f"{name} ends in the middle of packet {number}")


def _broken(name: object, number: int, words: str) -> PcapError:
    return PcapError("broken", f"{name} is broken at packet {number}: {words}")


def _pcap_frames(file: BinaryIO, magic: bytes, name: object) -> Iterator[Frame]:
    order = next((order for order in "<>" if _magic(order, magic) in _TICKS_PER_SECOND), None)
    header = file.read(_PCAP_HEADER_BYTES - 4)
    if order is None or len(header) < _PCAP_HEADER_BYTES - 4:
        hint = "; it is compressed: unpack it first" if magic[:2] == _GZIP_MAGIC else ""
        raise PcapError("foreign", f"{name} is not a packet capture: neither pcap nor pcapng{hint}")
    ticks_per_second = _TICKS_PER_SECOND[_magic(order, magic)]
    (link_type,) = struct.unpack_from(f"{order}I", header, 16)
    record = struct.Struct(f"{order}IIII")
    number = 0
    while head := file.read(record.size):
        number += 1
        if len(head) < record.size:
            raise _cut(name, number)
        seconds, ticks, size, _ = record.unpack(head)
        if size > MAX_FRAME_BYTES:
            raise _broken(name, number, f"a frame of {size} bytes")
        data = file.read(size)
        if len(data) < size:
            raise _cut(name, number)
        time_us = seconds * 1_000_000 + ticks * 1_000_000 // ticks_per_second
        yield Frame(number, link_type & _LINK_TYPE, time_us, data)


def _magic(order: str, magic: bytes) -> int:
    return int.from_bytes(magic, "little" if order == "<" else "big")


class _Interface(NamedTuple):
    """What a section says of one of its interfaces."""

    link_type: int
    snap_bytes: int
    """0: no limit."""
    ticks_per_second: int = 1_000_000
    offset_s: int = 0


class _Pcapng:
    """Block after block; a new section has its own byte order and interfaces."""

    def __init__(self, file: BinaryIO, name: object) -> None:
        self._file = file
        self._name = name
        self._order = "<"
        self._interfaces: list[_Interface] = []
        self._next = 1
        """Number of the next frame."""

    def frames(self) -> Iterator[Frame]:
        head = _SECTION_MAGIC + self._file.read(4)
        while head:
            kind, body = self._block(head)
            if kind == _INTERFACE:
                self._interfaces.append(self._interface(body))
            elif frame := self._frame(kind, body):
                self._next += 1
                yield frame
            head = self._file.read(8)

    def _block(self, head: bytes) -> tuple[int, bytes]:
        """The next block's type and content; `head` are its first 8 bytes."""
        is_section = head[:4] == _SECTION_MAGIC
        if is_section:
            head += self._file.read(4)
            self._order = "<" if head[8:12] == b"\x4d\x3c\x2b\x1a" else ">"
            if len(head) == 12 and head[8:12] not in (b"\x4d\x3c\x2b\x1a", b"\x1a\x2b\x3c\x4d"):
                raise _broken(self._name, self._next, "a section without its byte order")
            self._interfaces = []
        if len(head) < (12 if is_section else 8):
            raise _cut(self._name, self._next)
        kind, length = struct.unpack_from(f"{self._order}II", head)
        if not len(head) + 4 <= length <= MAX_FRAME_BYTES:
            raise _broken(self._name, self._next, f"a block of {length} bytes")
        # A length that is no multiple of four is against the draft; such files are padded all the same.
        rest = length + -length % 4 - len(head)
        body = head[8:] + self._file.read(rest)
        if len(body) < length + -length % 4 - 8:
            raise _cut(self._name, self._next)
        return kind, body[: length - 12]

    def _interface(self, body: bytes) -> _Interface:
        if len(body) < 8:
            raise _broken(self._name, self._next, "an interface that is not described")
        link_type, snap_bytes = struct.unpack_from(f"{self._order}H2xI", body)
        interface = _Interface(link_type, snap_bytes)
        at = 8
        while at + 4 <= len(body):
            code, length = struct.unpack_from(f"{self._order}HH", body, at)
            value = body[at + 4 : at + 4 + length]
            if code == _TIME_RESOLUTION and length == 1 and value:
                interface = interface._replace(ticks_per_second=_ticks(value[0]))
            elif code == _TIME_OFFSET and length == 8 and len(value) == 8:
                interface = interface._replace(offset_s=struct.unpack(f"{self._order}q", value)[0])
            at += 4 + length + -length % 4
        return interface

    def _frame(self, kind: int, body: bytes) -> Frame | None:
        """None for blocks that hold no frame."""
        if kind in (_PACKET, _OLD_PACKET):
            return self._packet("I" if kind == _PACKET else "H2x", body)
        if kind != _SIMPLE_PACKET:
            return None
        if len(body) < 4:
            raise _broken(self._name, self._next, f"a packet block of {len(body)} bytes")
        (original,) = struct.unpack_from(f"{self._order}I", body)
        interface = self._described(0)
        size = min(original, interface.snap_bytes or original)
        return Frame(self._next, interface.link_type, 0, body[4 : 4 + size])

    def _packet(self, interface_code: str, body: bytes) -> Frame:
        if len(body) < 20:
            raise _broken(self._name, self._next, f"a packet block of {len(body)} bytes")
        number, high, low, size = struct.unpack_from(f"{self._order}{interface_code}III", body)
        if size > len(body) - 20:
            raise _broken(self._name, self._next, f"a frame of {size} bytes in a block of {len(body)}")
        link_type, _, ticks_per_second, offset_s = self._described(number)
        time_us = offset_s * 1_000_000 + (high << 32 | low) * 1_000_000 // ticks_per_second
        return Frame(self._next, link_type, time_us, body[20 : 20 + size])

    def _described(self, number: int) -> _Interface:
        return self._interfaces[number] if number < len(self._interfaces) else _Interface(NO_LINK, 0)


def _ticks(resolution: int) -> int:
    power = resolution & 0x7F
    return int(2**power if resolution & 0x80 else 10**power)


def frames_of(path: Path) -> Iterator[Frame]:
    """Every frame of a file by its name; errors as `read_frames`."""
    with open_capture(path) as file:
        yield from read_frames(file, path)
