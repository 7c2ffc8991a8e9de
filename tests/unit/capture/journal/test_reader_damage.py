"""Reading what a crash, a bad disk or a loss of power left: good records are never given up."""

import os
from pathlib import Path

import pytest

from capture.journal.log import JournalWriter
from capture.journal.reader import Chunk, JournalReader
from capture.journal.record import OVERHEAD, Position
from capture.journal.segment import (
    PAGE,
    RECORDS_START,
    segment_numbers,
    segment_path,
)
from tests.support.journals import (
    ONE,
    SIZE,
    a_journal,
    an_arrival,
    arrivals,
    at,
    crash_image,
    flip,
    overwrite,
    packets,
    packets_in,
    read_all,
    write_run,
)


def test_torn_tail_of_a_closed_segment_is_passed_over(tmp_path: Path) -> None:
    """Cut at every byte of the last record: it was never appended whole, so nothing is lost by number."""
    write_run(tmp_path, 3)
    path = segment_path(tmp_path, 1)
    whole = path.read_bytes()

    for cut in range(at(2) + 1, at(3)):
        path.write_bytes(whole[:cut])
        reader = JournalReader.open(tmp_path)

        assert packets_in(reader.read()) == packets(1, 2)
        tail = f"0000000000000001.segment: the last {cut - at(2)} bytes, from {at(2)} on, are no whole record"
        assert reader.read() == Chunk([], 0, [tail])
        assert reader.position == Position(1, cut, 3)
        assert reader.drained
        reader.close()


def test_writer_that_finds_a_torn_tail_gives_its_number_again(tmp_path: Path) -> None:
    write_run(tmp_path / "journal", 3)
    path = segment_path(tmp_path / "journal", 1)
    whole = path.read_bytes()

    for cut in range(at(2) + 1, at(3), 7):
        image = crash_image(tmp_path / "journal", tmp_path / f"cut at {cut}")
        segment_path(image, 1).write_bytes(whole[:cut])

        writer = JournalWriter.open(image, a_journal())
        assert writer.last_number == 2
        writer.append(arrivals(1, SIZE, first=3))
        writer.close()

        assert read_all(image) == (packets(1, 3), 0)


@pytest.mark.parametrize("index", [0, 2, 4])
@pytest.mark.parametrize(
    "byte", [0, 5, 9, 30, 60, ONE - 1], ids=["marker", "length", "number", "peer", "packet", "sum"]
)
def test_bad_record_is_counted_and_all_others_are_read(journal: Path, index: int, byte: int) -> None:
    flip(segment_path(journal, 2), at(index) + byte)

    read, lost = read_all(journal)

    damaged = 6 + index
    assert read == packets(1, damaged - 1) + packets(damaged + 1, 15)
    assert lost == 1


def test_several_bad_places_are_counted_by_number(journal: Path) -> None:
    flip(segment_path(journal, 1), at(1))
    overwrite(segment_path(journal, 1), at(3) + 10, bytes(ONE))
    flip(segment_path(journal, 3), at(0) + 70)

    read, lost = read_all(journal)

    assert read == packets(1, 1) + packets(3, 3) + packets(6, 10) + packets(12, 15)
    assert lost == 4


def test_skipped_bytes_are_told(journal: Path) -> None:
    flip(segment_path(journal, 2), at(1))
    reader = JournalReader.open(journal)
    reader.seek(Position(2, at(0), 6))

    first, second = reader.read(), reader.read()

    assert (packets_in(first), first.lost, first.notes) == (packets(6, 6), 0, [])
    assert (packets_in(second), second.lost) == (packets(8, 10), 1)
    assert second.notes == [
        f"0000000000000002.segment: {ONE} bytes at {at(1)} are no whole record",
        "records 7 to 7 are damaged or missing",
    ]
    reader.close()


def test_lost_records_lie_before_the_first_of_a_chunk(journal: Path) -> None:
    """So that a batch which ends anywhere in the chunk, and a start from there, count each exactly once."""
    flip(segment_path(journal, 2), at(1))
    reader = JournalReader.open(journal)
    reader.seek(Position(2, at(0), 6))
    reader.read()
    chunk = reader.read()

    reader.seek(chunk.records[0].end)
    again = reader.read()

    assert chunk.lost == 1
    assert (packets_in(again), again.lost) == (packets(9, 10), 0)
    reader.close()


def test_loss_at_the_end_of_a_segment_is_known_from_the_next(reader: JournalReader, journal: Path) -> None:
    flip(segment_path(journal, 1), at(4) + 1)
    reader.seek(None)

    chunks = [reader.read(), reader.read()]

    assert [packets_in(chunk) for chunk in chunks] == [packets(1, 4), packets(6, 10)]
    assert [chunk.lost for chunk in chunks] == [0, 1]
    assert reader.position.number == 11


def test_whole_segment_unreadable_is_lost_by_number(journal: Path) -> None:
    overwrite(segment_path(journal, 2), RECORDS_START, bytes(5 * ONE))

    assert read_all(journal) == (packets(1, 5) + packets(11, 15), 5)


def test_segment_without_any_header_is_lost_by_number(journal: Path) -> None:
    overwrite(segment_path(journal, 2), 0, bytes(2 * PAGE))

    assert read_all(journal) == (packets(1, 5) + packets(11, 15), 5)


@pytest.mark.parametrize("page", [0, PAGE])
def test_segment_with_one_of_its_headers_is_read(journal: Path, page: int) -> None:
    overwrite(segment_path(journal, 2), page, bytes(PAGE))

    assert read_all(journal) == (packets(1, 15), 0)


def test_payload_with_a_real_record_in_it_is_not_taken_for_one(tmp_path: Path) -> None:
    writer = JournalWriter.open(tmp_path, a_journal())
    writer.append(arrivals(1, SIZE))
    genuine = segment_path(tmp_path, 1).read_bytes()[at(0) : at(1)]
    writer.append([an_arrival(genuine + genuine), *arrivals(1, SIZE, first=3)])
    writer.close()
    flip(segment_path(tmp_path, 1), at(1) + 8)

    assert read_all(tmp_path) == (packets(1, 1) + packets(3, 3), 1)


# Power loss


def test_newest_segment_with_only_a_header_is_passed_over(journal: Path) -> None:
    os.truncate(segment_path(journal, 3), PAGE)
    write_run(journal, 2, first=11)

    assert read_all(journal) == (packets(1, 12), 0)
    assert segment_numbers(journal) == [1, 2, 3, 4]


def test_segment_without_its_first_number_but_with_later_pages_is_read(journal: Path) -> None:
    overwrite(segment_path(journal, 3), PAGE, bytes(PAGE + 2 * ONE))

    writer = JournalWriter.open(journal, a_journal())
    assert writer.last_number == 15
    writer.close()

    assert read_all(journal) == (packets(1, 10) + packets(13, 15), 2)


def test_numbers_given_again_after_a_power_loss_are_told_and_nothing_is_lost(journal: Path) -> None:
    """The database had committed up to record 15, the disk had only ten of them."""
    os.truncate(segment_path(journal, 3), PAGE)
    write_run(journal, 2, first=16)
    reader = JournalReader.open(journal)
    assert reader.seek(Position(3, at(5), 16)) is None

    chunk = reader.read()

    assert (packets_in(chunk), chunk.lost) == (packets(16, 17), 0)
    assert [record.number for record in chunk.records] == [11, 12]
    assert "numbered from 11 again where 16 was due" in chunk.notes[0]
    reader.close()


def test_damaged_record_at_the_end_of_a_journal_nobody_writes_is_lost_by_number(tmp_path: Path) -> None:
    write_run(tmp_path, 3)
    flip(segment_path(tmp_path, 1), at(2) + OVERHEAD)
    reader = JournalReader.open(tmp_path)

    chunk, rest = reader.read(), reader.read()

    assert (packets_in(chunk), chunk.lost) == (packets(1, 2), 0)
    assert (packets_in(rest), rest.lost) == ([], 1)
    assert (reader.position.number, reader.drained) == (4, True)
