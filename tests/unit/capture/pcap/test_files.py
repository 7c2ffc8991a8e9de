import gzip
import io
import struct
from collections.abc import Callable

import pytest

from capture.errors import PcapError
from capture.pcap.files import MAX_FRAME_BYTES, Frame, read_frames
from tests.support.frames import RAW_IP, pcapng_block, pcapng_interface, pcapng_packet, pcapng_section


def frames_in(data: bytes) -> list[Frame]:
    return list(read_frames(io.BytesIO(data), "a file"))


def a_pcap(*frames: bytes, order: str = "<", magic: int = 0xA1B2C3D4, link_type: int = 1) -> bytes:
    data = struct.pack(f"{order}IHHIIII", magic, 2, 4, 0, 0, 65_535, link_type)
    for frame in frames:
        data += struct.pack(f"{order}IIII", 1_700_000_000, 123_456, len(frame), len(frame)) + frame
    return data


def a_pcapng(*blocks: bytes, order: str = "<") -> bytes:
    return pcapng_section(order) + pcapng_interface(RAW_IP, order) + b"".join(blocks)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "time_us"), [(0xA1B2C3D4, 123_456), (0xA1B23C4D, 123)])
def test_frames_of_a_pcap_are_numbered_and_timed(order: str, magic: int, time_us: int) -> None:
    found = frames_in(a_pcap(b"one", b"", order=order, magic=magic))

    at_us = 1_700_000_000_000_000 + time_us
    assert found == [Frame(1, 1, at_us, b"one"), Frame(2, 1, at_us, b"")]


def test_what_stands_beside_the_link_type_of_a_pcap_is_left_out() -> None:
    # The upper bits say that frames end with a checksum of four bytes.
    assert frames_in(a_pcap(b"x", link_type=0x2400_0001))[0].link_type == 1


@pytest.mark.parametrize("order", ["<", ">"])
def test_times_of_an_interface_are_moved_by_its_offset(order: str) -> None:
    options = struct.pack(f"{order}HHqHH", 14, 8, -7, 0, 0)
    interface = pcapng_block(1, struct.pack(f"{order}HHI", RAW_IP, 0, 0) + options, order)
    packet = pcapng_block(6, struct.pack(f"{order}IIIII", 0, 0, 9_000_000, 1, 1) + b"x", order)

    assert frames_in(pcapng_section(order) + interface + packet) == [Frame(1, RAW_IP, 2_000_000, b"x")]


def test_simple_packet_block_is_cut_at_the_snap_length() -> None:
    interface = pcapng_block(1, struct.pack("<HHI", RAW_IP, 0, 5))
    packet = pcapng_block(3, struct.pack("<I", 9) + b"12345")

    assert frames_in(pcapng_section() + interface + packet) == [Frame(1, RAW_IP, 0, b"12345")]


@pytest.mark.parametrize(
    "data", [b"", b"\xa1", b"HEP3 and more of it that is no header", a_pcap()[:23], b"\0" * 64]
)
def test_no_capture_is_called_so(data: bytes) -> None:
    with pytest.raises(PcapError, match="a file is not a packet capture") as error:
        frames_in(data)

    assert error.value.reason == "foreign"


def test_compressed_capture_is_called_so() -> None:
    with pytest.raises(PcapError, match="it is compressed: unpack it first"):
        frames_in(gzip.compress(a_pcap(b"x")))


@pytest.mark.parametrize("make", [a_pcap, lambda *frames: a_pcapng(*map(pcapng_packet, frames))])
def test_cut_file_gives_what_was_whole_and_names_the_packet(make: Callable[..., bytes]) -> None:
    whole = make(b"first frame", b"second frame")
    first = make(b"first frame")

    for end in range(len(first) + 1, len(whole)):
        frames = read_frames(io.BytesIO(whole[:end]), "a file")
        assert next(frames).data == b"first frame"
        with pytest.raises(PcapError, match="a file ends in the middle of packet 2") as error:
            next(frames)
        assert error.value.reason == "cut"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            a_pcap(b"x") + struct.pack("<IIII", 0, 0, MAX_FRAME_BYTES + 1, 0),
            "at packet 2: a frame of 16777217",
        ),
        (a_pcap(b"x") + b"\xff" * 16, "at packet 2: a frame of 4294967295 bytes"),
        (a_pcapng(pcapng_packet(b"x"), struct.pack("<II", 6, 11)), "at packet 2: a block of 11 bytes"),
        (a_pcapng(struct.pack("<II", 6, 0xFFFFFFFC)), "at packet 1: a block of 4294967292 bytes"),
        (a_pcapng(pcapng_block(6, bytes(16))), "at packet 1: a packet block of 16 bytes"),
        (a_pcapng(pcapng_block(3, b"")), "at packet 1: a packet block of 0 bytes"),
        (a_pcapng(pcapng_block(6, struct.pack("<IIIII", 0, 0, 0, 99, 99))), "a frame of 99 bytes in a block"),
        (pcapng_section() + pcapng_block(1, b"\1\0\0\0"), "an interface that is not described"),
        (pcapng_block(0x0A0D0D0A, b"no byte order mark"), "a section without its byte order"),
    ],
)
def test_file_that_contradicts_itself_is_broken_at_a_packet(data: bytes, words: str) -> None:
    with pytest.raises(PcapError, match=words) as error:
        frames_in(data)

    assert error.value.reason == "broken"


def test_block_whose_length_is_no_multiple_of_four_is_padded() -> None:
    odd = struct.pack("<II", 0x0BAD, 13) + b"x" + bytes(3) + struct.pack("<I", 13)

    assert [frame.data for frame in frames_in(a_pcapng(odd, pcapng_packet(b"next")))] == [b"next"]
