"""Capture files of any bytes, frames of any bytes, and traffic in any pieces and any order."""

import io
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from capture.errors import PcapError
from capture.pcap.dissect import Dissector, Wanted
from capture.pcap.files import MAX_FRAME_BYTES, Frame, read_frames
from capture.pcap.links import LINK_TYPES
from capture.pcap.sip_framing import HepOrSipFramer, SipFramer, is_sip
from tests.support.frames import (
    RAW_IP,
    TCP,
    ethernet,
    ipv4,
    ipv6,
    pcapng_interface,
    pcapng_packet,
    pcapng_section,
    tcp,
    udp,
)

INVITE = b"INVITE sip:bob@example.com SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 5\r\n\r\nv=0\r\n"
ANSWER = b"SIP/2.0 200 OK\r\nCall-ID: 1\r\nl: 0\r\n\r\n"
SIP = Wanted(is_sip, HepOrSipFramer)

PCAP = bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000")
PCAPNG = pcapng_section() + pcapng_interface(RAW_IP)
STARTS = [b"", PCAP, PCAP[3::-1] + PCAP[4:], PCAPNG, pcapng_section(">") + pcapng_interface(RAW_IP, ">")]


def as_far_as_it_goes(data: bytes) -> list[Frame]:
    found: list[Frame] = []
    frames = read_frames(io.BytesIO(data), "a file")
    try:
        for frame in frames:
            found.append(frame)  # noqa: PERF402 - what came before an error counts
    except PcapError:
        return found
    return found


@given(st.sampled_from(STARTS), st.binary(max_size=400))
def test_any_bytes_are_frames_or_an_error_of_ours(start: bytes, rest: bytes) -> None:
    frames = as_far_as_it_goes(start + rest)

    assert [frame.number for frame in frames] == list(range(1, len(frames) + 1))
    assert all(len(frame.data) <= min(len(rest), MAX_FRAME_BYTES) for frame in frames)


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=6), st.data())
def test_frames_before_a_damaged_place_are_given_as_they_are(
    frames: list[bytes], data: st.DataObject
) -> None:
    blocks = [pcapng_packet(frame) for frame in frames]
    whole = PCAPNG + b"".join(blocks)
    damaged = data.draw(st.integers(0, len(frames) - 1))
    at = len(PCAPNG) + sum(map(len, blocks[:damaged]))
    place = data.draw(st.integers(at, len(whole) - 1))
    byte = data.draw(st.integers(0, 255))

    found = as_far_as_it_goes(whole[:place] + bytes([byte]) + whole[place + 1 :])

    assert [frame.data for frame in found[:damaged]] == frames[:damaged]


@given(st.sampled_from(sorted(LINK_TYPES)), st.lists(st.binary(max_size=120), max_size=8))
def test_any_frames_are_dissected_or_counted(link_type: int, frames: list[bytes]) -> None:
    dissector = Dissector(SIP)

    for frame in frames:
        dissector.feed(link_type, frame)
    dissector.finish()

    assert dissector.cut <= len(frames)
    assert dissector.streams == 0


@given(st.sampled_from([ipv4, ipv6]), st.data())
def test_frame_with_any_changed_byte_gives_nothing_that_it_does_not_hold(
    kind: type, data: st.DataObject
) -> None:
    packet = ethernet(kind(udp(INVITE)), 0x88A8, 0x8100)
    place = data.draw(st.integers(0, len(packet) - 1))
    changed = packet[:place] + bytes([data.draw(st.integers(0, 255))]) + packet[place + 1 :]

    frame = changed[: data.draw(st.integers(0, len(changed)))]

    found = Dissector(SIP).feed(1, frame)

    assert len(found) <= 1
    assert all(each.body in frame for each in found)


STREAM = (INVITE + b"\r\n\r\n" + ANSWER) * 4
MESSAGES = [INVITE, ANSWER] * 4


@given(st.sets(st.integers(1, len(STREAM) - 1), max_size=20), st.integers(0, 2**32 - 1), st.randoms())
def test_segments_in_any_order_sent_twice_and_overlapping_give_the_stream(
    cuts: set[int], first: int, random: Random
) -> None:
    ends = [0, *sorted(cuts), len(STREAM)]
    pieces = [(start, min(len(STREAM), end + random.randrange(30))) for start, end in pairwise(ends)]
    pieces += random.sample(pieces, len(pieces) // 2)
    random.shuffle(pieces)
    segments = [tcp(b"", first, flags=2)]
    segments += [tcp(STREAM[start:end], (first + 1 + start) % 2**32) for start, end in pieces]

    dissector = Dissector(SIP)
    found = [each.body for segment in segments for each in dissector.feed(RAW_IP, ipv4(segment, TCP))]

    assert found == MESSAGES


@given(st.lists(st.integers(1, 11), max_size=8), st.randoms())
def test_fragments_in_any_order_sent_twice_and_overlapping_give_the_datagram(
    steps: list[int], random: Random
) -> None:
    datagram = udp(INVITE)
    starts = [0]
    for step in steps:
        if starts[-1] + 8 * step < len(datagram):
            starts.append(starts[-1] + 8 * step)
    pieces = []
    for start, end in zip(starts, [*starts[1:], len(datagram)], strict=True):
        beyond = end if end == len(datagram) else min(len(datagram) - 1, end + random.randrange(3) * 8)
        pieces.append(ipv4(datagram[start:beyond], offset=start, more=end < len(datagram)))
    last = pieces.pop() if len(pieces) == 1 else None
    pieces += random.sample(pieces, len(pieces) // 2)
    random.shuffle(pieces)

    dissector = Dissector(SIP)
    frames = pieces if last is None else [last]
    found = [each.body for frame in frames for each in dissector.feed(RAW_IP, frame)]

    assert found[:1] == [INVITE]


@given(st.lists(st.binary(max_size=40), max_size=6), st.integers(1, 9))
def test_framer_gives_the_same_whatever_the_pieces(parts: list[bytes], size: int) -> None:
    stream = b"".join(part + b"\r\n" + message for part in parts for message in (INVITE, ANSWER))
    whole = SipFramer()
    split = SipFramer()

    found = [each for at in range(0, len(stream), size) for each in split.feed(stream[at : at + size])]

    assert found == whole.feed(stream)
