"""Appending to a journal. See docs/journal.md for the rules that this module keeps."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Self
from uuid import UUID

from capture.errors import JournalError
from capture.journal.directory import WRITE_LOCK, Segments, identify, lock, make_directory
from capture.journal.number import last_number
from capture.journal.record import LARGEST_RECORD, MAX_PACKET_BYTES, OVERHEAD, Arrival, pack_records
from capture.journal.segment import RECORDS_START
from capture.journal.syncing import OpenSegment, Syncing
from capture.journal.wake import Wake
from capture.settings import JournalSettings

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SHARE = 4
"""A segment takes this part of the room at most, and so the newest one, which is never deleted, cannot hold
all of it: that would be full for ever, however much of it has been stored."""
_SMALLEST_SEGMENT = 64 * 1024


class JournalWriter:
    """The one process that appends to a journal. `append` belongs to one thread and waits for no disk."""

    def __init__(
        self, directory: Path, settings: JournalSettings, write_lock: int, journal: UUID, number: int
    ) -> None:
        self.id = journal
        self.last_number = number
        """Number of the last whole record, 0 when there never was one."""
        self.notes: list[str] = []
        """What was found out of order when the journal was opened."""
        self._segment_bytes = settings.segment_bytes
        self._lock = write_lock
        self._wake = Wake(directory)
        self._syncing = Syncing(directory, journal, settings)
        self._syncing.start()

    @classmethod
    def open(cls, directory: Path, settings: JournalSettings) -> Self:
        """Make or go on with the journal in `directory`; JournalError when another process writes it."""
        try:
            make_directory(directory)
            write_lock = lock(directory / WRITE_LOCK, "writer")
        except OSError as error:
            raise JournalError(f"the journal {directory} cannot be opened: {error}") from error
        try:
            journal = identify(directory)
            segments = Segments(directory, journal)
            writer = cls(directory, settings, write_lock, journal, last_number(directory, segments))
        except JournalError:
            os.close(write_lock)
            raise
        except OSError as error:
            os.close(write_lock)
            raise JournalError(f"the journal {directory} cannot be opened: {error}") from error
        writer.notes = segments.notes
        return writer

    @property
    def full(self) -> bool:
        """Whether there is no room for one more record of the largest size."""
        return self._syncing.room.left(self._syncing.written) < LARGEST_RECORD

    @property
    def appended_bytes(self) -> int:
        """Bytes written since this writer was opened."""
        return self._syncing.written

    @property
    def synced_us(self) -> int:
        """All that had been appended then is on disk; microseconds since the Unix epoch, 0: not yet."""
        return self._syncing.synced_us

    @property
    def max_bytes(self) -> int:
        """The byte limit in force."""
        return self._syncing.room.max_bytes

    @property
    def min_free_bytes(self) -> int:
        """The free-space floor in force."""
        return self._syncing.room.min_free_bytes

    def append(self, arrivals: Sequence[Arrival]) -> int:
        """Append in one write a segment, and return how many fitted: fewer than given means that there is no
        room.

        JournalError when the disk refuses for another reason; nothing of `arrivals` was appended then.
        """
        if self._syncing.failure is not None:
            raise JournalError(f"the journal cannot be synced: {self._syncing.failure}")
        done = 0
        try:
            while done < len(arrivals) and (fitted := self._append_some(arrivals, done)):
                done += fitted
        except OSError as error:
            if error.errno in _NO_ROOM:
                self._syncing.room.exhaust(self._syncing.written)
            elif not done:
                # With some appended already the caller has to know of these: then the next call raises.
                raise JournalError(f"the journal cannot be written: {error}") from error
        if done:
            self._wake.poke()
        return done

    def _append_some(self, arrivals: Sequence[Arrival], start: int) -> int:
        """One write into one segment; 0 when there is no room. OSError leaves nothing of it behind."""
        syncing = self._syncing
        left = syncing.room.left(syncing.written)
        needed = OVERHEAD + len(arrivals[start][4])
        if needed > LARGEST_RECORD:
            if start:
                return 0
            raise JournalError(
                f"a packet of {needed - OVERHEAD} bytes; at most {MAX_PACKET_BYTES} can be kept"
            )
        segment = syncing.current
        if segment is None or self._is_used_up(segment, needed):
            if needed > left:
                return 0
            segment = syncing.next_segment()
        if not segment.used:
            left -= RECORDS_START
            segment.limit = min(self._segment_bytes, max(left // _SHARE, _SMALLEST_SEGMENT))
        # A segment takes one record at least, however small its limit.
        room = min(left, max(segment.limit - segment.end, needed))
        parts = pack_records(arrivals, start, segment.key, segment.end, self.last_number + 1, room)
        if not parts:
            return 0
        if not segment.used:
            segment.use(self.last_number + 1)
            syncing.written += RECORDS_START
        return self._write(segment, parts)

    def _is_used_up(self, segment: OpenSegment, needed: int) -> bool:
        return segment.spent or (segment.used and segment.end + needed > segment.limit)

    def _write(self, segment: OpenSegment, parts: list[bytes]) -> int:
        data = b"".join(parts)
        try:
            written = os.pwrite(segment.descriptor, data, segment.end)
        except OSError:
            self._cut_back(segment)
            raise
        count = len(parts) // 2
        if written < len(data):
            count, written = _whole(parts, written)
            segment.end += written
            self._cut_back(segment)
        else:
            segment.end += written
        self.last_number += count
        self._syncing.written += written
        return count

    def _cut_back(self, segment: OpenSegment) -> None:
        """Take away what a failed write may have left; the rest goes into the next segment."""
        segment.spent = True
        try:
            os.ftruncate(segment.descriptor, segment.end)
        except OSError:
            # What is left there is behind the last whole record of a segment that is now closed: a torn tail.
            return

    def sync(self) -> None:
        """Return when all that was appended is on disk, and measure the room anew.

        JournalError when the disk refuses.
        """
        try:
            self._syncing.sync()
            self._syncing.measure()
        except OSError as error:
            raise JournalError(f"the journal cannot be synced: {error}") from error

    def close(self) -> None:
        """Sync and let go of the journal. Idempotent."""
        if self._lock < 0:
            return
        descriptor, self._lock = self._lock, -1
        try:
            self._syncing.stop()
        except OSError as error:
            raise JournalError(f"the journal cannot be synced: {error}") from error
        finally:
            self._wake.poke()
            self._wake.close()
            os.close(descriptor)


def _whole(parts: list[bytes], written: int) -> tuple[int, int]:
    """How many whole records are in the first `written` bytes of `parts`, and their length."""
    count = end = 0
    for record, checksum in zip(parts[::2], parts[1::2], strict=True):
        after = end + len(record) + len(checksum)
        if after > written:
            break
        count, end = count + 1, after
    return count, end
