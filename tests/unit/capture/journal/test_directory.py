import os
import threading
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from capture.errors import JournalError
from capture.journal.directory import (
    ID_NAME,
    WRITE_LOCK,
    Segments,
    identify,
    is_locked,
    lock,
    make_directory,
    write_whole,
)
from capture.journal.log import JournalWriter
from capture.journal.segment import PAGE, segment_path
from tests.support.journals import a_journal, arrivals, crash_image, overwrite, read_all


def a_used_journal(directory: Path, count: int = 3) -> UUID:
    writer = JournalWriter.open(directory, a_journal())
    writer.append(arrivals(count))
    writer.close()
    return writer.id


def test_id_is_made_once(tmp_path: Path) -> None:
    first = identify(tmp_path)

    assert identify(tmp_path) == first
    assert (tmp_path / ID_NAME).read_text() == f"{first}\n"


def test_all_who_come_first_at_once_agree_on_the_id(tmp_path: Path) -> None:
    gate = threading.Barrier(8)
    seen: list[UUID] = []

    def come() -> None:
        gate.wait()
        seen.append(identify(tmp_path))

    threads = [threading.Thread(target=come) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(seen) == 8
    assert len(set(seen)) == 1
    assert [path.name for path in tmp_path.iterdir()] == [ID_NAME]


def test_without_its_file_the_id_is_read_from_a_segment(tmp_path: Path) -> None:
    journal = a_used_journal(tmp_path)
    (tmp_path / ID_NAME).unlink()

    assert identify(tmp_path) == journal
    assert (tmp_path / ID_NAME).exists()


def test_segments_of_several_journals_without_the_file_are_refused(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    a_used_journal(one)
    a_used_journal(other)
    (one / ID_NAME).unlink()
    segment_path(other, 1).rename(segment_path(one, 2))

    with pytest.raises(JournalError, match="segments of several journals"):
        JournalWriter.open(one, a_journal())


def test_file_that_names_another_journal_than_every_segment_is_refused(tmp_path: Path) -> None:
    a_used_journal(tmp_path)
    (tmp_path / ID_NAME).write_text(str(uuid4()))

    with pytest.raises(JournalError, match="the segments beside it are of"):
        identify(tmp_path)


def test_file_without_an_id_is_refused(tmp_path: Path) -> None:
    (tmp_path / ID_NAME).write_text("none")

    with pytest.raises(JournalError, match="holds no journal id"):
        identify(tmp_path)


def test_segment_of_another_journal_is_left_out_with_a_note(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    journal = a_used_journal(one)
    foreign = a_used_journal(other)
    segment_path(other, 1).rename(segment_path(one, 2))
    segments = Segments(one, journal)

    assert segments.in_use(2) is None
    assert segments.notes == [f"{segment_path(one, 2).name} is left out: it belongs to the journal {foreign}"]
    assert read_all(one)[0] == [arrival[4] for arrival in arrivals(3)]


def test_copy_of_a_segment_under_another_name_is_not_read_twice(tmp_path: Path) -> None:
    journal = a_used_journal(tmp_path)
    segment_path(tmp_path, 4).write_bytes(segment_path(tmp_path, 1).read_bytes())
    segments = Segments(tmp_path, journal)

    assert segments.in_use(4) is None
    assert "it is a copy of segment 1" in segments.notes[0]
    assert read_all(tmp_path) == ([arrival[4] for arrival in arrivals(3)], 0)


def test_segment_with_both_headers_damaged_is_left_out_with_a_note_once(tmp_path: Path) -> None:
    journal = a_used_journal(tmp_path)
    overwrite(segment_path(tmp_path, 1), 20, b"damage")
    overwrite(segment_path(tmp_path, 1), PAGE + 20, b"damage")
    segments = Segments(tmp_path, journal)

    assert [segments.in_use(1), segments.in_use(1)] == [None, None]
    assert len(segments.notes) == 1


def test_segment_with_only_a_header_is_not_in_use(tmp_path: Path) -> None:
    writer = JournalWriter.open(tmp_path / "journal", a_journal())
    image = crash_image(tmp_path / "journal", tmp_path / "image")
    writer.close()

    assert Segments(image, writer.id).first_in_use(0) is None


def test_lock_that_is_held_is_refused_naming_the_process(tmp_path: Path) -> None:
    held = lock(tmp_path / WRITE_LOCK, "writer")

    assert is_locked(tmp_path / WRITE_LOCK)
    with pytest.raises(JournalError, match=f"has a writer already: process {os.getpid()}"):
        lock(tmp_path / WRITE_LOCK, "writer")

    os.close(held)
    assert not is_locked(tmp_path / WRITE_LOCK)


def test_asking_whether_a_lock_is_held_leaves_it_free(tmp_path: Path) -> None:
    assert not is_locked(tmp_path / WRITE_LOCK)
    os.close(lock(tmp_path / WRITE_LOCK, "writer"))
    assert not is_locked(tmp_path / WRITE_LOCK)

    os.close(lock(tmp_path / WRITE_LOCK, "writer"))


def test_file_is_replaced_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    make_directory(tmp_path / "a" / "b")
    path = tmp_path / "a" / "b" / "file"

    write_whole(path, b"old and longer")
    write_whole(path, b"new")

    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]
