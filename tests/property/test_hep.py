"""What holds for every HEP packet, and for bytes that are none."""

import struct
import time
import zlib
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from capture.errors import HepError
from capture.hep.chunks import MAX_CHUNKS, walk
from capture.hep.decode import decode_packet, read_any, read_common
from capture.hep.encode import encode_packet
from capture.hep.packet import Packet, Reading
from tests.support.hep_bytes import KAMAILIO, OPENSIPS, SIP, a_hep3, chunk, hep3, legacy

LIMIT = 1 << 20
REASONS = {"short", "magic", "length", "chunk", "inflate"}

bodies = st.binary(max_size=40)
addresses = st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16)
u8 = st.integers(0, 0xFF)
u16 = st.integers(0, 0xFFFF)
u32 = st.integers(0, 0xFFFFFFFF)
generic_with_a_field = set(range(1, 13)) | {0xE, 0xF, 0x10, 0x11, 0x12, 0x13, 0x17, 0x18, 0x20}
other_chunks = st.tuples(
    st.just(0), u16.filter(lambda chunk_type: chunk_type not in generic_with_a_field), bodies
) | st.tuples(st.integers(1, 0xFFFF), u16, bodies)


@st.composite
def hep3_packets(draw: st.DrawFn) -> Packet:
    payload = draw(st.binary(max_size=300))
    compressed = draw(st.booleans())
    return Packet(
        version=3,
        payload=payload,
        family=draw(st.none() | u8),
        ip_protocol=draw(st.none() | u8),
        source=draw(st.none() | addresses),
        destination=draw(st.none() | addresses),
        source_port=draw(st.none() | u16),
        destination_port=draw(st.none() | u16),
        seconds=draw(st.none() | u32),
        microseconds=draw(st.none() | u32),
        protocol_type=draw(st.none() | u8),
        capture_id=draw(st.none() | u32),
        auth_key=draw(st.none() | bodies),
        correlation_id=draw(st.none() | bodies),
        node_name=draw(st.none() | bodies),
        mos=draw(st.none() | u16),
        vlan=draw(st.none() | u16),
        tcp_flags=draw(st.none() | u8),
        tos=draw(st.none() | u8),
        compressed_bytes=len(zlib.compress(payload)) if compressed else None,
        others=tuple(draw(st.lists(other_chunks, max_size=4))),
    )


@st.composite
def legacy_packets(draw: st.DrawFn) -> Packet:
    version = draw(st.sampled_from([1, 2]))
    family, size = draw(st.sampled_from([(2, 4), (10, 16), (24, 16), (28, 16), (30, 16)]))
    return Packet(
        version=version,
        payload=draw(st.binary(max_size=300)),
        family=family,
        ip_protocol=draw(u8),
        source=draw(st.binary(min_size=size, max_size=size)),
        destination=draw(st.binary(min_size=size, max_size=size)),
        source_port=draw(u16),
        destination_port=draw(u16),
        seconds=draw(u32) if version == 2 else None,
        microseconds=draw(u32) if version == 2 else None,
        capture_id=draw(u16) if version == 2 else None,
    )


@given(hep3_packets() | legacy_packets())
def test_encoded_packet_decodes_to_itself(packet: Packet) -> None:
    assert decode_packet(encode_packet(packet)) == packet


starts = st.sampled_from(
    [
        b"",
        b"HEP3",
        b"EEP3\0",
        b"\1\x10\2\x11",
        b"\2\x10\x0a\6",
        b"\x1f\x8b\x08\0\0\0\0\0",
        a_hep3()[:93],
        a_hep3(order=OPENSIPS)[:93],
        zlib.compress(SIP),
    ]
)


@st.composite
def hostile_bytes(draw: st.DrawFn) -> bytes:
    data = draw(starts) + draw(st.binary(max_size=200))
    if draw(st.booleans()) and len(data) >= 6:
        data = data[:4] + struct.pack(">H", len(data)) + data[6:]
    return data


@st.composite
def damaged_packets(draw: st.DrawFn) -> bytes:
    data = bytearray(encode_packet(draw(hep3_packets() | legacy_packets())))
    for _ in range(draw(st.integers(0, 4))):
        data[draw(st.integers(0, len(data) - 1))] = draw(u8)
    return bytes(data)


@settings(max_examples=400)
@given(hostile_bytes() | damaged_packets())
@example(b"")
def test_any_bytes_give_a_packet_or_one_of_five_reasons(data: bytes) -> None:
    try:
        packet = decode_packet(data)
    except HepError as error:
        reason, offset = error.reason, error.offset
    else:
        assert packet.version in (1, 2, 3)
        return
    assert reason in REASONS
    assert 0 <= offset <= len(data)


tails = st.lists(
    st.builds(
        chunk,
        st.sampled_from([0xF, 0xF, 0xF, 0xE, 0x11, 0x12, 0x13, 0x20, 0x65, 3, 7, 0x10]),
        st.binary(max_size=3),
        st.sampled_from([0, 0, 0, 0, 0, 2]),
    ),
    max_size=7,
)
orders = st.sampled_from(
    [KAMAILIO, OPENSIPS, "1 2 5 6 7 8 9 a b c", "1 2 7 8 9 a b c 5 6", "1 2 7 8 9 a b c 3 6"]
)


@st.composite
def common_packets(draw: st.DrawFn) -> bytes:
    """Of the common shapes or nearly so."""
    data = bytearray(a_hep3(*draw(tails), order=draw(orders), payload=draw(st.binary(max_size=20))))
    if draw(st.booleans()):
        data[draw(st.integers(6, len(data) - 1))] = draw(u8)
    return bytes(data)


@settings(max_examples=500)
@given(common_packets())
def test_both_readers_of_hep3_agree(data: bytes) -> None:
    packet = read_common(data)

    assert packet is None or packet == read_any(data, LIMIT)


@given(hep3_packets())
def test_walk_covers_the_packet_without_gap(packet: Packet) -> None:
    data = encode_packet(packet)
    at = 6

    for found in walk(data):
        assert found.offset == at + 6
        at = found.offset + found.length

    assert at == len(data)


def seconds_of(decode: Callable[[], object]) -> float:
    """The least of several runs: what else the machine does only adds."""
    least = float("inf")
    for _ in range(15):
        start = time.perf_counter()
        decode()
        least = min(least, time.perf_counter() - start)
    return least


def refused_or_read(data: bytes) -> Callable[[], object]:
    def decode() -> object:
        try:
            return decode_packet(data)
        except HepError as error:
            return error

    return decode


@pytest.mark.parametrize(
    "data",
    [
        hep3(chunk(0x11, b"") * 10_900),
        hep3(chunk(0xF, b"x"), chunk(0xF, b"") * 10_900),
        hep3(chunk(0xFFFF, b"", vendor=9) * 10_900),
        a_hep3(*[chunk(0xE, b"key")] * 7_200),
        hep3(*[chunk(0x10, b"\x78\x9c")] * 8_000),
    ],
    ids=["empty", "payloads", "foreign", "keys", "compressed"],
)
def test_hostile_chunks_cost_a_bounded_number_of_steps(data: bytes) -> None:
    # 64 chunks are looked at, 0.5 µs each, against the 5 µs of a packet that is all payload. Without the
    # limit there are 10,900, and the ratio passes 500.
    assert len(data) > 60_000
    honest = seconds_of(refused_or_read(a_hep3(payload=bytes(65_000))))

    assert seconds_of(refused_or_read(data)) < 100 * honest + MAX_CHUNKS * 2e-6


def test_hostile_stream_costs_no_more_than_a_few_times_an_honest_one() -> None:
    words = b"".join(f"{number * 2654435761 % 1_000_003} ".encode() for number in range(17_000))
    honest = hep3(chunk(0x10, zlib.compress(words)))
    hostile = hep3(chunk(0x10, zlib.compress(bytes(60_000_000), 9)))
    assert len(honest) > 50_000
    assert len(hostile) > 50_000

    assert seconds_of(refused_or_read(hostile)) < 10 * seconds_of(refused_or_read(honest))


@given(st.binary(max_size=60))
def test_chunk_0x0010_is_inflated_or_kept(body: bytes) -> None:
    packet = decode_packet(hep3(chunk(0x10, body)))

    assert packet.compressed_bytes == len(body)
    assert (
        packet.reading is Reading.NOT_INFLATED and packet.payload == body
    ) or packet.reading is Reading.NONE


@given(st.sampled_from([legacy(1), legacy(2)]), st.integers(0, 60))
def test_cut_legacy_packet_loses_payload_or_is_refused(data: bytes, cut: int) -> None:
    header = 16 if data[0] == 1 else 28
    try:
        packet = decode_packet(data[:cut])
    except HepError:
        assert cut < header
    else:
        assert packet.payload == data[header:cut]
