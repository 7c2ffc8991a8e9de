"""Going through a journal that nobody writes, from a position or the beginning, and deleting behind it."""

import os
from pathlib import Path

import pytest

from capture.errors import JournalError
from capture.journal.log import JournalWriter
from capture.journal.reader import Chunk, Gap, JournalReader
from capture.journal.record import OVERHEAD, Position
from capture.journal.segment import (
    PAGE,
    RECORDS_START,
    segment_numbers,
    segment_path,
)
from tests.support.journals import (
    SIZE,
    a_journal,
    an_arrival,
    arrivals,
    at,
    crash_image,
    overwrite,
    packets,
    packets_in,
    write_run,
)

# Going through a journal


def test_chunks_end_at_segments_and_go_on_in_the_next(reader: JournalReader) -> None:
    chunks = [reader.read() for _ in range(4)]

    assert [packets_in(chunk) for chunk in chunks] == [packets(1, 5), packets(6, 10), packets(11, 15), []]
    assert reader.position == Position(3, at(5), 16)
    assert not any(chunk.lost or chunk.notes for chunk in chunks)


def test_chunk_is_about_as_large_as_asked(tmp_path: Path) -> None:
    batch = arrivals(200, 1000)
    writer = JournalWriter.open(tmp_path, a_journal())
    writer.append(batch)
    writer.close()
    reader = JournalReader.open(tmp_path)

    sizes = []
    while records := reader.read(100_000).records:
        sizes.append(sum(len(record.packet) + OVERHEAD for record in records))

    assert len(sizes) == 3
    assert all(size <= 100_000 for size in sizes)
    reader.close()


def test_record_larger_than_a_chunk_is_read_whole(tmp_path: Path) -> None:
    writer = JournalWriter.open(tmp_path, a_journal())
    writer.append([an_arrival(bytes(60_000)), an_arrival(b"next")])
    writer.close()
    reader = JournalReader.open(tmp_path)

    assert packets_in(reader.read(1000)) == [bytes(60_000), b"next"]
    reader.close()


def test_second_reader_is_refused_in_words(reader: JournalReader, journal: Path) -> None:
    with pytest.raises(JournalError, match=f"has a reader already: process {os.getpid()}"):
        JournalReader.open(journal)


def test_reader_may_come_before_the_first_writer(tmp_path: Path) -> None:
    reader = JournalReader.open(tmp_path / "new")
    assert reader.seek(None) is None
    assert reader.read() == Chunk([], 0, [])
    assert reader.drained

    writer = JournalWriter.open(tmp_path / "new", a_journal())
    writer.append(arrivals(2, SIZE))

    assert writer.id == reader.id
    assert packets_in(reader.read()) == packets(1, 2)
    reader.close()
    writer.close()


def test_closing_twice_is_once(journal: Path) -> None:
    reader = JournalReader.open(journal)

    reader.close()
    reader.close()

    JournalReader.open(journal).close()


# Positions


@pytest.mark.parametrize("segment", [1, 2, 3])
@pytest.mark.parametrize("index", [0, 2, 5])
def test_reading_goes_on_at_a_position(reader: JournalReader, segment: int, index: int) -> None:
    number = (segment - 1) * 5 + index + 1

    assert reader.seek(Position(segment, at(index), number)) is None

    chunk = reader.read()
    following = packets(number, 15)
    assert packets_in(chunk) == following[: len(chunk.records)]
    assert chunk.lost == 0
    assert reader.position.number == number + len(chunk.records)


def test_end_of_a_record_is_the_position_to_go_on_at(reader: JournalReader) -> None:
    reader.seek(None)
    third = reader.read().records[2]

    reader.seek(third.end)

    assert packets_in(reader.read()) == packets(4, 5)


def test_position_past_the_end_of_a_closed_segment_goes_on_with_the_next(reader: JournalReader) -> None:
    """After a power loss: the database has what was never on this disk."""
    assert reader.seek(Position(1, at(50), 6)) is None

    assert packets_in(reader.read()) == packets(6, 10)


def test_no_position_is_the_oldest_record(reader: JournalReader) -> None:
    assert reader.seek(None) is None
    assert packets_in(reader.read()) == packets(1, 5)


def test_no_position_in_a_journal_whose_beginning_has_gone_reports_the_gap(
    reader: JournalReader, journal: Path
) -> None:
    segment_path(journal, 1).unlink()

    gap = reader.seek(None)

    assert gap == Gap(5, "records 1 to 5 are no longer in the journal")
    chunk = reader.read()
    assert (packets_in(chunk), chunk.lost) == (packets(6, 10), 0)


def test_position_older_than_the_oldest_segment_reports_the_gap_by_number(
    reader: JournalReader, journal: Path
) -> None:
    segment_path(journal, 1).unlink()
    segment_path(journal, 2).unlink()

    assert reader.seek(Position(1, at(2), 3)) == Gap(8, "records 3 to 10 are no longer in the journal")
    assert reader.position == Position(3, RECORDS_START, 11)


def test_gap_is_counted_when_the_oldest_segment_lost_its_first_number(
    reader: JournalReader, journal: Path
) -> None:
    segment_path(journal, 1).unlink()
    overwrite(segment_path(journal, 2), PAGE, bytes(PAGE))

    gap = reader.seek(Position(1, at(2), 3))

    assert gap is not None
    assert gap.lost == 3


def test_position_at_the_end_of_a_deleted_segment_has_no_gap(reader: JournalReader, journal: Path) -> None:
    segment_path(journal, 1).unlink()

    assert reader.seek(Position(1, at(5), 6)) is None
    assert packets_in(reader.read()) == packets(6, 10)


def test_position_in_a_segment_that_was_taken_away_reads_all_that_is_there(reader: JournalReader) -> None:
    gap = reader.seek(Position(9, at(0), 16))

    chunk = reader.read()
    assert gap is None
    assert packets_in(chunk) == packets(1, 5)
    assert "files were taken away" in chunk.notes[0]


def test_position_in_a_journal_that_was_emptied_reads_all_that_comes(tmp_path: Path) -> None:
    reader = JournalReader.open(tmp_path)

    reader.seek(Position(7, at(3), 40))
    write_run(tmp_path, 3)
    chunk = reader.read()

    assert packets_in(chunk) == packets(1, 3)
    assert "files were taken away" in chunk.notes[0]
    reader.close()


def test_segment_missing_in_the_middle_is_lost_by_number(reader: JournalReader, journal: Path) -> None:
    segment_path(journal, 2).unlink()
    reader.seek(None)

    chunks = [reader.read(), reader.read()]

    assert [packets_in(chunk) for chunk in chunks] == [packets(1, 5), packets(11, 15)]
    assert [chunk.lost for chunk in chunks] == [0, 5]


# Deleting


def test_segments_before_the_committed_position_are_deleted(reader: JournalReader, journal: Path) -> None:
    assert reader.delete_before(Position(2, at(1), 7)) == 1

    assert segment_numbers(journal) == [2, 3]
    assert reader.delete_before(Position(2, at(5), 11)) == 0


def test_newest_segment_is_never_deleted(reader: JournalReader, journal: Path) -> None:
    reader.delete_before(Position(9, 0, 16))

    assert segment_numbers(journal) == [3]


def test_newest_segment_that_tells_its_first_number_is_kept(reader: JournalReader, journal: Path) -> None:
    """After a power loss the newest may be empty: without the one before, numbering would begin anew."""
    os.truncate(segment_path(journal, 3), RECORDS_START)
    overwrite(segment_path(journal, 3), PAGE, bytes(PAGE))

    reader.delete_before(Position(3, RECORDS_START, 11))

    assert segment_numbers(journal) == [2, 3]
    writer = JournalWriter.open(journal, a_journal())
    assert writer.last_number == 10
    writer.close()


def test_unused_segments_of_killed_writers_are_deleted_with_the_others(tmp_path: Path) -> None:
    writer = JournalWriter.open(tmp_path / "killed", a_journal())
    image = crash_image(tmp_path / "killed", tmp_path / "image")
    writer.close()
    segment_path(image, 7).touch()
    write_run(image, 2)
    reader = JournalReader.open(image)
    reader.read()

    deleted = reader.delete_before(reader.position)

    assert deleted >= 2
    assert segment_numbers(image) == [reader.position.segment]
    reader.close()


def test_segments_of_others_are_not_deleted(reader: JournalReader, journal: Path, tmp_path: Path) -> None:
    write_run(tmp_path / "other", 2)
    segment_path(tmp_path / "other", 1).rename(segment_path(journal, 1))

    reader.delete_before(Position(3, at(0), 11))

    assert segment_numbers(journal) == [1, 3]
