"""SIP without HEP: known by its start line, and cut out of a stream by its Content-Length."""

import pytest

from capture.hep.framing import Rubbish
from capture.pcap.sip_framing import HepOrSipFramer, Lost, SipFramer, is_sip
from tests.support.hep_bytes import a_hep3

INVITE = b"INVITE sip:bob@example.com SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 5\r\n\r\nv=0\r\n"
RINGING = b"SIP/2.0 180 Ringing\r\nCall-ID: 1\r\nl : 0\r\n\r\n"
OPTIONS = b"OPTIONS sip:a SIP/2.0\r\nCall-ID: 2\r\n\r\n"


@pytest.mark.parametrize("datagram", [INVITE, RINGING, OPTIONS, b"FOO-BAR sip:x SIP/2.0\r\n\r\n"])
def test_sip_is_known_by_its_start_line(datagram: bytes) -> None:
    assert is_sip(datagram)


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"SIP/2.0 999 No\r\n",
        b"INVITE sip:b SIP/3.0\r\n",
        b"\x80\xc8",
    ],
)
def test_other_datagrams_are_no_sip(datagram: bytes) -> None:
    assert not is_sip(datagram)


@pytest.mark.parametrize("size", [1, 7, 40, 1000])
def test_stream_is_cut_into_its_messages_however_it_is_split(size: int) -> None:
    stream = b"\r\n\r\n" + INVITE + b"\r\n\r\n" + RINGING + OPTIONS
    framer = SipFramer()

    found = [message for at in range(0, len(stream), size) for message in framer.feed(stream[at : at + size])]

    assert found == [INVITE, RINGING, OPTIONS]


def test_stream_joined_in_the_middle_of_a_message_goes_on_with_the_next_one() -> None:
    assert SipFramer().feed(b"tag=3\r\nCall-ID: 1\r\n\r\nbody\r\n" + RINGING) == [RINGING]


def test_bytes_before_a_hole_are_not_joined_with_those_behind_it() -> None:
    framer = SipFramer()
    framer.feed(INVITE[:60])

    framer.finish()

    assert framer.feed(RINGING) == [RINGING]


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("before", [b"", b"Call-ID: 1\r\nContent-Length: 4\r\n\r\n"])
def test_rest_of_a_body_without_a_line_end_is_no_part_of_the_next_method(size: int, before: bytes) -> None:
    stream = before + b"rest" + INVITE + OPTIONS
    framer = SipFramer()
    framer.feed(INVITE + RINGING[:40])
    framer.finish()

    found = [message for at in range(0, len(stream), size) for message in framer.feed(stream[at : at + size])]

    assert found == [INVITE, OPTIONS]


@pytest.mark.parametrize("following", [INVITE, RINGING])
def test_message_behind_the_long_rest_of_a_body_is_found_where_the_stream_is_known(following: bytes) -> None:
    framer = SipFramer()
    framer.feed(INVITE)
    framer.finish()

    assert framer.feed(b"the rest of a body, too long for a method" + following) == [following]


def test_rest_of_a_method_is_none() -> None:
    framer = SipFramer()
    framer.finish()

    assert framer.feed(INVITE[2:] + OPTIONS) == [OPTIONS]


def test_method_of_ones_own_is_kept_as_it_is() -> None:
    framer = SipFramer()
    own = OPTIONS.replace(b"OPTIONS", b"REINVITE")

    assert framer.feed(RINGING + own) == [RINGING, own]


def test_message_that_claims_more_than_a_megabyte_is_passed_over() -> None:
    huge = b"INVITE sip:b SIP/2.0\r\nContent-Length: 999999999\r\n\r\n"

    assert SipFramer().feed(huge + RINGING) == [RINGING]


def test_endless_line_is_not_held_for_ever() -> None:
    framer = SipFramer()

    for _ in range(20):
        framer.feed(b"x" * 100_000)

    assert framer.feed(b"\r\n" + RINGING) == [RINGING]


def test_stream_of_hep_gives_its_packets_and_not_the_sip_within() -> None:
    packets = [a_hep3(payload=INVITE), a_hep3(payload=RINGING)]

    assert HepOrSipFramer().feed(b"".join(packets)) == packets


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
def test_stream_of_hep_that_begins_in_a_packet_gives_the_packets_behind(size: int) -> None:
    begun = a_hep3(payload=b"x" * 3000)[1000:]
    packets = [a_hep3(payload=RINGING), a_hep3(payload=INVITE)]
    stream = begun + b"".join(packets)
    framer = HepOrSipFramer()

    found = [item for at in range(0, len(stream), size) for item in framer.feed(stream[at : at + size])]

    assert found == [Rubbish(len(begun), begun[:64]), *packets]


def test_sip_within_hep_is_not_taken_for_messages_though_a_line_ends_before_it() -> None:
    # The last byte of the payload's length is a line feed, and a chunk stands behind the payload.
    ringing = RINGING.replace(b"Call-ID: 1", b"Call-ID: " + b"1" * (261 - len(RINGING)))
    packet = a_hep3(payload=ringing) + b"\0\0\0\x13\0\x0anode"
    packet = packet[:4] + len(packet).to_bytes(2, "big") + packet[6:]
    assert b"\n" + ringing in packet
    framer = HepOrSipFramer()

    found = [item for at in range(len(packet)) for item in framer.feed(packet[at : at + 1])]

    assert found == [packet]


@pytest.mark.parametrize(
    ("begun", "lost"),
    [
        (a_hep3(payload=INVITE)[:-1], Lost(hep_runs=1)),
        (INVITE[:-1], Lost(sip_messages=1)),
        (INVITE + RINGING[:-1], Lost(sip_messages=1)),
        (a_hep3() + b"rubbish", Lost(hep_runs=1)),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", Lost()),
        (b"", Lost()),
    ],
)
def test_what_never_becomes_whole_is_told(begun: bytes, lost: Lost) -> None:
    framer = HepOrSipFramer()
    framer.feed(begun)

    assert framer.finish() == lost
    assert framer.pending == 0
    assert framer.finish() == Lost()


def test_stream_of_sip_gives_its_messages() -> None:
    assert HepOrSipFramer().feed(RINGING + OPTIONS) == [RINGING, OPTIONS]
