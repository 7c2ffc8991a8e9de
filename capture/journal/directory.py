"""A journal's directory: its id, its locks, which segments in it are its own and in use.

Knows segments by their headers, not what is in them.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from uuid import UUID, uuid4

from capture.errors import JournalError
from capture.journal.segment import PAGE, Header, read_header, segment_numbers, segment_path

ID_NAME = "journal.id"
WRITE_LOCK = "write.lock"
READ_LOCK = "read.lock"

_LOCK_PATIENCE_S = 0.5
_LOCK_RETRY_S = 0.01


class InUse(NamedTuple):
    """A segment of this journal that has been written to."""

    header: Header
    size: int


def sync_directory(directory: Path) -> None:
    """Make names that were made or changed in `directory` survive a power loss."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, data: bytes) -> None:
    """Make or replace a file so that after any crash it is there whole or as it was."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_directory(path.parent)


def make_directory(directory: Path) -> None:
    """Make a directory with its parents, so that it survives a power loss."""
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    for path in missing:
        sync_directory(path.parent)


def lock(path: Path, holder: str) -> int:
    """Take an exclusive lock and return its descriptor; JournalError that names the process in the way.

    Whoever asks `is_locked` holds the lock for a moment, so one that is held is tried again for half a
    second.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    give_up = time.monotonic() + _LOCK_PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError as error:
            if time.monotonic() < give_up:
                time.sleep(_LOCK_RETRY_S)
                continue
            pid = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise JournalError(f"{path.parent} has a {holder} already: process {pid}") from error
    with contextlib.suppress(OSError):
        # Only for the words above; a full disk is no reason not to start.
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def is_locked(path: Path) -> bool:
    """Whether a living process holds the lock of `path`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # Closing the descriptor gives the lock back.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def identify(directory: Path) -> UUID:
    """The journal's id: made by whoever comes first, from its file and the segment headers afterwards.

    JournalError when file and segments leave no single answer.
    """
    path = directory / ID_NAME
    written = _read_id(path)
    found = {header.journal for header in _headers(directory, segment_numbers(directory))}
    if written is not None:
        if found and written not in found:
            others = ", ".join(sorted(map(str, found)))
            raise JournalError(f"{path} says {written}, but the segments beside it are of {others}")
        return written
    if len(found) > 1:
        raise JournalError(
            f"{directory} has segments of several journals and no {ID_NAME}: move away what is not its own"
            f" ({', '.join(sorted(map(str, found)))})"
        )
    return _write_id(path, found.pop() if found else uuid4())


def _read_id(path: Path) -> UUID | None:
    try:
        return UUID(path.read_text("ascii").strip())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise JournalError(f"{path} holds no journal id; without that file the segments tell it") from error


def _write_id(path: Path, journal: UUID) -> UUID:
    """Writer and reader may come first at the same moment: the link of only one of them is made."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{uuid4().hex}")
    with temporary.open("w", encoding="ascii") as file:
        file.write(f"{journal}\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)
    except FileExistsError:
        journal = _read_id(path) or journal
    finally:
        temporary.unlink()
    sync_directory(path.parent)
    return journal


def _headers(directory: Path, numbers: Iterable[int]) -> Iterable[Header]:
    for number in numbers:
        header = open_header(segment_path(directory, number))
        if header is not None:
            yield header


def open_header(path: Path) -> Header | None:
    """The header of a segment file; None when it has none or the file has gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return read_header(descriptor)
    except JournalError as error:
        raise JournalError(f"{path}: {error}") from error
    finally:
        os.close(descriptor)


class Segments:
    """The segments of one journal in its directory, as they come and go."""

    def __init__(self, directory: Path, journal: UUID) -> None:
        self._directory = directory
        self._journal = journal
        self._ignored: set[int] = set()
        self.notes: list[str] = []
        """What was found out of order; whoever shows them takes them away."""

    def numbers(self) -> list[int]:
        """Of all segment files, also of those that are not this journal's."""
        return segment_numbers(self._directory)

    def first_in_use(self, after: int) -> InUse | None:
        """The oldest segment in use with a greater number than `after`."""
        for number in self.numbers():
            if number > after and (segment := self.in_use(number)) is not None:
                return segment
        return None

    def in_use(self, number: int) -> InUse | None:
        """Segment `number`, if it is this journal's and anything was written behind its header."""
        path = segment_path(self._directory, number)
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            return None
        if size <= PAGE or number in self._ignored:
            return None
        header = open_header(path)
        if header is None:
            self._ignore(number, "neither of its headers can be read, nor any record without them")
        elif header.journal != self._journal:
            self._ignore(number, f"it belongs to the journal {header.journal}")
        elif header.number != number:
            self._ignore(number, f"it is a copy of segment {header.number}")
        else:
            return InUse(header, size)
        return None

    def newest_telling(self) -> int | None:
        """The newest segment in use that tells the number of its first record."""
        for number in reversed(self.numbers()):
            segment = self.in_use(number)
            if segment is not None and segment.header.first_number is not None:
                return number
        return None

    def own_before(self, number: int) -> list[int]:
        """This journal's older segments, used or not; not those that are another's or cannot be read."""
        return [n for n in self.numbers() if n < number and self._is_own(n)]

    def _is_own(self, number: int) -> bool:
        path = segment_path(self._directory, number)
        header = open_header(path)
        if header is None:
            # A writer was killed while it made this one.
            return path.exists() and path.stat().st_size < PAGE
        return header.journal == self._journal and header.number == number

    def _ignore(self, number: int, why: str) -> None:
        self._ignored.add(number)
        self.notes.append(f"{segment_path(self._directory, number).name} is left out: {why}")
