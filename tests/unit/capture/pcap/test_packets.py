import struct
from ipaddress import ip_address
from pathlib import Path

import dpkt
import pytest

from capture.errors import PcapError
from capture.hep.decode import decode_packet
from capture.pcap.packets import read_hep, read_packets
from tests.support.frames import (
    DESTINATION,
    ETHERNET,
    RAW_IP,
    SOURCE,
    TCP,
    ethernet,
    ipv4,
    pcapng_block,
    pcapng_interface,
    pcapng_packet,
    pcapng_section,
    tcp,
    udp,
    write_pcap,
)
from tests.support.hep_bytes import a_hep3

PACKETS = [a_hep3(payload=b"%d" % number) for number in range(3)]
FRAMES = [ipv4(udp(packet)) for packet in PACKETS]


def read(path: Path) -> tuple[list[bytes], list[str]]:
    warnings: list[str] = []
    return list(read_hep(path, warnings.append)), warnings


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("magic", [0xA1B2C3D4, 0xA1B23C4D])
def test_pcap_of_either_byte_order_and_clock_is_read(tmp_path: Path, order: str, magic: int) -> None:
    assert read(write_pcap(tmp_path / "a.pcap", FRAMES, order=order, magic=magic)) == (PACKETS, [])


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_with_interfaces_of_several_links_is_read(tmp_path: Path, order: str) -> None:
    path = tmp_path / "a.pcapng"
    path.write_bytes(
        pcapng_section(order)
        + pcapng_interface(ETHERNET, order)
        + pcapng_interface(RAW_IP, order)
        + pcapng_packet(ethernet(FRAMES[0]), 0, order)
        + pcapng_block(0x0BAD, b"unknown block", order)
        + pcapng_packet(FRAMES[1], 1, order)
        + pcapng_packet(ethernet(FRAMES[2]), 0, order)
    )

    assert read(path) == (PACKETS, [])


def test_second_section_of_a_pcapng_has_its_own_interfaces_and_byte_order(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    path.write_bytes(
        pcapng_section("<")
        + pcapng_interface(RAW_IP, "<")
        + pcapng_packet(FRAMES[0], 0, "<")
        + pcapng_section(">")
        + pcapng_interface(ETHERNET, ">")
        + pcapng_packet(ethernet(FRAMES[1]), 0, ">")
        + pcapng_packet(FRAMES[2], 5, ">")
    )

    assert read(path) == (
        PACKETS[:2],
        ["1 frames of an interface that is not described cannot be read and were left out"],
    )


def test_simple_and_obsolete_packet_blocks_are_read(tmp_path: Path) -> None:
    old = struct.pack("<HHIIII", 0, 0, 0, 0, len(FRAMES[0]), len(FRAMES[0])) + FRAMES[0]
    path = tmp_path / "a.pcapng"
    path.write_bytes(
        pcapng_section()
        + pcapng_interface(RAW_IP)
        + pcapng_block(2, old)
        + pcapng_block(3, struct.pack("<I", len(FRAMES[1])) + FRAMES[1])
    )

    assert read(path) == (PACKETS[:2], [])


def test_pcapng_written_by_another_program_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    with path.open("wb") as file:
        writer = dpkt.pcapng.Writer(file)
        for frame in FRAMES:
            writer.writepkt(ethernet(frame), ts=1_795_408_344.0)

    assert read(path) == (PACKETS, [])


@pytest.mark.parametrize("missing", [1, 100, len(FRAMES[2]) + 3])
def test_capture_that_was_cut_short_is_read_as_far_as_it_goes(tmp_path: Path, missing: int) -> None:
    path = write_pcap(tmp_path / "a.pcap", FRAMES)
    path.write_bytes(path.read_bytes()[:-missing])

    packets, warnings = read(path)

    assert packets == PACKETS[:2]
    assert len(warnings) == 1


@pytest.mark.parametrize("missing", [1, 100, 250])
def test_pcapng_that_was_cut_short_is_read_as_far_as_it_goes(tmp_path: Path, missing: int) -> None:
    path = tmp_path / "a.pcapng"
    data = pcapng_section() + pcapng_interface(RAW_IP) + b"".join(pcapng_packet(frame) for frame in FRAMES)
    path.write_bytes(data[:-missing])

    packets, warnings = read(path)

    assert packets == PACKETS[: len(packets)]
    assert warnings == [f"{path} ends in the middle of packet {len(packets) + 1}"]


def test_snap_length_leaves_out_what_it_cut_and_says_so(tmp_path: Path) -> None:
    path = write_pcap(tmp_path / "a.pcap", [FRAMES[0], FRAMES[1][:60]])

    assert read(path) == (PACKETS[:1], [f"1 frames are not whole in {path} and were left out"])


def test_unknown_link_type_is_named(tmp_path: Path) -> None:
    path = write_pcap(tmp_path / "a.pcap", FRAMES, link_type=105)

    assert read(path) == ([], ["3 frames of link type 105 cannot be read and were left out"])


@pytest.mark.parametrize(
    "data", [b"", b"HEP3", b"this is a text file, not a capture", b"\x1f\x8b\x08" + bytes(40)]
)
def test_file_that_is_no_capture_is_refused_in_words(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(data)

    with pytest.raises(PcapError, match="is not a packet capture: neither pcap nor pcapng"):
        read(path)


def test_pcapng_block_with_an_impossible_length_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    path.write_bytes(pcapng_section() + struct.pack("<II", 6, 3) + bytes(40))

    with pytest.raises(PcapError, match="is broken at packet 1: a block of 3 bytes"):
        read(path)


def test_missing_file_and_directory_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(PcapError, match=r"cannot read .*: No such file or directory"):
        read(tmp_path / "none.pcap")
    with pytest.raises(PcapError, match=r"cannot read .*: Is a directory"):
        read(tmp_path)


# ---- SIP that stands by itself ----

OPTIONS = b"OPTIONS sip:bob@example.com SIP/2.0\r\nCall-ID: 1\r\n\r\n"


def test_hep_and_sip_are_read_side_by_side(tmp_path: Path) -> None:
    warnings: list[str] = []
    frames = [FRAMES[0], ipv4(udp(OPTIONS, 5062, 5060)), ipv4(tcp(OPTIONS, 1), TCP), ipv4(udp(b"\r\n"))]

    hep, by_udp, by_tcp = read_packets(write_pcap(tmp_path / "a.pcap", frames), warnings.append)

    assert hep == decode_packet(PACKETS[0])
    assert (by_udp.payload, by_udp.source_port, by_udp.ip_protocol) == (OPTIONS, 5062, 17)
    assert (by_udp.source, by_udp.destination) == (ip_address(SOURCE).packed, ip_address(DESTINATION).packed)
    assert (by_udp.seconds, by_udp.microseconds, by_udp.protocol_type) == (1_795_408_345, 0, 1)
    assert (by_tcp.payload, by_tcp.source_port, by_tcp.ip_protocol) == (OPTIONS, 40_000, 6)
    assert warnings == []


def test_stream_of_sip_that_was_joined_in_a_method_gives_the_messages_behind(tmp_path: Path) -> None:
    frames = [ipv4(tcp(OPTIONS[3:] + OPTIONS, 1), TCP)]

    (packet,) = read_packets(write_pcap(tmp_path / "a.pcap", frames), print)

    assert packet.payload == OPTIONS


@pytest.mark.parametrize(
    ("resolution", "ticks"),
    [(None, 1_500_000), (9, 1_500_000_000), (0x80 | 1, 3)],
    ids=["us", "ns", "halves"],
)
def test_pcapng_times_are_read_in_the_unit_that_the_interface_names(
    tmp_path: Path, resolution: int | None, ticks: int
) -> None:
    option = b"" if resolution is None else struct.pack("<HHB3xHH", 9, 1, resolution, 0, 0)
    name = struct.pack("<HH4s", 2, 3, b"eth")
    interface = struct.pack("<HHI", RAW_IP, 0, 65_535) + name + option
    frame = ipv4(udp(OPTIONS))
    packet = struct.pack("<IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame)) + frame
    path = tmp_path / "a.pcapng"
    path.write_bytes(pcapng_section() + pcapng_block(1, interface) + pcapng_block(6, packet))

    (found,) = read_packets(path, print)

    assert (found.seconds, found.microseconds) == (1, 500_000)


def test_hep_that_cannot_be_decoded_is_left_out_and_told(tmp_path: Path) -> None:
    warnings: list[str] = []
    path = write_pcap(tmp_path / "a.pcap", [ipv4(udp(b"HEP3 but broken")), FRAMES[1]])

    found = list(read_packets(path, warnings.append))

    assert found == [decode_packet(PACKETS[1])]
    assert warnings == [f"1 packets of HEP in {path} are malformed and were left out"]
