import pytest

from capture.errors import HepError
from capture.hep.chunks import Chunk, packet_end, walk
from tests.support.hep_bytes import chunk, hep3


def test_walk_says_where_each_body_lies_in_the_order_sent() -> None:
    packet = hep3(chunk(1, b"\x02"), chunk(0xF, b"abc", vendor=3), chunk(0x11, b""))

    assert list(walk(packet)) == [Chunk(0, 1, 12, 1), Chunk(3, 0xF, 19, 3), Chunk(0, 0x11, 28, 0)]


def test_eep3_is_walked_like_hep3() -> None:
    assert len(list(walk(hep3(chunk(1, b"\x02"), magic=b"EEP3")))) == 1


def test_packet_of_six_bytes_has_no_chunks() -> None:
    assert list(walk(hep3())) == []


def test_walk_stops_at_the_packet_length_not_at_the_datagram_end() -> None:
    assert len(list(walk(hep3(chunk(1, b"\x02")) + chunk(2, b"\x11")))) == 1


@pytest.mark.parametrize("length", [0, 1, 5])
def test_chunk_length_below_its_header_is_refused_and_does_not_loop(length: int) -> None:
    packet = hep3(chunk(1, b"\x02"), b"\0\0\0\x02" + bytes([0, length]))

    with pytest.raises(HepError, match=f"chunk length {length}, 6 is the least") as error:
        list(walk(packet))

    assert (error.value.reason, error.value.offset) == ("chunk", 17)


def test_chunk_past_packet_end_is_refused_though_the_datagram_goes_on() -> None:
    packet = hep3(b"\0\0\0\x0f\0\x08a") + b"bc"

    with pytest.raises(HepError, match="chunk of 8 bytes, but 7 are left") as error:
        list(walk(packet))

    assert error.value.reason == "chunk"


def test_bytes_too_few_for_a_chunk_header_are_refused() -> None:
    with pytest.raises(HepError, match="5 bytes left, a chunk has 6 at least"):
        list(walk(hep3(b"\0\0\0\x0f\0")))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "magic"),
        (b"HEP4\0\x06", "magic"),
        (b"EEP1\0\x06", "magic"),
        (b"HEP3", "short"),
        (b"HEP3\0", "short"),
        (b"HEP3\0\x05", "length"),
        (b"HEP3\0\x07", "length"),
    ],
)
def test_packet_whose_header_lies_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(HepError) as error:
        packet_end(data)

    assert error.value.reason == reason
