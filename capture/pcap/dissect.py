"""Packets out of captured frames: UDP datagrams, and TCP streams in order.

Source: RFC 768, RFC 9293. Written out here because dpkt makes objects of every layer (18 µs a frame against
4), reads a first fragment as if it were a whole datagram, and joins neither fragments nor streams.
"""

import struct
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from capture.errors import HepError
from capture.hep.chunks import MAGICS
from capture.hep.decode import decode_packet
from capture.hep.framing import Framer
from capture.hep.inflate import GZIP_MAGIC
from capture.hep.legacy import time_offset
from capture.pcap.ip import CARRIERS, TCP, UDP, Cut, Datagram, FragmentedPackets, ip_datagram
from capture.pcap.links import network_packet
from capture.pcap.tcp_stream import StreamFramer, TcpStream, Whole

_TCP_HEADER_BYTES: Final = 20
_UDP_HEADER_BYTES: Final = 8
_SYN: Final = 0x02

_LEGACY_PROTOCOLS: Final = frozenset([6, 17, 22, 50, 132])
"""What a HEPv1 or v2 packet may name; the version's byte alone would take other traffic for HEP."""

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
    framer: Callable[[bool], StreamFramer]
    """For one direction of a TCP connection; told whether it is captured from its first byte on."""


HEP: Final = Wanted(is_hep, lambda _: Framer())


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


class Dissector:
    """Takes frames in the order captured, gives the packets that each of them completes."""

    def __init__(self, wanted: Wanted = HEP) -> None:
        self.cut = 0
        """Frames of which the capture holds only the beginning."""
        self.others: Counter[str] = Counter()
        """Frames of other protocols, by what they are."""
        self._wanted = wanted
        self._fragmented = FragmentedPackets()
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
        return self._streams_bytes + self._fragmented.held_bytes

    @property
    def unjoined(self) -> int:
        """Packets of which the capture does not hold every fragment, so far."""
        return self._fragmented.given_up

    def feed(self, link_type: int, frame: bytes, time_us: int = 0) -> list[Carried]:
        """What is whole with this frame, whose link is one of `capture.pcap.links.LINK_TYPES`.

        `time_us` is when it was captured. It also tells fragments of one datagram from those of a later one
        with the same number.
        """
        self._time_us = time_us
        try:
            packet = network_packet(link_type, frame)
            if isinstance(packet, str):
                self.others[packet] += 1
                return []
            return self._packet(packet)
        except (Cut, struct.error, IndexError):
            self.cut += 1
            return []

    def finish(self) -> list[Carried]:
        """What waits behind segments that the capture does not hold."""
        found: list[Carried] = []
        while self._streams:
            found += self._give_up_oldest()
        self._fragmented.finish()
        return found

    def _packet(self, packet: bytes) -> list[Carried]:
        datagram = ip_datagram(packet)
        if datagram is None:
            self.others["frames that are not of IP"] += 1
            return []
        protocol = datagram.key[2]
        if protocol in CARRIERS and (datagram.more or datagram.offset):
            datagram = self._fragmented.add(datagram, self._time_us)
            if datagram is None:
                return []
            protocol = datagram.key[2]
        if protocol == UDP:
            return self._udp(datagram)
        if protocol == TCP:
            return self._tcp(datagram)
        self.others[f"packets of IP protocol {protocol}"] += 1
        return []

    def _udp(self, datagram: Datagram) -> list[Carried]:
        (length,) = struct.unpack_from(">H", datagram.body, 4)
        if length > len(datagram.body):
            raise Cut
        body = datagram.body[_UDP_HEADER_BYTES : length or None]
        if not self._wanted.is_one(body):
            return []
        return _carried(_flow(datagram), UDP, [Whole(body, self._time_us)])

    def _tcp(self, datagram: Datagram) -> list[Carried]:
        segment = datagram.body
        sequence, _, header_words, flags = struct.unpack_from(">IIBB", segment, 4)
        header = (header_words >> 4) * 4
        if not _TCP_HEADER_BYTES <= header <= len(segment):
            raise Cut
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
            is_begun = bool(flags & _SYN)
            stream = TcpStream(self._wanted.framer(is_begun), sequence if is_begun else None)
            self._streams[flow] = stream
        self._streams.move_to_end(flow)
        if body:
            before = stream.held_bytes
            found += _carried(flow, TCP, stream.add(sequence, body, self._time_us))
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
        return _carried(flow, TCP, stream.finish())


_Flow = tuple[bytes, bytes, bytes]
"""Source and destination, and both ports as they stand in the header of UDP and of TCP."""


def _flow(datagram: Datagram) -> _Flow:
    return datagram.key[0], datagram.key[1], datagram.body[:4]


def _carried(flow: _Flow, protocol: int, packets: Iterable[Whole]) -> list[Carried]:
    source, destination, ports = flow
    source_port, destination_port = struct.unpack(">HH", ports)
    return [
        Carried(body, source, destination, source_port, destination_port, protocol, time_us)
        for body, time_us in packets
    ]
