"""Packets out of captured frames: link header, IP, fragments joined, UDP datagrams, TCP streams in order.

Source: RFC 791, RFC 8200, RFC 768, RFC 9293, and tcpdump's list of link types. Written out here because dpkt
makes objects of every layer (18 µs a frame against 4), reads a first fragment as if it were a whole datagram,
and joins neither fragments nor streams.
"""

import struct
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from capture.errors import HepError
from capture.hep.chunks import MAGICS
from capture.hep.decode import decode_packet
from capture.hep.framing import Framer
from capture.hep.inflate import GZIP_MAGIC
from capture.hep.legacy import time_offset
from capture.pcap.tcp_stream import StreamFramer, TcpStream, Whole

_ETHERNET_IPV4: Final = 0x0800
_ETHERNET_IPV6: Final = 0x86DD
_VLAN_TAGS: Final = frozenset([0x8100, 0x88A8, 0x9100])

LINK_ETHERNET: Final = 1
LINK_LINUX_COOKED: Final = 113
LINK_LINUX_COOKED_2: Final = 276
_RAW_IP: Final = frozenset([12, 14, 101, 228, 229])
"""Raw IP has been 12 and 14 on some systems; 228 and 229 say which version."""
_LOOPBACK: Final = frozenset([0, 108])
"""Four bytes of address family, in host order and in network order, stand before the IP packet."""

LINK_TYPES: Final = _RAW_IP | _LOOPBACK | {LINK_ETHERNET, LINK_LINUX_COOKED, LINK_LINUX_COOKED_2}
"""What `Dissector.feed` can read."""

_TCP: Final = 6
_TCP_HEADER_BYTES: Final = 20
_SYN: Final = 0x02
_UDP: Final = 17
_IPV4_HEADER_BYTES: Final = 20
_FRAGMENT: Final = 44
_AUTHENTICATION: Final = 51
_SKIPPED_EXTENSIONS: Final = frozenset([0, 43, 60, 135])
"""IPv6 hop-by-hop options, routing, destination options, mobility: length in units of 8 bytes, less one."""

_LEGACY_PROTOCOLS: Final = frozenset([6, 17, 22, 50, 132])
"""What a HEPv1 or v2 packet may name; the version's byte alone would take other traffic for HEP."""

_MAX_UNFINISHED: Final = 256
"""Fragmented datagrams that are kept while the missing part may come."""
_FRAGMENTS_US: Final = 60_000_000
"""So long a receiver waits for the rest (RFC 1122 3.3.2): a fragment that comes later is of another datagram
that was given the same number."""
_MAX_PIECES: Final = 1_400
"""Of one datagram: 64 KiB in the smallest packets that IPv4 allows."""
_MAX_PIECES_BYTES: Final = 2 * 65_536

MOST_STREAMS: Final = 4_096
"""Directions of TCP connections that are followed; that which was silent longest goes first."""
MOST_HELD_BYTES: Final = 64 * 1024 * 1024
"""Of what all of them hold, because it is not whole."""


def is_hep(datagram: bytes) -> bool:
    """Whether a UDP datagram looks like HEP of any version, broken or not."""
    if datagram[:4] in MAGICS:
        return True
    try:
        if datagram[:2] == GZIP_MAGIC:
            decode_packet(datagram)
            return True
        return (
            datagram[:1] in (b"\1", b"\2") and time_offset(datagram) > 0 and datagram[3] in _LEGACY_PROTOCOLS
        )
    except HepError:
        return False


class Wanted(NamedTuple):
    """What is looked for in the traffic."""

    is_one: Callable[[bytes], bool]
    """Of what a UDP datagram carries."""
    framer: Callable[[], StreamFramer]
    """For one direction of a TCP connection."""


HEP: Final = Wanted(is_hep, Framer)


class Carried(NamedTuple):
    """One packet of those looked for, and between whom it was sent."""

    body: bytes
    source: bytes
    """Packed, as `destination`."""
    destination: bytes
    source_port: int
    destination_port: int
    ip_protocol: int
    time_us: int = 0
    """When the frame was captured that it was whole with; of a stream the latest of its own segments."""


class _Datagram(NamedTuple):
    """An IP packet, or one fragment of one."""

    key: tuple[bytes, bytes, int, int]
    """Source, destination, protocol and identification: what fragments of one packet share."""
    offset: int
    more: bool
    body: bytes
    """Of the protocol, without the IP header."""


class _Cut(Exception):
    """The capture holds less of a packet than was on the wire."""


class Dissector:
    """Takes frames in the order captured, gives the packets that each of them completes."""

    def __init__(self, wanted: Wanted = HEP) -> None:
        self.cut = 0
        """Frames of which the capture holds only the beginning."""
        self._wanted = wanted
        self._fragments: OrderedDict[tuple[bytes, bytes, int, int], _Fragments] = OrderedDict()
        self._streams: OrderedDict[_Flow, TcpStream] = OrderedDict()
        self._streams_bytes = 0
        self._time_us = 0

    @property
    def streams(self) -> int:
        """How many directions of TCP connections are followed."""
        return len(self._streams)

    @property
    def held_bytes(self) -> int:
        """Of what is not whole."""
        return self._streams_bytes + sum(fragments.bytes for fragments in self._fragments.values())

    def feed(self, link_type: int, frame: bytes, time_us: int = 0) -> list[Carried]:
        """What is whole with this frame; frames of other protocols give nothing.

        `time_us` is when it was captured. It also tells fragments of one datagram from those of a later one
        with the same number.
        """
        self._time_us = time_us
        try:
            packet = _network_packet(link_type, frame)
            datagram = _ip_datagram(packet) if packet else None
            if datagram is not None and (datagram.offset or datagram.more):
                datagram = self._join(datagram)
            if datagram is None:
                return []
            protocol = datagram.key[2]
            if protocol == _UDP:
                return self._udp(datagram)
            return self._tcp(datagram) if protocol == _TCP else []
        except (_Cut, struct.error, IndexError):
            self.cut += 1
            return []

    def finish(self) -> list[Carried]:
        """What waits behind segments that the capture does not hold."""
        found: list[Carried] = []
        while self._streams:
            found += self._give_up_oldest()
        return found

    def _join(self, fragment: _Datagram) -> _Datagram | None:
        fragments = self._fragments.get(fragment.key)
        if fragments is None or abs(self._time_us - fragments.begun_us) > _FRAGMENTS_US:
            fragments = self._fragments[fragment.key] = _Fragments(self._time_us)
        body = fragments.add(fragment)
        if body is not None:
            del self._fragments[fragment.key]
            return _Datagram(fragment.key, 0, False, body)
        if fragments.is_hopeless:
            del self._fragments[fragment.key]
            raise _Cut
        if len(self._fragments) > _MAX_UNFINISHED:
            self._fragments.popitem(last=False)
        return None

    def _udp(self, datagram: _Datagram) -> list[Carried]:
        (length,) = struct.unpack_from(">H", datagram.body, 4)
        if length > len(datagram.body):
            raise _Cut
        body = datagram.body[8 : length or None]
        if not self._wanted.is_one(body):
            return []
        return _carried(_flow(datagram), _UDP, [Whole(body, self._time_us)])

    def _tcp(self, datagram: _Datagram) -> list[Carried]:
        segment = datagram.body
        sequence, _, header_words, flags = struct.unpack_from(">IIBB", segment, 4)
        header = (header_words >> 4) * 4
        if not _TCP_HEADER_BYTES <= header <= len(segment):
            raise _Cut
        body = segment[header:]
        flow = _flow(datagram)
        found: list[Carried] = []
        stream = self._streams.get(flow)
        if flags & _SYN:
            sequence = (sequence + 1) % (1 << 32)
            if stream is not None and stream.first != sequence:
                # Another connection on the same ports: what the old one held is of it alone.
                found += self._give_up(flow)
                stream = None
        if stream is None:
            stream = TcpStream(self._wanted.framer(), sequence if flags & _SYN else None)
            self._streams[flow] = stream
        self._streams.move_to_end(flow)
        if body:
            before = stream.held_bytes
            found += _carried(flow, _TCP, stream.add(sequence, body, self._time_us))
            self._streams_bytes += stream.held_bytes - before
        while len(self._streams) > MOST_STREAMS or self._streams_bytes > MOST_HELD_BYTES:
            found += self._give_up_oldest()
        return found

    def _give_up_oldest(self) -> list[Carried]:
        return self._give_up(next(iter(self._streams)))

    def _give_up(self, flow: "_Flow") -> list[Carried]:
        """What waits behind segments that the capture does not hold."""
        stream = self._streams.pop(flow)
        self._streams_bytes -= stream.held_bytes
        return _carried(flow, _TCP, stream.finish())


_Flow = tuple[bytes, bytes, bytes]
"""Source and destination, and both ports as they stand in the header of UDP and of TCP."""


def _flow(datagram: _Datagram) -> _Flow:
    return datagram.key[0], datagram.key[1], datagram.body[:4]


def _carried(flow: _Flow, protocol: int, packets: Iterable[Whole]) -> list[Carried]:
    source, destination, ports = flow
    source_port, destination_port = struct.unpack(">HH", ports)
    return [
        Carried(body, source, destination, source_port, destination_port, protocol, time_us)
        for body, time_us in packets
    ]


def _network_packet(link_type: int, frame: bytes) -> bytes | None:
    """The IP packet in a frame; None when it carries something else."""
    if link_type in _RAW_IP:
        return frame
    if link_type in _LOOPBACK:
        return frame[4:]
    if link_type == LINK_ETHERNET:
        type_at, offset = 12, 14
    elif link_type == LINK_LINUX_COOKED:
        type_at, offset = 14, 16
    elif link_type == LINK_LINUX_COOKED_2:
        type_at, offset = 0, 20
    else:
        return None
    (ether_type,) = struct.unpack_from(">H", frame, type_at)
    while ether_type in _VLAN_TAGS:
        (ether_type,) = struct.unpack_from(">H", frame, offset + 2)
        offset += 4
    return frame[offset:] if ether_type in (_ETHERNET_IPV4, _ETHERNET_IPV6) else None


def _ip_datagram(packet: bytes) -> _Datagram | None:
    version = packet[0] >> 4
    if version == 4:
        return _ipv4_datagram(packet)
    return _ipv6_datagram(packet) if version == 6 else None


def _ipv4_datagram(packet: bytes) -> _Datagram:
    length, identification, fragment = struct.unpack_from(">HHH", packet, 2)
    header = (packet[0] & 0x0F) * 4
    if header < _IPV4_HEADER_BYTES:
        raise _Cut
    # A length of 0 is left by network cards that cut the packet themselves (TCP segmentation offload).
    body = packet[header : length or None]
    if length > len(packet):
        raise _Cut
    key = packet[12:16], packet[16:20], packet[9], identification
    return _Datagram(key, (fragment & 0x1FFF) * 8, bool(fragment & 0x2000), body)


def _ipv6_datagram(packet: bytes) -> _Datagram:
    (length,) = struct.unpack_from(">H", packet, 4)
    if 40 + length > len(packet):
        raise _Cut
    end = 40 + length if length else len(packet)
    protocol, at = packet[6], 40
    fragment = identification = 0
    while True:
        if protocol in _SKIPPED_EXTENSIONS:
            size = (packet[at + 1] + 1) * 8
        elif protocol == _AUTHENTICATION:
            size = (packet[at + 1] + 2) * 4
        elif protocol == _FRAGMENT:
            fragment, identification = struct.unpack_from(">HI", packet, at + 2)
            size = 8
        else:
            break
        protocol = packet[at]
        at += size
        if fragment & 0xFFF8:
            break
    key = packet[8:24], packet[24:40], protocol, identification
    return _Datagram(key, fragment & 0xFFF8, bool(fragment & 1), packet[at:end])


class _Fragments:
    """The pieces of one IP packet (RFC 791 3.2)."""

    def __init__(self, begun_us: int) -> None:
        self.begun_us = begun_us
        self.bytes = 0
        self._pieces: dict[int, bytes] = {}
        self._size: int | None = None

    @property
    def is_hopeless(self) -> bool:
        """Whether there are more pieces, or of more bytes, than any packet has."""
        return len(self._pieces) > _MAX_PIECES or self.bytes > _MAX_PIECES_BYTES

    def add(self, fragment: _Datagram) -> bytes | None:
        """The whole body once every piece is there."""
        known = self._pieces.get(fragment.offset, b"")
        if not fragment.more:
            self._size = fragment.offset + len(fragment.body)
        if len(fragment.body) > len(known):
            self._pieces[fragment.offset] = fragment.body
            self.bytes += len(fragment.body) - len(known)
        if self._size is None or self.bytes < self._size:
            return None
        body = bytearray()
        for offset, piece in sorted(self._pieces.items()):
            if offset > len(body):
                return None
            body += piece[len(body) - offset :]
        return bytes(body) if len(body) >= self._size else None
