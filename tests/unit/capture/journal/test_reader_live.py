"""Reading a segment that is being written, and telling whether it still is."""

import os
import threading
from pathlib import Path

from capture.journal.directory import WRITE_LOCK, InUse, lock
from capture.journal.log import JournalWriter
from capture.journal.reader import Chunk, JournalReader
from capture.journal.record import OVERHEAD, Position
from capture.journal.segment import (
    new_header,
    pack_header,
    segment_numbers,
    segment_path,
)
from tests.support.journals import (
    ONE,
    SIZE,
    a_journal,
    arrivals,
    at,
    flip,
    packets,
    packets_in,
    packets_of,
)


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
