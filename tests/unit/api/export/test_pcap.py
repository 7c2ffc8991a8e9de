"""Capture files, read back by dpkt; tshark has its say in tests/postgres/test_exports.py."""

from collections.abc import Iterable
from io import BytesIO
from ipaddress import ip_address
from typing import Any

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.callflow.hosts import End
from api.export.captured import Captured
from api.export.pcap import FILE_HEADER, MOST_BYTES, PcapWriter

TIME_US = 1_765_000_012_345_678
ALICE, BOB = End("10.0.0.1", 5060), End("10.0.0.2", 5062)
ALICE6, BOB6 = End("2001:db8::1", 5060), End("2001:db8::2", 5062)
UDP, TCP, SCTP, TLS, WS = 17, 6, 132, 22, 50


def sip(body: bytes = b"", length: int | None = None) -> bytes:
    said = len(body) if length is None else length
    return b"MESSAGE sip:b@c SIP/2.0\r\nCall-ID: a\r\nContent-Length: %d\r\n\r\n" % said + body


def a_message(payload: bytes = sip(), ip_protocol: int = UDP, **given: Any) -> Captured:
    facts = {"time_us": TIME_US, "source": ALICE, "destination": BOB, "is_sip": True, **given}
    return Captured(ip_protocol=ip_protocol, payload=payload, **facts)


def records(*messages: Captured) -> list[tuple[float, bytes]]:
    writer = PcapWriter()
    file = FILE_HEADER + b"".join(frame for message in messages for frame in writer.frames(message))
    return list(dpkt.pcap.Reader(BytesIO(file)))


def packets(*messages: Captured) -> list[Any]:
    """Each frame's IP packet, whose checksums must hold."""
    found = [dpkt.ethernet.Ethernet(frame).data for _, frame in records(*messages)]
    for packet in found:
        assert_sums_hold(packet)
    return found


def assert_sums_hold(packet: Any) -> None:
    if isinstance(packet, dpkt.ip.IP):
        assert dpkt.dpkt.in_cksum(packet.pack_hdr()) == 0
    if isinstance(packet.data, dpkt.udp.UDP | dpkt.tcp.TCP):
        whole = bytes(packet.data)
        pseudo = packet.src + packet.dst + bytes([0, packet.p]) + len(whole).to_bytes(4, "big")
        assert dpkt.dpkt.in_cksum(pseudo + whole) == 0
    elif isinstance(packet.data, dpkt.sctp.SCTP):
        whole = bytearray(bytes(packet.data))
        said, whole[8:12] = bytes(whole[8:12]), bytes(4)
        crc = dpkt.crc32c.done(dpkt.crc32c.add(0xFFFFFFFF, bytes(whole)))
        assert crc.to_bytes(4, "big") == said


def test_file_without_messages_is_a_header() -> None:
    assert len(FILE_HEADER) == 24
    reader = dpkt.pcap.Reader(BytesIO(FILE_HEADER))
    assert (reader.datalink(), reader.snaplen, list(reader)) == (dpkt.pcap.DLT_EN10MB, 262144, [])


def test_datagram_has_ends_time_and_payload() -> None:
    ((time_s, frame),) = records(a_message(b"\xff\x00 any bytes"))
    packet = dpkt.ethernet.Ethernet(frame).data

    assert round(time_s * 1_000_000) == TIME_US
    assert (packet.src, packet.dst) == (bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]))
    assert (packet.data.sport, packet.data.dport) == (5060, 5062)
    assert packet.data.data == b"\xff\x00 any bytes"
    assert_sums_hold(packet)


@pytest.mark.parametrize("time_us", [0, 1, TIME_US, (2**32 - 1) * 1_000_000 + 999_999])
def test_times_are_kept_to_the_microsecond(time_us: int) -> None:
    ((_, frame),) = records(a_message())
    (record,) = PcapWriter().frames(a_message(time_us=time_us))

    assert int.from_bytes(record[:4], "little") * 1_000_000 + int.from_bytes(record[4:8], "little") == time_us
    assert record[16:] == frame


@pytest.mark.parametrize("time_us", [-1, 2**62])
def test_time_that_no_file_can_hold_is_the_nearest_one(time_us: int) -> None:
    (record,) = PcapWriter().frames(a_message(time_us=time_us))

    assert int.from_bytes(record[:4], "little") == (0 if time_us < 0 else 2**32 - 1)


@pytest.mark.parametrize("ip_protocol", [UDP, TCP, SCTP])
@pytest.mark.parametrize(
    ("source", "destination", "shown"),
    [
        (ALICE, BOB, ("10.0.0.1", "10.0.0.2")),
        (ALICE6, BOB6, ("2001:db8::1", "2001:db8::2")),
        (ALICE, BOB6, ("::ffff:10.0.0.1", "2001:db8::2")),
        (ALICE6, BOB, ("2001:db8::1", "::ffff:10.0.0.2")),
        (End("no address", 70000), End("", -1), ("127.0.0.1", "127.0.0.2")),
    ],
)
def test_every_transport_goes_over_either_family_and_both(
    ip_protocol: int, source: End, destination: End, shown: tuple[str, str]
) -> None:
    (packet,) = packets(a_message(sip(), ip_protocol, source=source, destination=destination))

    assert (packet.src, packet.dst) == tuple(ip_address(text).packed for text in shown)
    assert packet.p == ip_protocol
    assert (packet.data.sport, packet.data.dport) == (
        (0, 0) if shown[0] == "127.0.0.1" else (source.port, destination.port)
    )


@pytest.mark.parametrize("ip_protocol", [TCP, TLS, WS])
def test_messages_between_two_ends_are_one_connection(ip_protocol: int) -> None:
    there = a_message(sip(b"one"), ip_protocol)
    back = a_message(sip(b"a longer one"), ip_protocol, source=BOB, destination=ALICE)
    elsewhere = a_message(sip(), ip_protocol, destination=End("10.0.0.2", 5063))

    segments = [packet.data for packet in packets(there, back, there, elsewhere, back)]

    sizes = [len(message.payload) for message in (there, back)]
    assert [(s.seq, s.ack) for s in segments] == [
        (1, 1),
        (1, 1 + sizes[0]),
        (1 + sizes[0], 1 + sizes[1]),
        (1, 1),
        (1 + sizes[1], 1 + 2 * sizes[0]),
    ]
    assert [s.data for s in segments[:3]] == [there.payload, back.payload, there.payload]
    assert {s.flags for s in segments} == {dpkt.tcp.TH_PUSH | dpkt.tcp.TH_ACK}


def test_sequence_numbers_begin_anew_behind_the_last() -> None:
    writer = PcapWriter()
    # Each counts as a full segment, by its own word.
    endless = a_message(sip(length=999_999_999), TCP)
    sequences = []
    for _ in range(2**32 // 65_495 + 2):
        (record,) = writer.frames(endless)
        sequences.append(int.from_bytes(record[54:58], "big"))

    assert sequences[:2] == [1, 65_496]
    assert sequences[-1] == (sequences[-2] + 65_495) % 2**32 < sequences[-2]


def test_message_too_long_for_one_packet_is_several_segments() -> None:
    payload = sip(b"x" * 150_000)

    found = packets(a_message(payload, TCP), a_message(sip(), TCP))

    assert b"".join(packet.data.data for packet in found[:-1]) == payload
    assert [packet.data.seq for packet in found] == [1, 65_496, 130_991, len(payload) + 1]
    assert all(packet.len <= MOST_BYTES for packet in found)


def test_datagram_that_no_datagram_can_be_is_a_connection() -> None:
    just_fits, too_long = a_message(b"x" * 65_507, is_sip=False), a_message(b"x" * 65_508, is_sip=False)

    found = packets(just_fits, too_long)

    assert [packet.p for packet in found] == [UDP, TCP, TCP]
    assert b"".join(packet.data.data for packet in found[1:]) == too_long.payload


@pytest.mark.parametrize("ip_protocol", [TCP, SCTP, TLS])
def test_reports_and_logs_are_datagrams_and_break_no_stream(ip_protocol: int) -> None:
    log = a_message(b"a log line", ip_protocol, is_sip=False)

    found = packets(a_message(sip(), TCP), log, a_message(sip(), TCP))

    assert [packet.p for packet in found] == [TCP, UDP, TCP]
    assert found[1].data.data == b"a log line"
    assert found[2].data.seq == 1 + len(sip())


def test_association_has_chunks_of_both_directions() -> None:
    there, back = a_message(sip(b"12"), SCTP), a_message(sip(b"1"), SCTP, source=BOB, destination=ALICE)
    long = a_message(sip(b"x" * 100_000), SCTP)

    found = [packet.data for packet in packets(there, back, long, there)]

    chunks = [sctp.chunks[0] for sctp in found]
    assert [sctp.vtag for sctp in found] == [1, 2, 1, 1, 1]
    heads = [(int.from_bytes(c.data[:4], "big"), int.from_bytes(c.data[6:8], "big"), c.flags) for c in chunks]
    assert heads == [(1, 0, 3), (1, 0, 3), (2, 1, 2), (3, 1, 1), (4, 2, 3)]
    bodies = [c.data[12 : c.len - 4] for c in chunks]
    assert bodies[0] == there.payload
    assert bodies[2] + bodies[3] == long.payload


@pytest.mark.parametrize("ip_protocol", [UDP, TCP, SCTP])
def test_message_without_payload_is_a_frame_all_the_same(ip_protocol: int) -> None:
    (packet,) = packets(a_message(b"", ip_protocol), *[])

    assert packet.p == ip_protocol


@pytest.mark.parametrize("ends", [(ALICE, BOB), (ALICE6, BOB6)])
def test_vlan_and_type_of_service_are_shown(ends: tuple[End, End]) -> None:
    ((_, frame),) = records(a_message(source=ends[0], destination=ends[1], vlan=0x6123, tos=0xB8))

    ethernet = dpkt.ethernet.Ethernet(frame)
    assert (ethernet.vlan_tags[0].id, ethernet.vlan_tags[0].pri) == (0x123, 3)
    tos = ethernet.data.tos if ends[0] is ALICE else ethernet.data.fc
    assert tos == 0xB8


def lengths(payload: bytes) -> tuple[int, int, int]:
    """Of the record: bytes that are missing, then sequence numbers of this message and of the next."""
    writer = PcapWriter()
    (record,) = writer.frames(a_message(payload, TCP))
    captured, original = (int.from_bytes(record[at : at + 4], "little") for at in (8, 12))
    segment = dpkt.ethernet.Ethernet(record[16:]).data.data
    assert segment.data == payload
    (behind,) = writer.frames(a_message(sip(), TCP))
    return original - captured, segment.seq, dpkt.ethernet.Ethernet(behind[16:]).data.data.seq


@pytest.mark.parametrize(
    ("payload", "missing"),
    [
        (sip(), 0),
        (sip(b"body"), 0),
        (sip(b"cut", length=10), 7),
        (b"\r\n\r\n" + sip(b"cut", length=10), 7),
        (sip().replace(b"Content-Length", b"l").replace(b": 0", b" :  5 "), 5),
        (sip(b"cut", length=10).replace(b"\r\n", b"\n"), 7),
        (sip() + sip(b"cut", length=10), 7),
        (sip() + b"\r\n", 0),
        (sip(b"more", length=1), 4),
        (b"INVITE sip:b@c SIP/2.0\r\nCall-ID: a", 4),
        (b"\xff\x00", 4),
        (b"\r\n\r\n", 0),
        (b"", 0),
        (sip()[:-2] + b"Content-Length: x\r\n\r\n", 0),
        (b"MESSAGE sip:b@c SIP/2.0\r\nCall-ID: a\r\n\r\nContent-Length: 9\r\n\r\n", 0),
    ],
)
def test_what_was_not_captured_of_a_stream_is_missing_in_the_file_too(payload: bytes, missing: int) -> None:
    assert lengths(payload) == (missing, 1, 1 + len(payload) + missing)


def test_message_that_says_to_be_endless_fits_its_packet() -> None:
    missing, _, behind = lengths(sip(b"x", length=999_999_999))

    assert len(sip(b"x", length=999_999_999)) + missing == 65_495
    assert behind == 65_496


@given(
    st.lists(
        st.tuples(st.binary(max_size=300), st.sampled_from([0, UDP, TCP, SCTP, TLS, WS, 255]), st.booleans())
    )
)
def test_any_messages_make_a_file_that_holds_their_payloads(given: list[tuple[bytes, int, bool]]) -> None:
    messages = [a_message(payload, protocol, is_sip=is_sip) for payload, protocol, is_sip in given]

    found = records(*messages)

    assert len(found) == len(messages)
    for message, (_, frame) in zip(messages, found, strict=True):
        assert message.payload in frame


def test_two_files_are_apart() -> None:
    def segment(messages: Iterable[Captured]) -> Any:
        return [packet.data.seq for packet in packets(*messages)]

    assert segment([a_message(sip(), TCP)]) == segment([a_message(sip(), TCP)]) == [1]
