import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from capture.errors import JournalError
from capture.journal.directory import WRITE_LOCK, InUse, lock
from capture.journal.log import JournalWriter
from capture.journal.reader import Chunk, Gap, JournalReader
from capture.journal.record import OVERHEAD, Position
from capture.journal.segment import (
    PAGE,
    RECORDS_START,
    new_header,
    pack_header,
    segment_numbers,
    segment_path,
)
from tests.support.journals import (
    a_journal,
    an_arrival,
    arrivals,
    crash_image,
    flip,
    overwrite,
    packets_of,
    read_all,
)

SIZE = 100
ONE = OVERHEAD + SIZE


def at(index: int) -> int:
    """Offset of the record with this index in its segment."""
    return RECORDS_START + index * ONE


def write_run(directory: Path, count: int, first: int = 1) -> None:
    """One run of a writer: one segment with `count` records."""
    writer = JournalWriter.open(directory, a_journal())
    assert writer.append(arrivals(count, SIZE, first)) == count
    writer.close()


def packets(first: int, last: int) -> list[bytes]:
    return packets_of(arrivals(last - first + 1, SIZE, first))


def packets_in(chunk: Chunk) -> list[bytes]:
    return [record.packet for record in chunk.records]


def write_journal(directory: Path) -> Path:
    """Records 1–5 in segment 1, 6–10 in segment 2, 11–15 in segment 3; nobody writes."""
    for first in (1, 6, 11):
        write_run(directory, 5, first)
    return directory


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """As `write_journal` leaves it."""
    return write_journal(tmp_path / "journal")


@pytest.fixture
def reader(journal: Path) -> Iterator[JournalReader]:
    opened = JournalReader.open(journal)
    yield opened
    opened.close()


@pytest.fixture
def live(tmp_path: Path) -> Iterator[tuple[JournalWriter, JournalReader, Path]]:
    """A writer with five records, and a reader that has read them."""
    directory = tmp_path / "live"
    writer = JournalWriter.open(directory, a_journal())
    writer.append(arrivals(5, SIZE))
    opened = JournalReader.open(directory)
    opened.read()
    yield writer, opened, directory
    opened.close()
    writer.close()


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


# The segment being written


def test_incomplete_record_in_the_segment_being_written_is_waited_for(
    live: tuple[JournalWriter, JournalReader, Path], tmp_path: Path
) -> None:
    writer, reader, directory = live
    writer.append(arrivals(1, SIZE, first=6))
    path = segment_path(directory, 1)
    whole = path.read_bytes()

    for cut in range(at(5), at(6)):
        os.truncate(path, cut)
        assert reader.read() == Chunk([], 0, [])
        assert reader.position == Position(1, at(5), 6)
        assert not reader.wait(0)

    path.write_bytes(whole)
    assert packets_in(reader.read()) == packets(6, 6)


def test_bad_record_at_the_end_of_the_segment_being_written_is_waited_for(
    live: tuple[JournalWriter, JournalReader, Path],
) -> None:
    writer, reader, directory = live
    writer.append(arrivals(1, SIZE, first=6))
    flip(segment_path(directory, 1), at(6) - 1)

    assert reader.read() == Chunk([], 0, [])

    flip(segment_path(directory, 1), at(6) - 1)
    assert packets_in(reader.read()) == packets(6, 6)


def test_good_record_behind_a_bad_one_is_read_in_the_segment_being_written_too(
    live: tuple[JournalWriter, JournalReader, Path],
) -> None:
    writer, reader, directory = live
    writer.append(arrivals(3, SIZE, first=6))
    flip(segment_path(directory, 1), at(5) + 40)

    chunk = reader.read()

    assert (packets_in(chunk), chunk.lost) == (packets(7, 8), 1)


def test_wait_looks_before_it_sleeps(live: tuple[JournalWriter, JournalReader, Path]) -> None:
    writer, reader, _ = live
    assert not reader.wait(0)

    writer.append(arrivals(1, SIZE, first=6))

    assert reader.wait(0)
    assert reader.wait(0)
    assert packets_in(reader.read()) == packets(6, 6)
    assert not reader.wait(0)


def test_wait_ends_with_an_append(live: tuple[JournalWriter, JournalReader, Path]) -> None:
    writer, reader, _ = live
    appending = threading.Thread(target=writer.append, args=(arrivals(1, SIZE, first=6),))

    appending.start()
    woken = reader.wait(30)
    appending.join()

    assert woken
    assert packets_in(reader.read()) == packets(6, 6)


def test_poke_without_a_record_is_no_news(live: tuple[JournalWriter, JournalReader, Path]) -> None:
    _, reader, directory = live
    wake = os.open(directory / "wake", os.O_RDWR | os.O_NONBLOCK)
    os.write(wake, b"\1")

    assert not reader.wait(0.01)

    os.close(wake)


def test_wait_sees_a_record_in_the_next_segment(tmp_path: Path) -> None:
    writer = JournalWriter.open(tmp_path, a_journal(segment_bytes=65536))
    writer.append(arrivals(57, 1000 - OVERHEAD))
    reader = JournalReader.open(tmp_path)
    while reader.read().records:
        pass
    assert not reader.wait(0)

    writer.append(arrivals(1, 1000 - OVERHEAD, first=58))

    assert reader.position.segment == 1
    assert reader.wait(0)
    assert reader.read().records[0].segment == 2
    reader.close()
    writer.close()


def test_what_comes_in_between_two_looks_is_not_slept_on(tmp_path: Path) -> None:
    writer = JournalWriter.open(tmp_path, a_journal())
    writer.append(arrivals(1, SIZE))

    class Late(JournalReader):
        """A record comes each time just before the reader asks how long the segment is."""

        def _size(self) -> int:
            writer.append(arrivals(1, SIZE, first=writer.last_number + 1))
            return super()._size()

    reader = Late.open(tmp_path)
    reader.read()

    chunk = reader.read()

    assert packets_in(chunk) == packets(2, 2)
    reader.close()
    writer.close()


def test_what_comes_in_between_a_look_and_the_closing_of_the_segment_is_read(tmp_path: Path) -> None:
    writer = JournalWriter.open(tmp_path, a_journal(segment_bytes=65536))
    writer.append(arrivals(1, SIZE))

    class Overtaken(JournalReader):
        """The writer fills the segment and goes on in the next just after the reader found nothing more."""

        def _following(self) -> InUse | None:
            if self.position.number == 2 and writer.last_number == 1:
                writer.append(arrivals(600, SIZE, first=2))
            return super()._following()

    reader = Overtaken.open(tmp_path)
    seen: list[bytes] = []
    while chunk := reader.read().records:
        seen += [record.packet for record in chunk]

    assert seen == packets(1, 601)
    assert reader.position.segment == 2
    reader.close()
    writer.close()


def test_reader_beside_a_writer_misses_nothing_and_reads_nothing_twice(tmp_path: Path) -> None:
    writer = JournalWriter.open(tmp_path, a_journal(segment_bytes=65536, sync_s=0.01))
    reader = JournalReader.open(tmp_path)

    def write() -> None:
        for first in range(1, 4001, 20):
            writer.append(arrivals(20, 1000, first))
        writer.close()

    writing = threading.Thread(target=write)
    writing.start()
    seen: list[bytes] = []
    while not reader.drained:
        chunk = reader.read(20_000)
        assert (chunk.lost, chunk.notes) == (0, [])
        seen += packets_in(chunk)
        reader.delete_before(reader.position)
        reader.wait(1)
    writing.join()

    assert seen == packets_of(arrivals(4000, 1000))
    assert segment_numbers(tmp_path) == [reader.position.segment]
    reader.close()


# Closed segments


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


# Closed or not


def test_segment_is_closed_when_nobody_writes(journal: Path) -> None:
    flip(segment_path(journal, 3), at(4))
    reader = JournalReader.open(journal)
    held = lock(journal / WRITE_LOCK, "writer")
    reader.seek(Position(3, at(3), 14))
    assert packets_in(reader.read()) == packets(14, 14)

    assert reader.read() == Chunk([], 0, [])
    assert reader.position == Position(3, at(4), 15)
    os.close(held)
    chunk = reader.read()

    assert chunk.notes == [
        f"0000000000000003.segment: the last {ONE} bytes, from {at(4)} on, are no whole record"
    ]
    assert reader.position == Position(3, at(5), 15)
    assert reader.drained
    reader.close()


def test_spare_segment_does_not_close_the_one_before(live: tuple[JournalWriter, JournalReader, Path]) -> None:
    writer, reader, directory = live
    writer.append(arrivals(1, SIZE, first=6))
    flip(segment_path(directory, 1), at(6) - 1)

    segment_path(directory, 99).write_bytes(pack_header(new_header(99, writer.id, 0)))

    assert reader.read() == Chunk([], 0, [])
    assert reader.position == Position(1, at(5), 6)


def test_drained_is_when_nobody_writes_and_all_is_read(tmp_path: Path) -> None:
    writer = JournalWriter.open(tmp_path, a_journal())
    writer.append(arrivals(2, SIZE))
    reader = JournalReader.open(tmp_path)
    assert not reader.drained
    reader.read()
    assert not reader.drained

    writer.append(arrivals(1, SIZE, first=3))
    writer.close()

    assert not reader.drained
    assert packets_in(reader.read()) == packets(3, 3)
    assert reader.drained
    reader.close()


def test_journal_with_an_unread_segment_is_not_drained(reader: JournalReader) -> None:
    reader.seek(Position(2, at(5), 11))

    assert not reader.drained

    reader.read()
    assert reader.drained


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
