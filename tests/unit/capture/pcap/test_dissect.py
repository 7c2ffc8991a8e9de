import gzip
import random

import pytest

from capture.pcap.dissect import Dissector, is_hep
from tests.support.frames import RAW_IP, TCP, ipv4, ipv6, tcp, udp
from tests.support.hep_bytes import SIP, a_hep3, legacy

PACKET = a_hep3()


def dissect(frames: list[bytes], link_type: int = RAW_IP) -> list[bytes]:
    dissector = Dissector()
    found = [packet for frame in frames for packet in dissector.feed(link_type, frame)]
    assert dissector.cut == 0
    return [packet.body for packet in found + dissector.finish()]


@pytest.mark.parametrize("cut", [1, 10, 20, 25, 100])
def test_frame_that_is_not_whole_is_counted_and_left_out(cut: int) -> None:
    dissector = Dissector()

    assert dissector.feed(RAW_IP, ipv4(udp(PACKET))[:cut]) == []
    assert dissector.feed(RAW_IP, ipv6(udp(PACKET))[:cut]) == []
    assert dissector.cut == 2


# ---- UDP: what looks like HEP ----


@pytest.mark.parametrize(
    "datagram",
    [PACKET, b"EEP3\0\x06", legacy(1), legacy(2), gzip.compress(PACKET, mtime=0), b"HEP3 but broken"],
)
def test_hep_of_every_kind_is_known_broken_or_not(datagram: bytes) -> None:
    assert is_hep(datagram)
    assert dissect([ipv4(udp(datagram, destination_port=5656))]) == [datagram]


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        SIP,
        b"\x01",
        b"\x01\x00\x01\x00" + bytes(20),
        b"\x02\x00\x02\x01" + bytes(30),
        gzip.compress(b'{"version": "1.1"}', mtime=0),
        b"\x1f\x8b",
        b"\x80\x00" + bytes(170),
    ],
)
def test_other_datagrams_are_left_alone(datagram: bytes) -> None:
    assert dissect([ipv4(udp(datagram))]) == []


# ---- TCP ----

STREAM = b"".join(a_hep3(payload=b"%d" % number) for number in range(30))
PACKETS = [a_hep3(payload=b"%d" % number) for number in range(30)]
START = 2**32 - 500
"""The sequence number passes 2**32 in the middle."""


def segments(size: int = 70) -> list[bytes]:
    return [
        tcp(STREAM[at : at + size], (START + 1 + at) % 2**32, options=b"\x01" * 12)
        for at in range(0, len(STREAM), size)
    ]


def over_tcp(parts: list[bytes]) -> list[bytes]:
    return dissect([ipv4(part, TCP) for part in parts])


SYN = tcp(b"", START, flags=0x02)


def test_stream_is_cut_into_its_packets() -> None:
    assert over_tcp([SYN, *segments(), tcp(b"", 0, flags=0x11)]) == PACKETS


def test_segments_out_of_order_and_sent_again_make_the_same_stream() -> None:
    parts = segments() + segments(111)[::2]
    random.Random(4).shuffle(parts)

    assert over_tcp([SYN, *parts]) == PACKETS


def test_stream_without_its_beginning_goes_on_with_the_next_packet() -> None:
    # The third segment ends 10 bytes into the third packet.
    assert over_tcp(segments()[3:]) == PACKETS[3:]


def test_hole_in_a_stream_costs_the_packets_in_it_only() -> None:
    parts = segments(len(PACKETS[0]))
    del parts[5:7]

    assert over_tcp([SYN, *parts]) == PACKETS[:5] + PACKETS[7:]


def test_keep_alive_segments_add_nothing() -> None:
    parts = segments()
    parts.insert(4, tcp(b"\0", (START + 4 * 70) % 2**32))

    assert over_tcp([SYN, *parts]) == PACKETS


def test_connections_are_kept_apart_and_a_new_one_may_use_old_ports() -> None:
    first = [tcp(PACKET[:60], 101), tcp(PACKET[60:], 161)]
    second = [tcp(PACKET[:80], 5001, source_port=40_001), tcp(PACKET[80:], 5081, source_port=40_001)]
    mixed = [first[0], second[0], first[1], second[1]]
    again = [tcp(b"", 9000, flags=0x02), tcp(PACKET, 9001)]

    assert over_tcp([*mixed, *again]) == [PACKET] * 3


def test_stream_of_another_protocol_gives_nothing() -> None:
    assert over_tcp([tcp(b"GET / HTTP/1.1\r\n\r\n", 1), tcp(b"HTTP/1.1 200 OK\r\n\r\n" * 100, 19)]) == []


# ---- times ----


def times(segments: list[tuple[bytes, int]]) -> list[tuple[bytes, int]]:
    dissector = Dissector()
    found = [
        packet
        for segment, time_us in segments
        for packet in dissector.feed(RAW_IP, ipv4(segment, TCP), time_us)
    ]
    return [(packet.body, packet.time_us) for packet in found + dissector.finish()]


def timed(parts: list[bytes]) -> list[tuple[bytes, int]]:
    """Segments of these parts, one behind the other, captured 10 µs apart."""
    at, found = START + 1, []
    for number, part in enumerate(parts):
        found.append((tcp(part, at % 2**32), 10 * number))
        at += len(part)
    return found


def test_packets_behind_a_hole_have_their_own_times() -> None:
    parts = timed(PACKETS)
    del parts[5]

    assert times([(SYN, 0), *parts]) == [
        (packet, 10 * number) for number, packet in enumerate(PACKETS) if number != 5
    ]


def test_packet_has_the_time_of_its_latest_segment() -> None:
    one, two = PACKETS[:2]
    first, *rest = timed([one[:20], one[20:] + two[:30], two[30:]])

    assert times([(SYN, 0), first, *rest]) == [(one, 10), (two, 20)]
    assert times([(SYN, 0), *rest, (first[0], 77)]) == [(one, 77), (two, 20)]


# ---- what is not taken ----


def test_frames_of_other_protocols_are_counted_by_what_they_are() -> None:
    dissector = Dissector()
    for frame in (ipv4(bytes(8), 1), ipv4(bytes(40), 132), ipv6(bytes(40), 132), b"\x50" + bytes(40)):
        assert dissector.feed(RAW_IP, frame) == []
    dissector.feed(1, bytes(12) + b"\x08\x06" + bytes(28))

    assert dissector.others == {
        "packets of IP protocol 1": 1,
        "packets of IP protocol 132": 2,
        "frames that are not of IP": 1,
        "frames of Ethernet type 0x0806": 1,
    }
    assert dissector.cut == 0
