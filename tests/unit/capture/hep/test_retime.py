import gzip

import pytest

from capture.hep.decode import decode_packet
from capture.hep.retime import packet_time_us, rewrite_time
from tests.support.hep_bytes import KAMAILIO, OPENSIPS, SIP, a_hep3, chunk, common_chunks, hep3, legacy

TIME_S = 1_795_408_344
TIME_US = TIME_S * 1_000_000 + 775_048
HOUR_US = 3_600_000_000


@pytest.mark.parametrize("packet", [a_hep3(), a_hep3(order=OPENSIPS), legacy(2)])
@pytest.mark.parametrize("shift_us", [1, -775_049, 224_952, 400 * 24 * HOUR_US, -24 * HOUR_US])
def test_time_is_moved_in_place_and_nothing_else(packet: bytes, shift_us: int) -> None:
    moved = rewrite_time(packet, shift_us)

    before, after = decode_packet(packet), decode_packet(moved)
    assert packet_time_us(moved) == TIME_US + shift_us
    assert after.microseconds is not None
    assert after.microseconds < 1_000_000
    assert len(moved) == len(packet)
    assert (after.payload, after.source, after.capture_id) == (
        before.payload,
        before.source,
        before.capture_id,
    )


def test_moving_there_and_back_changes_no_byte() -> None:
    packet = a_hep3(chunk(9, b"\0\0\0\0", vendor=3))

    assert rewrite_time(rewrite_time(packet, HOUR_US), -HOUR_US) == packet


def test_time_chunks_of_other_vendors_and_in_the_payload_are_left_alone() -> None:
    inner = a_hep3()
    packet = hep3(*common_chunks(KAMAILIO), chunk(9, b"abcd", vendor=9), chunk(0xF, inner))

    moved = decode_packet(rewrite_time(packet, HOUR_US))

    assert moved.others == ((9, 9, b"abcd"),)
    assert moved.payload == inner


def test_microseconds_past_a_second_are_added_up() -> None:
    packet = hep3(
        chunk(9, (100).to_bytes(4, "big")), chunk(10, (2_500_000).to_bytes(4, "big")), chunk(0xF, SIP)
    )

    moved = decode_packet(rewrite_time(packet, 0))

    assert (moved.seconds, moved.microseconds) == (102, 500_000)


def test_of_two_times_the_later_counts_and_both_are_moved() -> None:
    packet = a_hep3(chunk(9, (TIME_S + 60).to_bytes(4, "big")))

    assert packet_time_us(packet) == TIME_US + 60_000_000
    assert packet_time_us(rewrite_time(packet, 1)) == TIME_US + 60_000_001


@pytest.mark.parametrize(
    "packet",
    [
        legacy(1),
        gzip.compress(a_hep3(), mtime=0),
        hep3(chunk(0xF, SIP)),
        hep3(chunk(9, b"abc")),
        b"HEP3",
        b"\2\x10",
        a_hep3()[:-1],
        b"",
    ],
)
def test_packet_without_a_time_stays_as_it_is(packet: bytes) -> None:
    assert packet_time_us(packet) is None
    assert rewrite_time(packet, HOUR_US) == packet


@pytest.mark.parametrize("shift_us", [-TIME_US - 1, 2**32 * 1_000_000])
def test_time_that_32_bits_cannot_hold_is_not_written(shift_us: int) -> None:
    assert rewrite_time(a_hep3(), shift_us) == a_hep3()
