"""The thread beside a journal's writer: it makes segments ahead of need, syncs them, and measures the room
left.

So that nothing which waits for a disk is done by the thread that receives.
"""

import contextlib
import errno
import os
import time
from collections import deque
from pathlib import Path
from threading import Event, Lock, Thread
from uuid import UUID

from capture.journal.directory import sync_directory
from capture.journal.room import Disk, Room
from capture.journal.segment import (
    PAGE,
    RECORDS_START,
    Header,
    new_header,
    pack_header,
    pack_use,
    segment_numbers,
    segment_path,
)
from capture.settings import JournalSettings


class OpenSegment:
    """A segment made in this run, to be written by it."""

    def __init__(self, path: Path, descriptor: int, header: Header) -> None:
        self.path = path
        self.descriptor = descriptor
        self.header = header
        self.key = header.key
        self.end = RECORDS_START
        """Offset behind the last whole record."""
        self.limit = 0
        """How large it may become; set at its first use."""
        self.used = False
        self.spent = False
        """A write failed here in a way that may happen again: go on in the next."""

    def use(self, first_number: int) -> None:
        """Write the block of the first use, which says that all older segments are closed."""
        block = pack_use(self.header, first_number)
        self.used = self.spent = True
        _write_whole(self.descriptor, block, PAGE)
        self.spent = False


def make_segment(directory: Path, journal: UUID) -> OpenSegment:
    """A new segment with a name greater than any there, on disk when this returns; OSError when there is no
    room.

    Costs two syncs. A name is never given twice as long as the newest segment is never deleted.
    """
    number = max(segment_numbers(directory), default=0) + 1
    header = new_header(number, journal, time.time_ns() // 1000)
    path = segment_path(directory, number)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        _write_whole(descriptor, pack_header(header), 0)
        os.fsync(descriptor)
        sync_directory(directory)
    except OSError:
        os.close(descriptor)
        path.unlink()
        raise
    return OpenSegment(path, descriptor, header)


def _size(path: Path) -> int:
    """A segment that has been deleted meanwhile has none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _write_whole(descriptor: int, data: bytes, offset: int) -> None:
    if os.pwrite(descriptor, data, offset) < len(data):
        raise OSError(errno.ENOSPC, "only a part was written")


class Syncing:
    """Owns the spare segment and those that are to be synced; `current` belongs to the writer."""

    def __init__(self, directory: Path, journal: UUID, settings: JournalSettings) -> None:
        self._directory = directory
        self._journal = journal
        self._sync_s = settings.sync_s
        self._sizes: dict[str, int] = {}
        self.current: OpenSegment | None = None
        """Where the writer appends; None until there was room for a first segment."""
        self.room = Room(settings, self._disk(), self._others_bytes())
        self.written = 0
        """Bytes that the writer has written in this run; it alone counts here."""
        self.synced_us = 0
        """When all that had been appended was on disk last."""
        self.failure: OSError | None = None
        """The disk refused to sync: the writer says so at its next append."""
        self._making = Lock()
        self._syncing = Lock()
        self._closed: deque[OpenSegment] = deque()
        self._spare: OpenSegment | None = None
        self._wanted = Event()
        self._stopping = False
        self._thread = Thread(target=self._run, name="journal-sync", daemon=True)

    def start(self) -> None:
        """Let the thread do a round now, each time a segment is used up, and every `sync_s`."""
        with contextlib.suppress(OSError):
            # A disk that is full already is no reason not to start: what comes in is counted as dropped.
            self.next_segment()
        self._wanted.set()
        self._thread.start()

    def round(self) -> None:
        """What the thread does each time; OSError when the disk refuses to sync."""
        self._make_spare()
        self.sync()
        self.measure()

    def next_segment(self) -> OpenSegment:
        """Close the current segment and go on in the spare one; OSError when there is no room for one.

        If the spare is not ready, it is made (or waited for) here and now: two syncs while nothing is
        received.
        """
        with self._making:
            segment = self._spare or make_segment(self._directory, self._journal)
            self._spare = None
        if self.current is not None:
            self._closed.append(self.current)
        self.current = segment
        self._wanted.set()
        return segment

    def sync(self) -> None:
        """Bring all that was appended before this call to disk."""
        try:
            self._sync()
        except OSError as error:
            self.failure = error
            raise

    def _sync(self) -> None:
        with self._syncing:
            begun_us = time.time_ns() // 1000
            # The current one first: the writer puts it among the closed ones before it takes another, so that
            # whatever was appended before is found in one of the two places; and only this method closes a
            # descriptor.
            current = self.current
            if current is not None:
                os.fdatasync(current.descriptor)
            for _ in range(len(self._closed)):
                segment = self._closed[0]
                os.fdatasync(segment.descriptor)
                self._closed.popleft()
                os.close(segment.descriptor)
            self.synced_us = begun_us

    def measure(self) -> None:
        """Compare the arithmetic with the disk: the reader deletes segments, others fill the disk."""
        written = self.written
        self.room.measure(self._disk(), written)

    def stop(self) -> None:
        """End the thread, sync, close the files and take away the segments that were never used."""
        self._stopping = True
        self._wanted.set()
        if self._thread.is_alive():
            self._thread.join()
        try:
            self.sync()
        finally:
            for segment in filter(None, (*self._closed, self._spare, self.current)):
                os.close(segment.descriptor)
                if not segment.used:
                    # No reader enters a segment before its first use, so no position can name this one.
                    segment.path.unlink(missing_ok=True)
            self._closed.clear()
            self._spare = None

    def _run(self) -> None:
        while not self._stopping:
            self._wanted.wait(self._sync_s)
            self._wanted.clear()
            try:
                self.round()
            except OSError as error:
                self.failure = self.failure or error

    def _make_spare(self) -> None:
        with self._making:
            if self._spare is None:
                try:
                    self._spare = make_segment(self._directory, self._journal)
                except OSError:
                    # No room, most likely: tried again in the next round, and the writer reports it when it
                    # matters.
                    return

    def _others_bytes(self) -> int:
        """What the journals beside this one hold, those of other workers and those left over."""
        return sum(
            _size(path)
            for path in self._directory.parent.glob("*/*.segment")
            if path.parent.name != self._directory.name
        )

    def _disk(self) -> Disk:
        # Segments before the current one grow no more, and a backlog may have thousands: their sizes are
        # kept.
        growing = "" if self.current is None else self.current.path.name
        sizes: dict[str, int] = {}
        kept: dict[str, int] = {}
        for name in os.listdir(self._directory):  # noqa: PTH208
            if not name.endswith(".segment"):
                continue
            size = self._sizes.get(name)
            sizes[name] = size = _size(self._directory / name) if size is None else size
            if name < growing:
                kept[name] = size
        self._sizes = kept
        return Disk.of(self._directory, sum(sizes.values()))
