"""Reading a journal from a position on. See docs/journal.md for the rules that this module keeps."""

import os
from pathlib import Path
from typing import NamedTuple, Self
from uuid import UUID

from capture.errors import JournalError
from capture.journal.directory import (
    READ_LOCK,
    WRITE_LOCK,
    InUse,
    Segments,
    identify,
    is_locked,
    lock,
    make_directory,
)
from capture.journal.number import number_behind
from capture.journal.record import LARGEST_RECORD, Position, Record, Stop, unpack_records
from capture.journal.segment import RECORDS_START, Header, find_record, record_number, segment_path
from capture.journal.wake import Wake


class Gap(NamedTuple):
    """The journal does not go on where the position says."""

    lost: int
    """Records between the position and the first one that is still there, by number."""
    detail: str


class Chunk(NamedTuple):
    """What one `read` found."""

    records: list[Record]
    """In order, each with the number after the one before."""
    lost: int
    """Records that are damaged or missing, all of them before `records[0]` if there is one, by number."""
    notes: list[str]
    """What was out of order, in words."""


class JournalReader:
    """The one process that reads a journal for storing. It belongs to one thread."""

    def __init__(self, directory: Path, read_lock: int, journal: UUID) -> None:
        self.id = journal
        self.position = Position(0, 0, 1)
        """Just before the next record to be read."""
        self._directory = directory
        self._lock = read_lock
        self._wake = Wake(directory)
        self._segments = Segments(directory, journal)
        self._header: Header | None = None
        self._descriptor = -1
        self._seen_bytes = 0
        """Size of the current segment when there was nothing whole left to read in it."""
        self._lost = 0
        self._notes = self._segments.notes

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Read the journal in `directory` from its beginning; JournalError when another process reads it."""
        try:
            make_directory(directory)
            read_lock = lock(directory / READ_LOCK, "reader")
        except OSError as error:
            raise JournalError(f"the journal {directory} cannot be opened: {error}") from error
        try:
            return cls(directory, read_lock, identify(directory))
        except JournalError:
            os.close(read_lock)
            raise
        except OSError as error:
            os.close(read_lock)
            raise JournalError(f"the journal {directory} cannot be opened: {error}") from error

    def fileno(self) -> int:
        """Readable when the writer has appended: for those who wait for other things, too."""
        return self._wake.fileno()

    def seek(self, position: Position | None) -> Gap | None:
        """Go on at `position`; None: at the oldest record that is there.

        A gap says that older records are there no more. Its lost ones are counted there and not again by
        `read`.
        """
        self._leave()
        numbers = self._segments.numbers()
        newest = numbers[-1] if numbers else 0
        if position is not None and position.segment > newest:
            self._notes.append(
                f"the position is in segment {position.segment}, the newest is {newest}: files were"
                " taken away; reading all that is there"
            )
            position = Position(0, 0, position.number)
        self.position = position or Position(0, 0, 1)
        here = self._segments.in_use(self.position.segment)
        if here is not None:
            self._enter(here, max(self.position.offset, RECORDS_START))
            return None
        following = self._following()
        if following is None:
            return None
        due = self.position.number
        self._enter_next(following)
        if following.header.first_number is None:
            found = find_record(self._descriptor, following.header.key, RECORDS_START)
            if found is not None:
                self._settle(found.number)
        lost, self._lost = self._lost, 0
        if not lost:
            return None
        return Gap(lost, f"records {due} to {self.position.number - 1} are no longer in the journal")

    def read(self, max_bytes: int = 1 << 20) -> Chunk:
        """The next whole records out of about `max_bytes`; an empty chunk when there is nothing new.

        A chunk ends before a damaged place: so what was lost lies before its first record, and a batch that
        ends at any of its records knows what to count.
        """
        records: list[Record] = []
        try:
            while not self._take(max_bytes, records):
                following = self._following()
                closed = following is not None or not self._is_written()
                # Again, now that this is known: what was appended before the segment was closed is there.
                if self._take(max_bytes, records):
                    break
                if self._skip_damage(closed):
                    continue
                if following is None:
                    break
                self._enter_next(following)
        except OSError as error:
            raise JournalError(f"the journal cannot be read: {error}") from error
        lost, self._lost = self._lost, 0
        notes = self._notes[:]
        self._notes.clear()
        return Chunk(records, lost, notes)

    def wait(self, timeout_s: float) -> bool:
        """Wait until there may be something to read; False when `timeout_s` have passed without."""
        self._wake.clear()
        return self._news() or (self._wake.wait(timeout_s) and self._news())

    @property
    def drained(self) -> bool:
        """Nobody holds the journal for writing, and all that is in it has been read."""
        # In this order: what a writer appends before it lets go is there by then.
        return not self._is_written() and not self._unread()

    def delete_before(self, position: Position) -> int:
        """Delete the segments before that of `position`, once it is committed for good; returns how many.

        The newest segment that tells its first number is kept, and is on disk before an older one goes, so
        that the numbering survives a power loss.
        """
        numbers = self._segments.numbers()
        if not numbers or numbers[0] >= position.segment:
            return 0
        telling = self._segments.newest_telling()
        if telling is None:
            return 0
        old = self._segments.own_before(min(position.segment, telling))
        if old:
            _sync_file(segment_path(self._directory, telling))
        for number in old:
            segment_path(self._directory, number).unlink(missing_ok=True)
        return len(old)

    def close(self) -> None:
        """Let go of the journal. Idempotent."""
        if self._lock >= 0:
            self._leave()
            self._wake.close()
            os.close(self._lock)
            self._lock = -1

    def _take(self, max_bytes: int, records: list[Record]) -> bool:
        """Read whole records at the position, moving it; False when there are none."""
        if self._header is None:
            return False
        segment, offset, due = self.position
        data = os.pread(self._descriptor, max(max_bytes, LARGEST_RECORD), offset)
        read, stop, number = unpack_records(data, self._header.key, offset, due, records)
        if stop is Stop.JUMP and not records:
            self._settle(number)
            read, stop, number = unpack_records(data, self._header.key, offset, number, records)
        if not records:
            self._seen_bytes = offset + len(data)
            return False
        self.position = Position(segment, offset + read, records[-1].number + 1)
        self._seen_bytes = self.position.offset
        return True

    def _skip_damage(self, closed: bool) -> bool:
        """Where no whole record is: go to the next one in this segment; False when there is none."""
        segment, offset, due = self.position
        if self._header is None or (size := self._size()) <= offset:
            return False
        name = segment_path(self._directory, segment).name
        found = find_record(self._descriptor, self._header.key, offset + 1)
        # The writer's bytes may have come in between the two looks; to count those as seen would let `wait`
        # sleep on a record. Behind a record that is all there, they have all come: so what is no record now,
        # is none.
        here = os.pread(self._descriptor, LARGEST_RECORD, offset)
        if not closed and record_number(here, self._header.key, offset) is not None:
            return True
        if found is not None:
            self._notes.append(f"{name}: {found.offset - offset} bytes at {offset} are no whole record")
            self.position = Position(segment, found.offset, due)
            return True
        self._seen_bytes = max(self._seen_bytes, size)
        if closed:
            self._notes.append(
                f"{name}: the last {size - offset} bytes, from {offset} on, are no whole record"
            )
            # The writer counts them alike when it goes on: records that are all there, but damaged.
            behind = number_behind(self._descriptor, self._header.key, offset, due)
            self.position = Position(segment, size, due)
            if behind > due:
                self._settle(behind)
        return False

    def _settle(self, number: int) -> None:
        """The next record is `number`, whatever was expected."""
        due = self.position.number
        if number > due:
            self._lost += number - due
            self._notes.append(f"records {due} to {number - 1} are damaged or missing")
        elif number < due:
            self._notes.append(
                f"records are numbered from {number} again where {due} was due: the last ones had been read,"
                " but were not on disk when the power was lost"
            )
        self.position = self.position._replace(number=number)

    def _enter_next(self, segment: InUse) -> None:
        self._enter(segment, RECORDS_START)
        if segment.header.first_number is not None:
            self._settle(segment.header.first_number)

    def _enter(self, segment: InUse, offset: int) -> None:
        self._leave()
        number = segment.header.number
        self._descriptor = os.open(segment_path(self._directory, number), os.O_RDONLY | os.O_CLOEXEC)
        self._header = segment.header
        self._seen_bytes = offset
        self.position = Position(number, offset, self.position.number)

    def _leave(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._header = -1, None

    def _news(self) -> bool:
        fresh = self._header is not None and self._size() > self._seen_bytes
        return fresh or self._following() is not None

    def _unread(self) -> bool:
        behind = self._header is not None and self._size() > self.position.offset
        return behind or self._following() is not None

    def _following(self) -> InUse | None:
        return self._segments.first_in_use(self.position.segment)

    def _size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def _is_written(self) -> bool:
        return is_locked(self._directory / WRITE_LOCK)


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
