import os
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID
from zlib import crc32

import pytest

from capture.errors import JournalError
from capture.journal.record import MAX_PACKET_BYTES, OVERHEAD, pack_records
from capture.journal.segment import (
    PAGE,
    RECORDS_START,
    Found,
    Header,
    find_record,
    new_header,
    pack_header,
    pack_use,
    parse_header,
    read_record_at,
    segment_numbers,
    segment_path,
)
from tests.support.journals import an_arrival, arrivals, at, flip, overwrite, packets, write_run

JOURNAL = UUID("00112233-4455-6677-8899-aabbccddeeff")
HEADER = Header(7, JOURNAL, 0x1122334455667788, 1_700_000_000_000_000)
ROOM = 1 << 30


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path / "segment", os.O_RDWR | os.O_CREAT)
    yield opened
    os.close(opened)


def write_records(descriptor: int, offset: int, count: int, number: int = 1, size: int = 20) -> int:
    """Returns the offset behind them."""
    data = b"".join(pack_records(arrivals(count, size), 0, HEADER.key, offset, number, ROOM))
    os.pwrite(descriptor, data, offset)
    return offset + len(data)


def test_header_comes_back_from_either_page() -> None:
    used = HEADER._replace(first_number=1001)

    assert parse_header(pack_header(HEADER), bytes(PAGE)) == HEADER
    assert parse_header(pack_header(HEADER), pack_use(HEADER, 1001)) == used
    assert parse_header(bytes(PAGE), pack_use(HEADER, 1001)) == used
    assert len(pack_header(HEADER)) == PAGE


def test_damaged_byte_in_a_header_makes_it_none() -> None:
    page, use = pack_header(HEADER), pack_use(HEADER, 1)

    for place in range(56):
        broken_page, broken_use = bytearray(page), bytearray(use)
        broken_page[place] ^= 1
        broken_use[place] ^= 1
        assert parse_header(bytes(broken_page), bytes(broken_use)) is None


def test_header_cut_short_is_none() -> None:
    assert parse_header(pack_header(HEADER)[:30], b"") is None
    assert parse_header(b"", pack_use(HEADER, 1)[:-1]) is None
    assert parse_header(b"", b"") is None


def test_header_of_a_newer_format_is_refused_in_words() -> None:
    fields = pack_header(HEADER)[:52].replace(b"RHAPJRNL\1", b"RHAPJRNL\2")
    page = fields + crc32(fields).to_bytes(4, "little")

    with pytest.raises(JournalError, match="format 2; this program knows format 1"):
        parse_header(page, b"")


def test_random_id_leaves_room_for_offsets_and_its_marker_has_no_zero_byte() -> None:
    ids = [new_header(1, JOURNAL, 0).segment_id for _ in range(2000)]

    assert max(ids) < 1 << 63
    assert all(0 not in (one & 0xFFFFFFFF).to_bytes(4, "little") for one in ids)
    assert len(set(ids)) == len(ids)


def test_segments_are_listed_by_number_and_nothing_else_is(tmp_path: Path) -> None:
    for number in (12, 3, 100):
        segment_path(tmp_path, number).touch()
    for name in ("3.segment", "0000000000000004.segment.bak", ".0000000000000005.segment", "wake"):
        (tmp_path / name).touch()

    assert segment_numbers(tmp_path) == [3, 12, 100]


def test_next_whole_record_is_found_behind_rubbish(descriptor: int) -> None:
    os.pwrite(descriptor, os.urandom(5000), RECORDS_START)
    write_records(descriptor, RECORDS_START + 5000, 2, number=9)

    assert find_record(descriptor, HEADER.key, RECORDS_START) == Found(RECORDS_START + 5000, 9)


def test_record_that_reaches_over_what_is_read_at_once_is_found(descriptor: int) -> None:
    mebibyte = 1 << 20
    for offset in (RECORDS_START + mebibyte - 2, RECORDS_START + 2 * mebibyte - 300):
        end = write_records(descriptor, offset, 1, number=5, size=600)

        assert find_record(descriptor, HEADER.key, RECORDS_START) == Found(offset, 5)

        overwrite(Path(f"/proc/self/fd/{descriptor}"), offset, bytes(end - offset))


def test_no_whole_record_behind_is_none(descriptor: int) -> None:
    end = write_records(descriptor, RECORDS_START, 1)
    os.ftruncate(descriptor, end - 1)

    assert find_record(descriptor, HEADER.key, RECORDS_START) is None
    assert find_record(descriptor, HEADER.key, end + 100) is None


def test_copy_of_a_real_record_in_a_payload_is_not_taken_for_one(descriptor: int) -> None:
    genuine = b"".join(pack_records([an_arrival(b"first")], 0, HEADER.key, RECORDS_START, 1, ROOM))
    os.pwrite(descriptor, genuine, RECORDS_START)
    carrier = pack_records([an_arrival(genuine * 3)], 0, HEADER.key, RECORDS_START + len(genuine), 2, ROOM)
    os.pwrite(descriptor, b"".join(carrier), RECORDS_START + len(genuine))
    end = write_records(descriptor, RECORDS_START + len(genuine) + len(b"".join(carrier)), 1, number=3)
    flip(Path(f"/proc/self/fd/{descriptor}"), RECORDS_START + len(genuine) + 4)

    found = find_record(descriptor, HEADER.key, RECORDS_START + 1)

    assert found == Found(end - OVERHEAD - 20, 3)


def test_search_costs_time_in_proportion_to_the_bytes(descriptor: int) -> None:
    """Even where every four bytes are the marker, which no sender can know."""
    marker = HEADER.key.marker.to_bytes(4, "little")
    hostile = (marker + (MAX_PACKET_BYTES).to_bytes(4, "little")) * 1024

    def cost(copies: int) -> float:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, hostile * copies, 0)
        started = time.process_time()
        assert find_record(descriptor, HEADER.key, 0) is None
        return time.process_time() - started

    once = min(cost(4) for _ in range(3))
    assert min(cost(8) for _ in range(3)) < 4 * once


def test_record_is_read_at_its_place_and_only_there(tmp_path: Path) -> None:
    write_run(tmp_path, 3)

    found = read_record_at(tmp_path, 1, at(1))

    assert found is not None
    assert (found.number, found.offset, found.packet) == (2, at(1), packets(2, 2)[0])
    assert read_record_at(tmp_path, 1, at(1) + 1) is None
    assert read_record_at(tmp_path, 2, at(1)) is None
