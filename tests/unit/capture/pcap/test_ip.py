"""IP headers and fragments, with HEP over UDP in them."""

import struct

import pytest

from capture.pcap.dissect import Dissector
from tests.support.frames import RAW_IP, ipv4, ipv6, udp
from tests.support.hep_bytes import a_hep3

PACKET = a_hep3()
SECOND_US = 1_000_000


def dissect(frames: list[bytes]) -> list[bytes]:
    dissector = Dissector()
    found = [packet.body for frame in frames for packet in dissector.feed(RAW_IP, frame)]
    assert dissector.cut == 0
    return found


def in_pieces(packet: bytes, identification: int = 7) -> list[bytes]:
    """An IPv4 packet with this HEP packet, in two fragments."""
    datagram = udp(packet)
    return [
        ipv4(datagram[:96], more=True, identification=identification),
        ipv4(datagram[96:], offset=96, identification=identification),
    ]


def ipv6_fragment(body: bytes, protocol: int, *, offset: int, more: bool) -> bytes:
    return ipv6(struct.pack(">BBHI", protocol, 0, offset | more, 77) + body, 44)


def test_ip_options_and_extension_headers_are_stepped_over() -> None:
    hop_by_hop = bytes([60, 0]) + bytes(6)
    destination_options = bytes([51, 1]) + bytes(14)
    authentication = bytes([17, 4]) + bytes(22)

    assert dissect([ipv4(udp(PACKET), options=b"\x01" * 8)]) == [PACKET]
    assert dissect([ipv6(hop_by_hop + destination_options + authentication + udp(PACKET), 0)]) == [PACKET]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (1, 1, 0, 2, 2)])
def test_fragments_are_joined_in_whatever_order_they_came(order: tuple[int, ...]) -> None:
    datagram = udp(PACKET)
    pieces = [
        ipv4(datagram[:96], more=True),
        ipv4(datagram[96:160], offset=96, more=True),
        ipv4(datagram[160:], offset=160),
    ]

    assert dissect([pieces[number] for number in order]) == [PACKET]


def test_fragments_of_two_datagrams_are_kept_apart() -> None:
    other = a_hep3(payload=b"other")
    first, second = udp(PACKET), udp(other)

    frames = [
        ipv4(first[:96], more=True, identification=1),
        ipv4(second[:96], more=True, identification=2),
        ipv4(second[96:], offset=96, identification=2),
        ipv4(first[96:], offset=96, identification=1),
    ]

    assert dissect(frames) == [other, PACKET]


def test_ipv6_fragments_are_joined() -> None:
    datagram = udp(PACKET)
    first = struct.pack(">BBHI", 17, 0, 0 | 1, 77)
    last = struct.pack(">BBHI", 17, 0, 96, 77)

    assert dissect([ipv6(first + datagram[:96], 44), ipv6(last + datagram[96:], 44)]) == [PACKET]


def test_datagram_whose_last_fragment_is_missing_gives_nothing() -> None:
    assert dissect([ipv4(udp(PACKET)[:96], more=True)]) == []


def test_fragments_that_never_end_are_forgotten_in_time() -> None:
    dissector = Dissector()
    datagram = udp(PACKET)
    dissector.feed(RAW_IP, ipv4(datagram[:96], more=True, identification=0))

    for number in range(1, 300):
        dissector.feed(RAW_IP, ipv4(datagram[:96], more=True, identification=number))

    assert dissector.feed(RAW_IP, ipv4(datagram[96:], offset=96, identification=0)) == []
    last = dissector.feed(RAW_IP, ipv4(datagram[96:], offset=96, identification=299))
    assert [packet.body for packet in last] == [PACKET]


def test_extension_headers_in_the_first_fragment_are_stepped_over() -> None:
    datagram = bytes([17, 0]) + bytes(6) + udp(PACKET)

    pieces = [
        ipv6_fragment(datagram[:96], 60, offset=0, more=True),
        ipv6_fragment(datagram[96:], 60, offset=96, more=False),
    ]

    assert dissect(pieces) == dissect(pieces[::-1]) == [PACKET]


def test_packet_that_is_a_fragment_by_its_header_only_is_whole() -> None:
    assert dissect([ipv6_fragment(udp(PACKET), 17, offset=0, more=False)]) == [PACKET]


@pytest.mark.parametrize("kept", [0, 1])
def test_packet_whose_other_fragment_is_missing_is_counted(kept: int) -> None:
    dissector = Dissector()

    assert dissector.feed(RAW_IP, in_pieces(PACKET)[kept]) == []
    assert dissector.unjoined == 0
    assert dissector.finish() == []
    assert dissector.unjoined == 1


def test_fragments_of_other_protocols_are_not_missed() -> None:
    dissector = Dissector()

    for piece in (ipv4(bytes(96), 50, more=True), ipv6_fragment(bytes(96), 58, offset=0, more=True)):
        assert dissector.feed(RAW_IP, piece) == []
    dissector.finish()

    assert dissector.unjoined == 0
    assert dissector.others == {"packets of IP protocol 50": 1, "packets of IP protocol 58": 1}


def test_packet_that_was_given_up_for_others_is_counted() -> None:
    dissector = Dissector()
    for number in range(300):
        dissector.feed(RAW_IP, in_pieces(PACKET, number)[0])
    dissector.feed(RAW_IP, in_pieces(PACKET, 299)[0], 61 * SECOND_US)
    dissector.finish()

    assert dissector.unjoined == 301


def test_number_that_comes_again_begins_another_packet() -> None:
    lost, second = a_hep3(payload=b"x" * 50), a_hep3(payload=b"y" * 100)
    head = [packet[:88] for packet in (lost, second)]
    assert head[0] != head[1]
    dissector = Dissector()

    dissector.feed(RAW_IP, in_pieces(lost)[0])
    found = [each.body for piece in in_pieces(second) for each in dissector.feed(RAW_IP, piece)]

    assert found == [second]
    assert dissector.unjoined == 1


def test_fragment_that_was_captured_twice_is_no_other_packet() -> None:
    first, last = in_pieces(PACKET)
    dissector = Dissector()

    found = [each.body for piece in (first, first, last) for each in dissector.feed(RAW_IP, piece)]
    dissector.finish()

    assert found == [PACKET]
    assert dissector.unjoined == 0
