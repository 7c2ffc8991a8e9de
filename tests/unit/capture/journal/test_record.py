import struct

import pytest
from xxhash import xxh3_64_digest

from capture.journal.record import (
    MAX_PACKET_BYTES,
    OVERHEAD,
    Carrier,
    Key,
    Position,
    Record,
    Stop,
    pack_records,
    unpack_records,
)
from tests.support.journals import PEER, an_arrival, arrivals, packets_of

KEY = Key(segment=3, marker=0xA1B2C3D4, seed=0x0123456789ABCDEF)
ROOM = 1 << 30


def packed(count: int, *, key: Key = KEY, offset: int = 8192, number: int = 1, size: int = 20) -> bytes:
    return b"".join(pack_records(arrivals(count, size), 0, key, offset, number, ROOM))


def test_record_has_the_documented_bytes() -> None:
    arrival = (1_700_000_000_123_456, Carrier.TCP, PEER, 9060, b"packet")

    data = b"".join(pack_records([arrival], 0, KEY, 8192, 77, ROOM))

    head = struct.pack("<IIQqHB", 0xA1B2C3D4, 6, 77, 1_700_000_000_123_456, 9060, 2) + PEER
    assert data == head + b"packet" + xxh3_64_digest(head + b"packet", seed=KEY.seed + 8192)
    assert len(data) == OVERHEAD + 6


def test_records_come_back_as_they_were_packed() -> None:
    records: list[Record] = []

    result = unpack_records(packed(3), KEY, 8192, 1, records)

    assert result == (3 * (OVERHEAD + 20), Stop.END, 4)
    assert [record.packet for record in records] == packets_of(arrivals(3))
    assert records[1] == Record(
        number=2,
        segment=3,
        offset=8192 + OVERHEAD + 20,
        arrival_us=1_700_000_000_000_000,
        carrier=Carrier.UDP,
        peer=PEER,
        peer_port=5060,
        packet=packets_of(arrivals(3))[1],
    )
    assert records[1].end == Position(3, records[2].offset, 3)


def test_packet_may_be_a_view_of_a_receive_buffer() -> None:
    buffer = bytearray(b"one packet and more")

    parts = pack_records(
        [(1, Carrier.UDP, PEER, 1, memoryview(buffer)[:10])],  # type: ignore[list-item]
        0, KEY, 0, 1, ROOM,
    )  # fmt: skip

    records: list[Record] = []
    unpack_records(b"".join(parts), KEY, 0, 1, records)
    assert records[0].packet == b"one packet"


def test_packing_starts_where_told_and_stops_at_the_last_record_that_has_room() -> None:
    parts = pack_records(arrivals(5), 1, KEY, 8192, 11, 2 * (OVERHEAD + 20) + OVERHEAD + 19)

    records: list[Record] = []
    unpack_records(b"".join(parts), KEY, 8192, 11, records)
    assert [record.packet for record in records] == packets_of(arrivals(5))[1:3]


def test_packing_stops_before_a_packet_longer_than_any_frame() -> None:
    whole, too_long = bytes(MAX_PACKET_BYTES), bytes(MAX_PACKET_BYTES + 1)

    parts = pack_records([an_arrival(whole), an_arrival(too_long)], 0, KEY, 0, 1, ROOM)

    assert len(parts) == 2


def test_empty_packet_is_a_record() -> None:
    records: list[Record] = []

    unpack_records(b"".join(pack_records([an_arrival(b"")], 0, KEY, 0, 1, ROOM)), KEY, 0, 1, records)

    assert records[0].packet == b""


def test_record_cut_at_any_byte_is_short() -> None:
    data = packed(2)
    first = len(data) // 2

    for cut in range(first + 1, len(data)):
        records: list[Record] = []
        assert unpack_records(data[:cut], KEY, 8192, 1, records) == (first, Stop.SHORT, 2)
        assert len(records) == 1


def test_flipped_bit_at_any_place_is_no_record() -> None:
    data = packed(1)

    for at in range(len(data)):
        for bit in (1, 0x80):
            damaged = bytearray(data)
            damaged[at] ^= bit
            records: list[Record] = []
            read, stop, expected = unpack_records(bytes(damaged), KEY, 8192, 1, records)
            assert (read, expected, records) == (0, 1, [])
            assert stop in (Stop.BAD, Stop.SHORT)


@pytest.mark.parametrize(
    ("key", "base"),
    [
        (KEY, 8193),
        (KEY._replace(seed=KEY.seed + 1), 8192),
        (KEY._replace(marker=KEY.marker + 1), 8192),
    ],
    ids=["other offset", "other segment", "other marker"],
)
def test_record_of_another_place_is_none(key: Key, base: int) -> None:
    records: list[Record] = []

    assert unpack_records(packed(1), key, base, 1, records) == (0, Stop.BAD, 1)
    assert not records


def test_unknown_carrier_is_no_record() -> None:
    data = b"".join(pack_records([(1, 9, PEER, 1, b"x")], 0, KEY, 0, 1, ROOM))

    assert unpack_records(data, KEY, 0, 1, []) == (0, Stop.BAD, 1)


@pytest.mark.parametrize("number", [4, 9])
def test_whole_record_with_another_number_stops_before_it(number: int) -> None:
    here = packed(2, number=5)
    data = here + packed(1, number=number, offset=8192 + len(here))
    records: list[Record] = []

    assert unpack_records(data, KEY, 8192, 5, records) == (len(here), Stop.JUMP, number)
    assert [record.number for record in records] == [5, 6]
