import gzip

import pytest

from capture.hep.framing import Framer, Rubbish
from tests.support.hep_bytes import a_hep3, chunk, hep3, legacy


def test_packets_back_to_back_come_out_in_order() -> None:
    first, second = a_hep3(payload=b"one"), a_hep3(payload=b"two")

    assert Framer().feed(first + second) == [first, second]


def test_hep3_and_eep3_are_both_cut() -> None:
    packet = hep3(chunk(1, b"\2"), magic=b"EEP3")

    assert Framer().feed(packet + a_hep3()) == [packet, a_hep3()]


def test_packet_waits_for_its_last_byte() -> None:
    framer = Framer()

    assert framer.feed(a_hep3()[:-1]) == []
    assert framer.pending == len(a_hep3()) - 1
    assert framer.feed(a_hep3()[-1:]) == [a_hep3()]
    assert framer.pending == 0


def test_packet_of_six_bytes_does_not_wait_for_more() -> None:
    assert Framer().feed(b"HEP3\0\x06") == [b"HEP3\0\x06"]


@pytest.mark.parametrize(
    "rubbish",
    [
        b"HELLO HFP",
        b"\r\n",
        legacy(1),
        legacy(2),
        gzip.compress(a_hep3(), mtime=0),
        b"HEP3\0\x05",
        b"HEP3\0\0",
        b"HEP3\0\x0b\0\0\0\1\0",
        b"HEP3\0\x20\0\0\0\1\0\x05",
        b"HEP3\0\x20\0\0\0\1\0\x1b",
        b"HEP3 in the middle of a text",
        a_hep3()[40:],
        b"HEP",
        b"EP3HEHE",
    ],
    ids=lambda rubbish: repr(rubbish[:12]),
)
def test_bytes_that_are_no_packet_are_one_run_and_the_next_packet_is_found(rubbish: bytes) -> None:
    framer = Framer()

    assert framer.feed(rubbish + a_hep3()) == [Rubbish(len(rubbish), rubbish[:64]), a_hep3()]
    assert framer.finish() == []


def test_run_is_reported_once_however_long_it_lasts() -> None:
    framer = Framer()

    assert framer.feed(b"x" * 100_000) == []
    assert framer.feed(b"y" * 100_000) == []
    assert framer.feed(a_hep3()) == [Rubbish(200_000, b"x" * 64), a_hep3()]
    assert framer.feed(a_hep3()) == [a_hep3()]


def test_run_at_the_end_of_the_stream_is_told_by_finish() -> None:
    framer = Framer()
    framer.feed(a_hep3() + b"rubbish HE")

    assert framer.finish() == [Rubbish(10, b"rubbish HE")]
    assert framer.finish() == []
    assert framer.pending == 0


def test_packet_that_never_became_whole_is_rubbish_of_its_own() -> None:
    framer = Framer()

    assert framer.feed(b"junk" + a_hep3()[:50]) == [Rubbish(4, b"junk")]
    assert framer.finish() == [Rubbish(50, a_hep3()[:50])]


@pytest.mark.parametrize("payload", [a_hep3(), b"HEP3" * 100])
def test_magic_inside_a_packet_is_not_looked_at(payload: bytes) -> None:
    packet = a_hep3(payload=payload)

    assert Framer().feed(packet + packet) == [packet, packet]


@pytest.mark.parametrize("piece", [b"x", b"HEP3", b"EP3", b"HEP3\0\0", b"HEP3\xff\xff", b"\0\0\0\1\0\x06"])
def test_less_than_64_kib_are_held_whatever_is_sent(piece: bytes) -> None:
    framer = Framer()
    most = 0

    for _ in range(40):
        framer.feed(piece * 2_000)
        most = max(most, framer.pending)

    assert most < 65_536


def test_largest_packet_fed_byte_by_byte_comes_out() -> None:
    packet = hep3(chunk(0xF, bytes(65_523)))
    framer = Framer()

    found = [item for at in range(len(packet)) for item in framer.feed(packet[at : at + 1])]

    assert found == [packet]
