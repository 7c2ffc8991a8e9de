"""IP packets: what they carry, and fragments joined.

Source: RFC 791, RFC 8200.
"""

import struct
from collections import OrderedDict
from typing import Final, NamedTuple

TCP: Final = 6
UDP: Final = 17

_IPV4_HEADER_BYTES: Final = 20
_IPV6_HEADER_BYTES: Final = 40
_IPV6_ADDRESS_BYTES: Final = 16
_FRAGMENT: Final = 44
_FRAGMENT_HEADER_BYTES: Final = 8
_AUTHENTICATION: Final = 51
_SKIPPED_EXTENSIONS: Final = frozenset([0, 43, 60, 135])
"""IPv6 hop-by-hop options, routing, destination options, mobility: length in units of 8 bytes, less one."""

CARRIERS: Final = frozenset([TCP, UDP, _AUTHENTICATION]) | _SKIPPED_EXTENSIONS
"""What an IP packet, or a fragment of one, may name that carries TCP or UDP."""

_MAX_UNFINISHED: Final = 256
"""Fragmented packets that are kept while the missing part may come."""
_FRAGMENTS_US: Final = 60_000_000
"""So long a receiver waits for the rest (RFC 1122 3.3.2): a fragment that comes later is of another packet
that was given the same number."""
_MAX_PIECES: Final = 1_400
"""Of one packet: 64 KiB in the smallest packets that IPv4 allows."""
_MAX_PIECES_BYTES: Final = 2 * 65_536


class Cut(Exception):
    """The capture holds less of a packet than was on the wire."""


class Datagram(NamedTuple):
    """An IP packet, or one fragment of one."""

    key: tuple[bytes, bytes, int, int]
    """Source, destination, protocol and identification: what fragments of one packet share."""
    offset: int
    more: bool
    body: bytes
    """Of the protocol, without the IP header."""


def ip_datagram(packet: bytes) -> Datagram | None:
    """None when it is of no version of IP that there is. Cut, IndexError or struct.error: it is not whole."""
    version = packet[0] >> 4
    if version == 4:
        return _ipv4_datagram(packet)
    return _ipv6_datagram(packet) if version == 6 else None


def _ipv4_datagram(packet: bytes) -> Datagram:
    length, identification, fragment = struct.unpack_from(">HHH", packet, 2)
    header = (packet[0] & 0x0F) * 4
    if header < _IPV4_HEADER_BYTES or length > len(packet):
        raise Cut
    # A length of 0 is left by network cards that cut the packet themselves (TCP segmentation offload).
    body = packet[header : length or None]
    key = packet[12:16], packet[16:20], packet[9], identification
    return Datagram(key, (fragment & 0x1FFF) * 8, bool(fragment & 0x2000), body)


def _ipv6_datagram(packet: bytes) -> Datagram:
    (length,) = struct.unpack_from(">H", packet, 4)
    if _IPV6_HEADER_BYTES + length > len(packet):
        raise Cut
    end = _IPV6_HEADER_BYTES + length if length else len(packet)
    protocol, at = _behind_extensions(packet, packet[6], _IPV6_HEADER_BYTES)
    fragment = identification = 0
    if protocol == _FRAGMENT:
        fragment, identification = struct.unpack_from(">HI", packet, at + 2)
        protocol, at = packet[at], at + _FRAGMENT_HEADER_BYTES
        if not fragment & 0xFFF9:
            protocol, at = _behind_extensions(packet, protocol, at)
    key = packet[8:24], packet[24:40], protocol, identification
    return Datagram(key, fragment & 0xFFF8, bool(fragment & 1), packet[at:end])


def _behind_extensions(packet: bytes, protocol: int, at: int) -> tuple[int, int]:
    """The protocol behind the extension headers of IPv6 that begin at `at`, and where."""
    while True:
        if protocol in _SKIPPED_EXTENSIONS:
            size = (packet[at + 1] + 1) * 8
        elif protocol == _AUTHENTICATION:
            size = (packet[at + 1] + 2) * 4
        else:
            return protocol, at
        protocol = packet[at]
        at += size


class FragmentedPackets:
    """Those of which fragments have come, and not all yet."""

    def __init__(self) -> None:
        self.given_up = 0
        """How many will never be whole."""
        self._unfinished: OrderedDict[tuple[bytes, bytes, int, int], _Pieces] = OrderedDict()

    @property
    def held_bytes(self) -> int:
        return sum(pieces.bytes for pieces in self._unfinished.values())

    def add(self, fragment: Datagram, time_us: int) -> Datagram | None:
        """The packet that is whole with this fragment, which was captured at `time_us`."""
        key = fragment.key
        pieces = self._unfinished.get(key)
        if pieces is not None and pieces.are_of_another(fragment, time_us):
            self._give_up(key)
            pieces = None
        if pieces is None:
            pieces = self._unfinished[key] = _Pieces(time_us)
        body = pieces.add(fragment)
        if body is not None:
            del self._unfinished[key]
            return _whole(key, body)
        if pieces.are_hopeless:
            self._give_up(key)
        elif len(self._unfinished) > _MAX_UNFINISHED:
            self._give_up(next(iter(self._unfinished)))
        return None

    def finish(self) -> None:
        """No more fragments come."""
        self.given_up += len(self._unfinished)
        self._unfinished.clear()

    def _give_up(self, key: tuple[bytes, bytes, int, int]) -> None:
        del self._unfinished[key]
        self.given_up += 1


def _whole(key: tuple[bytes, bytes, int, int], body: bytes) -> Datagram:
    source, destination, protocol, identification = key
    if len(source) == _IPV6_ADDRESS_BYTES:
        protocol, at = _behind_extensions(body, protocol, 0)
        body = body[at:]
    return Datagram((source, destination, protocol, identification), 0, False, body)


class _Pieces:
    """The fragments of one IP packet (RFC 791 3.2)."""

    def __init__(self, begun_us: int) -> None:
        self.bytes = 0
        self._begun_us = begun_us
        self._pieces: dict[int, bytes] = {}
        self._size: int | None = None

    def are_of_another(self, fragment: Datagram, time_us: int) -> bool:
        """Whether a fragment with their number is of another packet all the same: numbers come again."""
        if abs(time_us - self._begun_us) > _FRAGMENTS_US:
            return True
        known = self._pieces.get(fragment.offset, b"")
        common = min(len(known), len(fragment.body))
        return known[:common] != fragment.body[:common]

    @property
    def are_hopeless(self) -> bool:
        """Whether there are more of them, or of more bytes, than any packet has."""
        return len(self._pieces) > _MAX_PIECES or self.bytes > _MAX_PIECES_BYTES

    def add(self, fragment: Datagram) -> bytes | None:
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
        return bytes(body[: self._size]) if len(body) >= self._size else None
