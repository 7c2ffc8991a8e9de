import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from capture.errors import JournalError
from capture.journal.log import JournalWriter
from capture.journal.reader import JournalReader
from capture.journal.record import MAX_PACKET_BYTES, OVERHEAD
from capture.journal.segment import (
    PAGE,
    RECORDS_START,
    read_header,
    segment_numbers,
    segment_path,
)
from capture.journal.syncing import Syncing, make_segment
from tests.support.journals import (
    a_journal,
    an_arrival,
    arrivals,
    crash_image,
    packets_of,
    read_all,
)

SMALL_SEGMENT = 64 * 1024
ONE = OVERHEAD + 1000
PER_SEGMENT = (SMALL_SEGMENT - RECORDS_START) // ONE


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal" / "0000"


@contextmanager
def file_size_limit(limit: int) -> Iterator[None]:
    """Writes past the limit are short, then refused: as on a full disk, without filling one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def descriptor_of(path: Path) -> int:
    """The descriptor under which this process has `path` open for writing."""
    for entry in Path("/proc/self/fd").iterdir():
        if entry.is_symlink() and entry.readlink() == path:
            return int(entry.name)
    raise AssertionError(f"{path} is not open")


def used_segments(directory: Path) -> list[int]:
    numbers = segment_numbers(directory)
    return [number for number in numbers if segment_path(directory, number).stat().st_size > PAGE]


def first_number(directory: Path, segment: int) -> int | None:
    descriptor = os.open(segment_path(directory, segment), os.O_RDONLY)
    header = read_header(descriptor)
    os.close(descriptor)
    assert header is not None
    return header.first_number


def test_what_is_appended_is_read_back(directory: Path) -> None:
    writer = JournalWriter.open(directory, a_journal())

    assert writer.append(arrivals(300)) == 300
    assert writer.append(arrivals(1, first=301)) == 1
    assert writer.append([]) == 0

    assert writer.last_number == 301
    assert read_all(directory) == (packets_of(arrivals(301)), 0)
    writer.close()


def test_journal_keeps_its_id_and_numbering_over_restarts(directory: Path) -> None:
    first = JournalWriter.open(directory, a_journal())
    first.append(arrivals(5))
    first.close()

    second = JournalWriter.open(directory, a_journal())
    assert (second.id, second.last_number) == (first.id, 5)
    second.append(arrivals(5, first=6))
    second.close()

    assert second.last_number == 10
    assert read_all(directory) == (packets_of(arrivals(10)), 0)


def test_second_writer_is_refused_in_words(directory: Path) -> None:
    writer = JournalWriter.open(directory, a_journal())

    with pytest.raises(JournalError, match=f"0000 has a writer already: process {os.getpid()}"):
        JournalWriter.open(directory, a_journal())

    writer.close()
    JournalWriter.open(directory, a_journal()).close()


def test_directory_that_cannot_be_made_is_a_journal_error(tmp_path: Path) -> None:
    (tmp_path / "data").touch()

    with pytest.raises(JournalError, match="cannot be opened"):
        JournalWriter.open(tmp_path / "data" / "0000", a_journal())


def test_segment_of_an_earlier_run_is_never_appended_to(directory: Path, tmp_path: Path) -> None:
    first = JournalWriter.open(directory, a_journal())
    first.append(arrivals(2))
    image = crash_image(directory, tmp_path / "image")
    first.close()
    before = {number: segment_path(image, number).read_bytes() for number in segment_numbers(image)}

    second = JournalWriter.open(image, a_journal())
    second.append(arrivals(2, first=3))
    second.close()

    assert {number: segment_path(image, number).read_bytes() for number in before} == before
    assert used_segments(image)[-1] > max(before)
    assert read_all(image) == (packets_of(arrivals(4)), 0)


def test_name_of_a_new_segment_is_greater_than_any_there(directory: Path) -> None:
    directory.mkdir(parents=True)
    segment_path(directory, 41).touch()
    writer = JournalWriter.open(directory, a_journal())

    writer.append(arrivals(1))

    assert used_segments(directory) == [42]
    writer.close()


def test_segment_is_whole_before_its_first_record_and_tells_the_first_number_with_it(directory: Path) -> None:
    writer = JournalWriter.open(directory, a_journal())
    assert first_number(directory, 1) is None
    assert segment_path(directory, 1).stat().st_size == PAGE

    writer.append(arrivals(7))
    writer.close()
    writer = JournalWriter.open(directory, a_journal())
    writer.append(arrivals(1))

    assert [first_number(directory, number) for number in used_segments(directory)] == [1, 8]
    writer.close()


def test_spare_segment_is_made_ahead_and_taken_without_making_one(directory: Path) -> None:
    directory.mkdir(parents=True)
    syncing = Syncing(directory, uuid4(), a_journal())
    syncing.round()
    files = segment_numbers(directory)

    spare = syncing.next_segment()

    assert segment_numbers(directory) == files
    assert spare.header.number == files[-1]
    assert read_header(spare.descriptor) == spare.header
    syncing.stop()


def test_writer_makes_a_segment_itself_when_the_spare_is_not_ready(directory: Path) -> None:
    directory.mkdir(parents=True)
    syncing = Syncing(directory, uuid4(), a_journal())
    files = segment_numbers(directory)

    made = syncing.next_segment()

    assert segment_numbers(directory) == [*files, made.header.number]
    syncing.stop()


def test_default_limit_of_a_journal_counts_what_the_one_beside_it_holds(directory: Path) -> None:
    directory.mkdir(parents=True)
    beside = segment_path(directory.parent / "beside", 1)
    beside.parent.mkdir()
    with beside.open("wb") as sparse:
        sparse.truncate(1 << 42)

    syncing = Syncing(directory, uuid4(), a_journal(max_bytes=0))

    assert syncing.room.max_bytes >= 1 << 41
    syncing.stop()


def test_closed_segments_are_synced_and_let_go(directory: Path) -> None:
    directory.mkdir(parents=True)
    syncing = Syncing(directory, uuid4(), a_journal())
    closed = syncing.next_segment()
    closed.use(1)
    syncing.next_segment()

    syncing.round()

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(closed.descriptor)
    assert syncing.synced_us >= closed.header.created_us
    syncing.stop()


def test_batch_larger_than_what_is_left_of_a_segment_goes_on_in_the_next(directory: Path) -> None:
    writer = JournalWriter.open(directory, a_journal(segment_bytes=SMALL_SEGMENT))
    batch = arrivals(3 * PER_SEGMENT + 5, size=1000)

    assert writer.append(batch) == len(batch)

    segments = used_segments(directory)
    assert [first_number(directory, number) for number in segments] == [
        1 + PER_SEGMENT * index for index in range(4)
    ]
    assert segment_path(directory, segments[0]).stat().st_size <= SMALL_SEGMENT
    assert read_all(directory) == (packets_of(batch), 0)
    writer.close()


def test_segment_takes_one_record_however_small_its_limit(directory: Path) -> None:
    writer = JournalWriter.open(directory, a_journal(segment_bytes=SMALL_SEGMENT))
    batch = [an_arrival(bytes((number,)) * MAX_PACKET_BYTES) for number in range(3)]

    assert writer.append(batch) == 3

    assert len(used_segments(directory)) == 3
    assert read_all(directory) == (packets_of(batch), 0)
    writer.close()


def test_packet_longer_than_any_frame_is_refused(directory: Path) -> None:
    writer = JournalWriter.open(directory, a_journal())

    with pytest.raises(JournalError, match="65536 bytes; at most 65535"):
        writer.append([an_arrival(bytes(MAX_PACKET_BYTES + 1))])
    assert writer.last_number == 0

    # Whoever gave it with others has to know of these first.
    assert writer.append([an_arrival(), an_arrival(bytes(MAX_PACKET_BYTES + 1)), an_arrival()]) == 1
    assert writer.last_number == 1
    writer.close()


def test_byte_limit_makes_it_full_and_deleting_makes_room_again(directory: Path) -> None:
    writer = JournalWriter.open(
        directory, a_journal(segment_bytes=SMALL_SEGMENT, max_bytes=200_000, sync_s=60)
    )
    reader = JournalReader.open(directory)
    batch = arrivals(400, size=1000)

    fitted = writer.append(batch)

    assert writer.full
    assert 100 < fitted < 200
    assert writer.append(batch[fitted:]) < 3
    # The spare's header is on no one's account until it is measured.
    assert sum(path.stat().st_size for path in directory.glob("*.segment")) <= 200_000 + PAGE
    last = writer.last_number

    while reader.read().records:
        pass
    assert reader.delete_before(reader.position) > 0
    writer.sync()

    assert not writer.full
    assert writer.append(arrivals(2, size=1000, first=last + 1)) == 2
    assert reader.read().records[0].number == last + 1
    reader.close()
    writer.close()


@pytest.mark.parametrize("max_bytes", [300_000, 1 << 20])
def test_journal_no_larger_than_a_segment_has_room_again_once_it_is_read(
    directory: Path, max_bytes: int
) -> None:
    writer = JournalWriter.open(directory, a_journal(segment_bytes=1 << 20, max_bytes=max_bytes, sync_s=60))
    reader = JournalReader.open(directory)
    batch = arrivals(1100, size=1000)
    assert writer.append(batch) < len(batch)
    assert writer.full

    while reader.read().records:
        pass
    reader.delete_before(reader.position)
    writer.sync()

    assert not writer.full
    assert writer.append(batch) > 50
    reader.close()
    writer.close()


def test_free_space_floor_makes_it_full(directory: Path) -> None:
    writer = JournalWriter.open(directory, a_journal(min_free_bytes=1 << 60))

    assert writer.full
    assert writer.append(arrivals(3)) == 0
    assert writer.last_number == 0
    writer.close()


def test_thread_measures_the_room_by_itself(directory: Path) -> None:
    writer = JournalWriter.open(
        directory, a_journal(segment_bytes=SMALL_SEGMENT, max_bytes=200_000, sync_s=0.01)
    )
    writer.append(arrivals(400, size=1000))
    reader = JournalReader.open(directory)
    while reader.read().records:
        pass

    reader.delete_before(reader.position)

    # The reader's wait is the clock here: nothing is appended, so nothing wakes it.
    for _ in range(500):
        if not writer.full:
            break
        reader.wait(0.02)
    assert not writer.full
    assert writer.synced_us > 0
    reader.close()
    writer.close()


def test_short_write_is_cut_back_to_the_last_whole_record_and_goes_on_in_the_next_segment(
    directory: Path,
) -> None:
    writer = JournalWriter.open(directory, a_journal())
    batch = arrivals(25, size=1000)

    with file_size_limit(RECORDS_START + 10 * ONE + 7):
        fitted = writer.append(batch)

    assert fitted == 25
    sizes = [segment_path(directory, number).stat().st_size for number in used_segments(directory)]
    assert sizes == [RECORDS_START + count * ONE for count in (10, 10, 5)]
    assert read_all(directory) == (packets_of(batch), 0)
    writer.close()


def test_write_that_fails_for_lack_of_room_leaves_nothing_behind_and_says_full(directory: Path) -> None:
    writer = JournalWriter.open(directory, a_journal(sync_s=60))
    writer.append(arrivals(2, size=1000))

    with file_size_limit(RECORDS_START + 2 * ONE):
        assert writer.append(arrivals(3, size=1000, first=3)) == 0
        assert writer.full

    assert segment_path(directory, 1).stat().st_size == RECORDS_START + 2 * ONE
    writer.sync()
    assert not writer.full
    assert writer.append(arrivals(3, size=1000, first=3)) == 3
    assert writer.last_number == 5
    assert read_all(directory) == (packets_of(arrivals(5, size=1000)), 0)
    writer.close()


def test_writer_starts_on_a_disk_that_is_full_and_goes_on_when_there_is_room(directory: Path) -> None:
    JournalWriter.open(directory, a_journal()).close()

    with file_size_limit(100):
        writer = JournalWriter.open(directory, a_journal(sync_s=60))
        assert writer.append(arrivals(2)) == 0

    writer.sync()
    assert writer.append(arrivals(2)) == 2
    assert read_all(directory) == (packets_of(arrivals(2)), 0)
    writer.close()


def test_no_room_for_a_first_record_drops_and_raises_nothing(directory: Path) -> None:
    writer = JournalWriter.open(directory, a_journal(sync_s=60))

    with file_size_limit(RECORDS_START + 10):
        assert writer.append(arrivals(2, size=1000)) == 0

    writer.sync()
    assert writer.append(arrivals(2, size=1000)) == 2
    assert read_all(directory) == (packets_of(arrivals(2, size=1000)), 0)
    writer.close()


def test_other_write_error_is_a_journal_error_and_the_next_append_takes_another_segment(
    directory: Path,
) -> None:
    writer = JournalWriter.open(directory, a_journal())
    writer.append(arrivals(1))
    read_only = os.open(segment_path(directory, 1), os.O_RDONLY)
    os.dup2(read_only, descriptor_of(segment_path(directory, 1)))

    with pytest.raises(JournalError, match=r"cannot be written: .*Bad file descriptor"):
        writer.append(arrivals(1, first=2))

    assert writer.append(arrivals(1, first=2)) == 1
    assert read_all(directory) == (packets_of(arrivals(2)), 0)
    os.close(read_only)
    writer.close()


def test_failed_sync_is_told_at_the_next_append(directory: Path) -> None:
    writer = JournalWriter.open(directory, a_journal(sync_s=60))
    writer.append(arrivals(1))
    kept = os.dup(descriptor_of(segment_path(directory, 1)))
    reading, writing = os.pipe()
    os.dup2(writing, descriptor_of(segment_path(directory, 1)))

    with pytest.raises(JournalError, match="cannot be synced"):
        writer.sync()

    with pytest.raises(JournalError, match="cannot be synced"):
        writer.append(arrivals(1))
    with pytest.raises(JournalError, match="cannot be synced"):
        writer.close()
    for descriptor in (kept, reading, writing):
        os.close(descriptor)


def test_append_pokes_the_reader(directory: Path) -> None:
    writer = JournalWriter.open(directory, a_journal())
    reader = JournalReader.open(directory)
    assert not reader.wait(0)

    writer.append(arrivals(1))

    assert reader.wait(30)
    reader.close()
    writer.close()


def test_closing_takes_unused_segments_away_and_is_idempotent(directory: Path) -> None:
    writer = JournalWriter.open(directory, a_journal())
    writer.append(arrivals(1))

    writer.close()
    writer.close()

    assert segment_numbers(directory) == [1]


def test_segment_that_cannot_be_made_leaves_no_file(directory: Path) -> None:
    writer = JournalWriter.open(directory, a_journal(sync_s=60))
    writer.close()

    with file_size_limit(100), pytest.raises(OSError, match=r"File too large|only a part"):
        make_segment(directory, writer.id)

    assert segment_numbers(directory) == []
