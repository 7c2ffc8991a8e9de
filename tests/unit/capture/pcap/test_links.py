"""Link headers, each with HEP over UDP behind it."""

import struct

import pytest

from capture.pcap.dissect import Dissector
from capture.pcap.links import network_packet
from tests.support.frames import ETHERNET, ethernet, ipv4, ipv6, udp
from tests.support.hep_bytes import a_hep3

PACKET = a_hep3()


def dissect(frames: list[bytes], link_type: int) -> list[bytes]:
    dissector = Dissector()
    found = [packet.body for frame in frames for packet in dissector.feed(link_type, frame)]
    assert dissector.cut == 0
    return found


@pytest.mark.parametrize("packet", [ipv4(udp(PACKET)), ipv6(udp(PACKET))], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize(
    ("link_type", "before"),
    [
        (12, b""),
        (14, b""),
        (101, b""),
        (0, b"\x02\0\0\0"),
        (108, b"\0\0\0\x02"),
    ],
)
def test_links_without_a_type_field_are_read(link_type: int, before: bytes, packet: bytes) -> None:
    assert dissect([before + packet], link_type) == [PACKET]


@pytest.mark.parametrize("tags", [(), (0x8100,), (0x88A8, 0x8100), (0x9100, 0x8100)])
def test_ethernet_is_read_through_any_vlan_tags(tags: tuple[int, ...]) -> None:
    assert dissect([ethernet(ipv4(udp(PACKET)), *tags)], ETHERNET) == [PACKET]
    assert dissect([ethernet(ipv6(udp(PACKET)), *tags)], ETHERNET) == [PACKET]


def test_linux_cooked_captures_of_both_kinds_are_read() -> None:
    cooked = bytes(14) + b"\x08\0" + ipv4(udp(PACKET))
    cooked_2 = b"\x08\0" + bytes(18) + ipv4(udp(PACKET))

    assert dissect([cooked], 113) == [PACKET]
    assert dissect([cooked_2], 276) == [PACKET]


def test_padding_of_a_short_ethernet_frame_is_no_part_of_the_packet() -> None:
    assert dissect([ethernet(ipv4(udp(b"HEP3\0\x06"))) + bytes(10)], ETHERNET) == [b"HEP3\0\x06"]


@pytest.mark.parametrize("ether_type", [0x0806, 0x88CC, 0x05DC])
def test_frames_of_other_protocols_give_nothing(ether_type: int) -> None:
    assert dissect([bytes(12) + struct.pack(">H", ether_type) + bytes(46)], ETHERNET) == []


def test_other_frames_are_called_by_their_type() -> None:
    mpls = bytes(12) + b"\x81\0\0\x2a\x88\x47" + bytes(46)
    spanning_tree = bytes(12) + b"\0\x26" + bytes(46)

    assert network_packet(ETHERNET, mpls) == "frames of Ethernet type 0x8847"
    assert network_packet(ETHERNET, spanning_tree) == "frames of 802.3"
