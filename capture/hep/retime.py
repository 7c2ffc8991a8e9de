"""The time in a HEP packet, read and moved in place, with every other byte as it was.

Source: HEP3 rev. 37, chunks 0x0009 and 0x000a; the time block of HEPv2. HEPv1 has none.
"""

from typing import Literal, NamedTuple

from capture.errors import HepError
from capture.hep.chunks import GENERIC, MAGICS, MICROSECONDS, SECONDS, walk
from capture.hep.legacy import time_offset


def packet_time_us(packet: bytes) -> int | None:
    """The time in a HEPv2 or v3 packet, microseconds since the Unix epoch; None when it has none."""
    return _time_us(packet, _places(packet))


def rewrite_time(packet: bytes, shift_us: int) -> bytes:
    """The packet with its time moved by so many microseconds, every other byte as it was.

    Unchanged when it has no time (HEPv1, gzip, broken packets) or when 32 bits cannot hold the new one.
    """
    places = _places(packet)
    time_us = _time_us(packet, places)
    if time_us is None:
        return packet
    seconds, microseconds = divmod(time_us + shift_us, 1_000_000)
    if not 0 <= seconds < 1 << 32:
        return packet
    moved = bytearray(packet)
    for at in places.seconds:
        moved[at : at + 4] = seconds.to_bytes(4, places.order)
    for at in places.microseconds:
        moved[at : at + 4] = microseconds.to_bytes(4, places.order)
    return bytes(moved)


class _Places(NamedTuple):
    """Where the time stands in a packet; of two chunks of one type the later one counts."""

    order: Literal["big", "little"]
    seconds: list[int]
    microseconds: list[int]


def _places(packet: bytes) -> _Places:
    places = _Places("little" if packet[:1] == b"\2" else "big", [], [])
    try:
        if packet[:4] in MAGICS:
            for vendor, chunk_type, offset, length in walk(packet):
                if vendor == GENERIC and length == 4 and chunk_type in (SECONDS, MICROSECONDS):
                    (places.seconds if chunk_type == SECONDS else places.microseconds).append(offset)
        elif packet[:1] == b"\2":
            offset = time_offset(packet)
            places.seconds.append(offset)
            places.microseconds.append(offset + 4)
    except HepError:
        return places
    return places


def _time_us(packet: bytes, places: _Places) -> int | None:
    if not places.seconds:
        return None
    seconds, microseconds = (
        int.from_bytes(packet[at[-1] : at[-1] + 4], places.order) if at else 0
        for at in (places.seconds, places.microseconds)
    )
    return seconds * 1_000_000 + microseconds
