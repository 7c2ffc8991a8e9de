"""Messages as a capture file: pcap, Ethernet, IP, and the transport that they were sent by.

Source: the libpcap file format; IEEE 802.1Q; RFC 791, 8200, 768, 9293, 9260. What HEP does not carry is made
up so that it holds together: the messages between two ends are one TCP connection or SCTP association, whose
numbers go on from message to message. TLS and WebSocket come decrypted, so they are TCP. RTCP, logs and other
reports are text about a packet and not its bytes, so they are datagrams whatever the packet was sent by: in a
stream they would break the SIP beside them.
"""

import re
import socket
from collections.abc import Iterable, Iterator
from functools import lru_cache
from struct import Struct
from typing import Final, NamedTuple

import msgspec

from api.callflow.hosts import NO_DESTINATION, NO_SOURCE, End
from api.export.captured import SCTP, TCP, TLS, UDP, WS, Captured

MOST_BYTES: Final = 65_535
"""What the length of an IP packet can say."""
SNAP_BYTES: Final = 262_144
"""The limit of libpcap: every frame here is within."""
ETHERNET: Final = 1
_MACS: Final = bytes.fromhex("063d20121020025d69742012")
"""Destination and source: those that Homer makes up, locally administered."""
_IPV4, _IPV6, _VLAN = 0x0800, 0x86DD, 0x8100
_HOPS: Final = 64
_TIMES_MOST_S: Final = 2**32 - 1

_IPV4_HEADER = Struct(">BBHHHBBH4s4s")
_IPV6_HEADER = Struct(">IHBB16s16s")
_PORTS_LENGTH_SUM = Struct(">HHHH")
_TCP_HEADER = Struct(">HHIIBBHHH")
_SCTP_HEADER = Struct(">HHII")
_SCTP_DATA = Struct(">BBHIHHI")
_DONT_FRAGMENT = 0x4000
_PUSH_ACK = 0x18
_MOST_UDP = MOST_BYTES - _IPV4_HEADER.size - _PORTS_LENGTH_SUM.size
_MOST_SEGMENT = MOST_BYTES - _IPV4_HEADER.size - _TCP_HEADER.size
# A data chunk is filled up to four bytes.
_MOST_CHUNK = (MOST_BYTES - _IPV4_HEADER.size - _SCTP_HEADER.size - _SCTP_DATA.size) // 4 * 4
_ENDS, _BEGINS = 0x01, 0x02
_CASTAGNOLI = 0x82F63B78
"""The polynomial, its bits the other way round."""
_CONTENT_LENGTH = re.compile(rb"\r?\n(?:content-length|l)[ \t]*:[ \t]*([0-9]{1,9})[ \t]*\r?\n", re.IGNORECASE)
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_LEAST_MISSING: Final = len(b"\r\n\r\n")
"""Of a message without an end of its headers."""

FILE_HEADER: Final = Struct("<IHHiIII").pack(0xA1B2C3D4, 2, 4, 0, 0, SNAP_BYTES, ETHERNET)
"""Little-endian, times in microseconds."""
_RECORD = Struct("<IIII").pack

Flow = tuple[End, End]


class _Ends(NamedTuple):
    """Both addresses, packed and of one family."""

    source: bytes
    destination: bytes


class _Direction(msgspec.Struct):
    """One direction of an SCTP association."""

    tag: int
    """Its verification tag."""
    chunks: int = 0
    """Sent so far: the TSN of the last."""
    messages: int = 0
    """The next number in the stream."""


class PcapWriter:
    """The frames of messages in the order in which they are given."""

    def __init__(self) -> None:
        self._sent: dict[Flow, int] = {}
        """What each direction of a TCP connection has sent so far, in bytes."""
        self._associations: dict[Flow, _Direction] = {}

    def frames(self, message: Captured) -> Iterator[bytes]:
        """The records of one message; several only where it is too long for one packet."""
        addresses = _packed(message.source.address, message.destination.address)
        protocol, packets = self._packets(message, addresses)
        for packet, missing in packets:
            frame = _framed(message, addresses, protocol, packet, missing)
            seconds, microseconds = divmod(message.time_us, 1_000_000)
            seconds = min(max(seconds, 0), _TIMES_MOST_S)
            yield _RECORD(seconds, microseconds, len(frame), len(frame) + missing) + frame

    def _packets(self, message: Captured, addresses: _Ends) -> tuple[int, Iterable[tuple[bytes, int]]]:
        """The IP protocol, and each packet of it with the number of bytes that its end lacks."""
        protocol = carrier_of(message)
        if protocol == SCTP:
            return protocol, self._sctp(message)
        if protocol == TCP:
            return protocol, self._tcp(message, addresses)
        return protocol, [(_udp(message, addresses), 0)]

    def _tcp(self, message: Captured, addresses: _Ends) -> Iterator[tuple[bytes, int]]:
        flow, payload = (message.source, message.destination), message.payload
        back = (message.destination, message.source)
        for start in range(0, max(len(payload), 1), _MOST_SEGMENT):
            part = payload[start : start + _MOST_SEGMENT]
            is_last = start + len(part) >= len(payload)
            # What was not captured of a message is missing here too, and nothing stands in for it.
            missing = min(_missing(payload), _MOST_SEGMENT - len(part)) if is_last and message.is_sip else 0
            sent = self._sent.get(flow, 0)
            head = (*_ports(message), (sent + 1) % 2**32, (self._sent.get(back, 0) + 1) % 2**32)
            self._sent[flow] = sent + len(part) + missing
            bare = _TCP_HEADER.pack(*head, 5 << 4, _PUSH_ACK, MOST_BYTES, 0, 0) + part
            sum_ = _checksum(addresses, TCP, bare) if not missing else 0
            yield _TCP_HEADER.pack(*head, 5 << 4, _PUSH_ACK, MOST_BYTES, sum_, 0) + part, missing

    def _sctp(self, message: Captured) -> Iterator[tuple[bytes, int]]:
        payload = message.payload
        flow = self._direction(message)
        number, flow.messages = flow.messages, (flow.messages + 1) % 2**16
        # A chunk without data is none.
        parts = [payload[start : start + _MOST_CHUNK] for start in range(0, len(payload), _MOST_CHUNK)]
        for index, part in enumerate(parts):
            flags = (_BEGINS if index == 0 else 0) | (_ENDS if index == len(parts) - 1 else 0)
            flow.chunks = (flow.chunks + 1) % 2**32
            data = _SCTP_DATA.pack(0, flags, _SCTP_DATA.size + len(part), flow.chunks, 0, number, 0)
            yield _sctp_packet(message, flow.tag, data + part + bytes(-len(part) % 4)), 0
        if not parts:
            yield _sctp_packet(message, flow.tag, b""), 0

    def _direction(self, message: Captured) -> "_Direction":
        flow = message.source, message.destination
        # Readers tell associations by tag and ports alone, whatever the addresses.
        return self._associations.setdefault(flow, _Direction(tag=len(self._associations) + 1))


def carrier_of(message: Captured) -> int:
    """The IP protocol that a message stands in: TCP, UDP or SCTP."""
    if message.is_sip and message.ip_protocol == SCTP:
        return SCTP
    if message.is_sip and message.ip_protocol in (TCP, TLS, WS):
        return TCP
    # What no datagram can hold was sent by no datagram, whatever its sender says.
    return TCP if len(message.payload) > _MOST_UDP else UDP


def _udp(message: Captured, addresses: _Ends) -> bytes:
    length = _PORTS_LENGTH_SUM.size + len(message.payload)
    bare = _PORTS_LENGTH_SUM.pack(*_ports(message), length, 0) + message.payload
    # A sum of 0 means that there is none.
    sum_ = _checksum(addresses, UDP, bare) or 0xFFFF
    return _PORTS_LENGTH_SUM.pack(*_ports(message), length, sum_) + message.payload


def _sctp_packet(message: Captured, tag: int, chunk: bytes) -> bytes:
    ports = _ports(message)
    sum_ = _crc32c(_SCTP_HEADER.pack(*ports, tag, 0) + chunk)
    # The one number in the other byte order.
    return _SCTP_HEADER.pack(*ports, tag, int.from_bytes(sum_.to_bytes(4, "little"), "big")) + chunk


def _framed(message: Captured, addresses: _Ends, protocol: int, packet: bytes, missing: int) -> bytes:
    """A packet in IP in Ethernet; the lengths are those of the whole, of which the end may be missing."""
    tos, length = message.tos or 0, len(packet) + missing
    if len(addresses.source) == 4:
        kind = _IPV4
        head = (0x45, tos, _IPV4_HEADER.size + length, 0, _DONT_FRAGMENT, _HOPS, protocol)
        sum_ = _folded(_IPV4_HEADER.pack(*head, 0, *addresses))
        header = _IPV4_HEADER.pack(*head, sum_, *addresses)
    else:
        kind = _IPV6
        header = _IPV6_HEADER.pack(6 << 28 | tos << 20, length, protocol, _HOPS, *addresses)
    tag = b"" if message.vlan is None else _VLAN.to_bytes(2, "big") + message.vlan.to_bytes(2, "big")
    return _MACS + tag + kind.to_bytes(2, "big") + header + packet


def _ports(message: Captured) -> tuple[int, int]:
    source, destination = message.source.port, message.destination.port
    # A filter may have set anything.
    return source if 0 <= source <= 0xFFFF else 0, destination if 0 <= destination <= 0xFFFF else 0


def _missing(payload: bytes) -> int:
    """How much is not there of what a stream of SIP must go on with, by its own word."""
    at, end = 0, len(payload)
    while at < end and payload[at] in b"\r\n":
        at += 1
    while at < end:
        blank = _BLANK_LINE.search(payload, at)
        if blank is None:
            return _LEAST_MISSING
        said = _CONTENT_LENGTH.search(payload, at, blank.end())
        if said is None:
            return 0
        at = blank.end() + int(said[1])
        while at < end and payload[at] in b"\r\n":
            at += 1
    return at - end


@lru_cache(maxsize=4096)
def _packed(source: str, destination: str) -> _Ends:
    """Of two families the one of IPv4 is mapped into IPv6 (RFC 4291 2.5.5.2)."""
    ends = _address(source, NO_SOURCE), _address(destination, NO_DESTINATION)
    if len(ends[0]) != len(ends[1]):
        ends = _mapped(ends[0]), _mapped(ends[1])
    return _Ends(*ends)


def _address(text: str, instead: End) -> bytes:
    try:
        return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except (OSError, ValueError):
        # A filter may have set anything.
        return socket.inet_pton(socket.AF_INET, instead.address)


def _mapped(address: bytes) -> bytes:
    return address if len(address) == 16 else bytes(10) + b"\xff\xff" + address


def _checksum(addresses: _Ends, protocol: int, packet: bytes) -> int:
    """The checksum of UDP and TCP, over the pseudo-header too (RFC 768, RFC 8200 8.1)."""
    return _folded(b"".join((*addresses, bytes((0, protocol)), len(packet).to_bytes(4, "big"), packet)))


def _folded(data: bytes) -> int:
    """The ones' complement of the ones' complement sum of all 16-bit words (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    # Folding the carries back in keeps the rest of a division by 0xFFFF, and is never 0 where a word is not.
    sum_ = int.from_bytes(data, "big") % 0xFFFF
    return 0xFFFF - (sum_ or 0xFFFF)


def _crc32c(data: bytes) -> int:
    """The checksum of SCTP (RFC 9260, appendix A)."""
    crc, table = 0xFFFFFFFF, _crc32c_table()
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


@lru_cache(maxsize=1)
def _crc32c_table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (_CASTAGNOLI if crc & 1 else 0)
        table.append(crc)
    return table
