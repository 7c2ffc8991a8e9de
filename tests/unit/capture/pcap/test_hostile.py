"""Frames made to cost time or memory: both stay in proportion to what was captured."""

import time
from collections.abc import Callable

import pytest

from capture.pcap.dissect import HEP, MOST_HELD_BYTES, MOST_STREAMS, Carried, Dissector, Wanted
from capture.pcap.sip_framing import HepOrSipFramer, SipFramer, is_sip
from tests.support.frames import RAW_IP, TCP, ipv4, tcp, udp
from tests.support.hep_bytes import a_hep3

PACKET = a_hep3()
RINGING = b"SIP/2.0 180 Ringing\r\nl: 0\r\n\r\n"
HEP_OR_SIP = Wanted(is_sip, HepOrSipFramer)


def seconds_of(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def one_by_one(stream: bytes) -> list[bytes]:
    framer = SipFramer()
    return [message for at in range(len(stream)) for message in framer.feed(stream[at : at + 1])]


@pytest.mark.parametrize(
    "stream",
    [
        b"INVITE sip:b SIP/2.0\r\n" + b"X: y\r\n" * 40_000,
        b"INVITE sip:b SIP/2.0\r\nContent-Length: 250000\r\n\r\n" + b"x" * 240_000,
        b"x" * 250_000,
        b"\r\n" * 120_000,
    ],
    ids=["a head without end", "a long body", "a line without end", "empty lines"],
)
def test_stream_that_comes_byte_by_byte_takes_time_in_proportion(stream: bytes) -> None:
    half = seconds_of(lambda: one_by_one(stream[: len(stream) // 4]))

    assert seconds_of(lambda: one_by_one(stream)) < 12 * half + 0.2


def test_message_after_a_head_without_end_is_found() -> None:
    framer = SipFramer()
    framer.feed(b"INVITE sip:b SIP/2.0\r\n" + b"X: y\r\n" * 40_000)

    assert framer.feed(RINGING) == [RINGING]
    assert framer.pending == 0


def test_fragments_of_a_few_bytes_take_time_in_proportion() -> None:
    pieces = [ipv4(b"12345678", offset=8 * at, more=True) for at in range(8_000)]
    last = ipv4(b"end", offset=16)

    def feed(frames: list[bytes]) -> None:
        dissector = Dissector()
        for frame in (last, *frames):
            dissector.feed(RAW_IP, frame)

    assert seconds_of(lambda: feed(pieces)) < 1.0


def test_fragments_without_end_are_given_up_and_do_not_pile_up() -> None:
    dissector = Dissector()
    for at in range(8_000):
        dissector.feed(RAW_IP, ipv4(bytes(1400), offset=8 * at, more=True))

    assert dissector.held_bytes < 200_000


def test_fragments_of_another_minute_are_not_joined_with_those_of_this_one() -> None:
    dissector = Dissector()
    datagram, other = udp(PACKET), udp(a_hep3(payload=b"x" * (len(PACKET) - 100)))
    minute_us = 60_000_000

    dissector.feed(RAW_IP, ipv4(other[:96], more=True), 0)
    late = dissector.feed(RAW_IP, ipv4(datagram[96:], offset=96), 2 * minute_us)
    found = dissector.feed(RAW_IP, ipv4(datagram[:96], more=True), 2 * minute_us + 1)

    assert late == []
    assert [each.body for each in found] == [PACKET]


def test_connections_without_number_are_forgotten_and_give_what_they_held() -> None:
    dissector = Dissector(HEP_OR_SIP)
    # Its first byte never came.
    dissector.feed(RAW_IP, ipv4(tcp(b"", 1, flags=2), TCP))
    dissector.feed(RAW_IP, ipv4(tcp(RINGING, 3), TCP))

    found: list[Carried] = []
    for number in range(MOST_STREAMS + 1):
        source = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        found += dissector.feed(RAW_IP, ipv4(tcp(b"INVITE sip:", 1), TCP, source=source))

    assert [each.body for each in found] == [RINGING]
    assert dissector.streams <= MOST_STREAMS


def test_what_connections_hold_is_bounded() -> None:
    dissector = Dissector(HEP_OR_SIP)
    segment = b"x" * 60_000
    for number in range(2_000):
        for part in range(3):
            # Behind a hole each, so that all of it has to wait.
            piece = ipv4(tcp(segment, 10 + part * 60_000, source_port=1000 + number), TCP)
            if not part:
                dissector.feed(RAW_IP, ipv4(tcp(b"", 1, flags=2, source_port=1000 + number), TCP))
            dissector.feed(RAW_IP, piece)
        assert dissector.held_bytes <= MOST_HELD_BYTES + 65_536


def test_new_connection_on_the_same_ports_does_not_take_along_what_the_old_one_held() -> None:
    dissector = Dissector(HEP)
    frames = [
        tcp(b"", 0, flags=2),
        # Behind a byte that was not captured.
        tcp(PACKET, 2),
        tcp(b"", 5000, flags=2),
        tcp(PACKET, 5001),
    ]

    found = [each.body for frame in frames for each in dissector.feed(RAW_IP, ipv4(frame, TCP))]

    assert found == [PACKET, PACKET]


@pytest.mark.parametrize("words", range(5))
def test_header_shorter_than_a_header_is_not_taken_for_content(words: int) -> None:
    dissector = Dissector()
    segment = bytearray(tcp(PACKET, 1))
    segment[12] = words << 4
    packet = bytearray(ipv4(udp(PACKET)))
    packet[0] = 0x40 | words

    assert dissector.feed(RAW_IP, ipv4(bytes(segment), TCP)) == []
    assert dissector.feed(RAW_IP, bytes(packet)) == []
    assert dissector.finish() == []
    assert dissector.cut == 2
