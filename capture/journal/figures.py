"""The figures that a process keeps in an mmap file beside its journal, for others to read at any time.

Fixed layout, little-endian: a header of 64 bytes, then one aligned 64-bit word a figure. A reader never
blocks a writer. Words are added at the end of an enumeration only, so that a file outlives an update of the
program. Knows nothing of Prometheus or HTTP.
"""

import mmap
import os
from enum import IntEnum, auto
from pathlib import Path
from struct import Struct
from typing import Self
from uuid import UUID
from zlib import crc32

from capture.errors import JournalError
from capture.journal.directory import make_directory, write_whole


class _Word(IntEnum):
    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[int]) -> int:
        return count


class IntakeFigure(_Word):
    """Words of `intake.figures`, one file a journal."""

    LAST_NUMBER = auto()
    """Number of the last whole record appended."""
    DROPPED = auto()
    """Packets for which there was no room; survives restarts."""
    APPENDED_BYTES = auto()
    KERNEL_DROPS = auto()
    """Datagrams the kernel dropped, over all restarts; only the first journal's file counts them."""
    RECEIVE_BUFFER_BYTES = auto()
    """What the kernel granted."""
    CONNECTIONS = auto()
    """TCP connections now open."""
    CONNECTIONS_TOTAL = auto()
    CONNECTIONS_REFUSED = auto()
    RUBBISH_BYTES = auto()
    """Bytes on TCP that were no frame."""
    LAST_ARRIVAL_US = auto()
    SYNCED_US = auto()
    """When the journal was last synced."""
    FULL = auto()
    """1 while there is no room."""
    SOCKETS = auto()
    """Which sockets `SOCKETS_DROPS` is of; others begin to count at 0."""
    SOCKETS_DROPS = auto()
    """How many drops of these sockets are in `KERNEL_DROPS`."""


class WorkerFigure(_Word):
    """Words of `worker.figures`, one file a journal. Outcome counts are those of the last commit."""

    MARK = auto()
    """segment << 32 | offset of the packet being decoded, 0 while waiting or committing."""
    MARK_SCRIPT = auto()
    """What stands for the script that runs on that packet (`capture.scripts.runner.script_mark`); 0: none."""
    DEATH = auto()
    """The mark that the last death was found at."""
    DEATHS = auto()
    """How many deaths in a row at that mark."""
    SEGMENT = auto()
    OFFSET = auto()
    NUMBER = auto()
    """The committed position: number of the next record."""
    WRITTEN = auto()
    FILTERED = auto()
    DUPLICATE = auto()
    REFUSED = auto()
    MALFORMED = auto()
    FAILED = auto()
    MALFORMED_SHORT = auto()
    MALFORMED_MAGIC = auto()
    MALFORMED_LENGTH = auto()
    MALFORMED_CHUNK = auto()
    MALFORMED_INFLATE = auto()
    MALFORMED_STREAM = auto()
    """Malformed packets by `HepError.reason`. The database holds the counts above, not these: a packet
    that is read again because the database lost its last commits counts twice here."""
    BATCHES = auto()
    BATCH_ROWS = auto()
    BATCH_SECONDS_US = auto()
    """Sum of the times from a batch's first statement to its commit."""
    ROLLBACKS = auto()
    DATABASE_AWAY = auto()
    """1 while the database cannot be reached."""
    LAST_COMMIT_US = auto()
    LAG_US = auto()
    """Arrival of the last committed packet to its commit."""
    FILTERED_EXPIRED = auto()
    FILTERED_KEEP_ALIVE = auto()
    """Filtered packets by reason; may count twice like the malformed ones."""
    LEAVES_DROPPED = auto()
    """Pairs of partitions that this worker has deleted because their retention was over."""
    RETENTION_US = auto()
    """When this worker last saw that nothing is kept too long."""
    RETENTION_FAILING_US = auto()
    """Since when it has not been able to delete what is to go; 0 while it is."""
    SURVEY_US = auto()
    """When this worker last asked what is stored: the words below, by the names of `[retention]`."""
    OLDEST_CALL_US = auto()
    OLDEST_REGISTRATION_US = auto()
    OLDEST_OTHER_US = auto()
    OLDEST_RTCP_US = auto()
    OLDEST_REPORTS_US = auto()
    OLDEST_LOGS_US = auto()
    OLDEST_ISUP_US = auto()
    OLDEST_DNS_US = auto()
    """Capture time of the oldest message; 0: there is none."""
    STORED_CALL_BYTES = auto()
    STORED_REGISTRATION_BYTES = auto()
    STORED_OTHER_BYTES = auto()
    STORED_RTCP_BYTES = auto()
    STORED_REPORTS_BYTES = auto()
    STORED_LOGS_BYTES = auto()
    STORED_ISUP_BYTES = auto()
    STORED_DNS_BYTES = auto()
    DICTIONARY = auto()
    """Id of the payload dictionary that new rows are compressed with."""
    TROUBLE = auto()
    """Why nothing is stored although the database can be reached, a `Trouble`."""
    BEYOND = auto()
    """Outcomes less the numbers given, as a signed word. Above 0: packets that are stored and that the
    journal has lost with the machine's power, their numbers given again; below: those of before this database
    knew it."""
    FILTERED_SCRIPT = auto()
    SCRIPT_ENDED = auto()
    """1: the watchdog ended the worker, because that script did not come back."""


class Trouble(IntEnum):
    """What keeps a worker from storing, beside a database that is away."""

    NONE = 0
    REFUSED = 1
    """The database refuses whole batches."""
    NO_PARTITION = 2
    """No partition of ours takes a packet's time, and none can be made."""


INTAKE_FIGURES = "intake.figures"
WORKER_FIGURES = "worker.figures"
RETENTION_ERROR = "retention.error"
"""Beside them while a worker cannot delete what is to go: why, in words."""

_HEADER_BYTES = 64
_HEADER = Struct("<8sIIII16s")
"""Magic, version, role, count of words, CRC-32 of their names joined by commas, journal id; then the pid."""
_MAGIC = b"RHAPFIGS"
_VERSION = 1
_PID = Struct("<Q")
_PID_OFFSET = 40
_WORD_BYTES = 8
_ROLES: dict[int, type[IntEnum]] = {1: IntakeFigure, 2: WorkerFigure}


class FigureFile:
    """The figures of this process: `words[IntakeFigure.DROPPED] += 1`.

    They are in the page cache at once: they survive the death of the process, not that of the machine.
    """

    def __init__(self, mapped: mmap.mmap, notes: list[str]) -> None:
        self.notes = notes
        """Why the file was made anew, in words."""
        self._mapped = mapped
        self._whole = memoryview(mapped)
        self._body = self._whole[_HEADER_BYTES:]
        self.words = self._body.cast("Q")
        """One unsigned 64-bit word a figure, by the enumeration's value; one thread may change a word."""

    @classmethod
    def open(cls, path: Path, figures: type[IntEnum], journal: UUID) -> Self:
        """Go on with the figures in `path`; zeros when it is no file of this journal and kind."""
        notes: list[str] = []
        try:
            make_directory(path.parent)
            kept = b""
            if path.exists():
                data = path.read_bytes()
                why = _misfit(data, figures, journal)
                if why:
                    notes.append(f"{path} begins anew: {why}")
                else:
                    kept = data[_HEADER_BYTES:]
            if len(kept) != len(figures) * _WORD_BYTES:
                write_whole(path, _header(figures, journal) + kept.ljust(len(figures) * _WORD_BYTES, b"\0"))
            with path.open("r+b") as file:
                mapped = mmap.mmap(file.fileno(), _HEADER_BYTES + len(figures) * _WORD_BYTES)
        except OSError as error:
            raise JournalError(f"the figures {path} cannot be kept: {error}") from error
        _PID.pack_into(mapped, _PID_OFFSET, os.getpid())
        return cls(mapped, notes)

    def close(self) -> None:
        """Let go of the file; `words` cannot be used any more. Idempotent."""
        for view in (self.words, self._body, self._whole):
            view.release()
        self._mapped.close()


def read_figures(path: Path) -> dict[str, int]:
    """The figures by their names in lower case, and `pid`, that of the process that opened them last.

    JournalError when there is no such file or it has another layout.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise JournalError(f"no figures in {path}: {error}") from error
    figures = _ROLES.get(_HEADER.unpack_from(data)[2]) if len(data) >= _HEADER_BYTES else None
    if figures is None:
        raise JournalError(f"{path} holds no figures")
    why = _misfit(data, figures, None)
    if why:
        raise JournalError(f"{path} cannot be read: {why}")
    words = memoryview(data)[_HEADER_BYTES:].cast("Q")
    # A file of an older program may have fewer words.
    values = {figure.name.lower(): words[figure] if figure < len(words) else 0 for figure in figures}
    return {"pid": _PID.unpack_from(data, _PID_OFFSET)[0], **values}


def _role(figures: type[IntEnum]) -> int:
    return next(role for role, kind in _ROLES.items() if kind is figures)


def _fingerprint(figures: type[IntEnum], count: int) -> int:
    return crc32(",".join(figure.name for figure in list(figures)[:count]).encode())


def _header(figures: type[IntEnum], journal: UUID) -> bytes:
    count = len(figures)
    names = _fingerprint(figures, count)
    head = _HEADER.pack(_MAGIC, _VERSION, _role(figures), count, names, journal.bytes)
    return head.ljust(_HEADER_BYTES, b"\0")


def _misfit(data: bytes, figures: type[IntEnum], journal: UUID | None) -> str:
    """Why `data` are not the figures wanted; empty when they are."""
    if len(data) < _HEADER_BYTES:
        return "it is too short"
    magic, version, role, count, names, owner = _HEADER.unpack_from(data)
    if magic != _MAGIC or version != _VERSION or role != _role(figures):
        return "it is of another kind or format"
    if len(data) != _HEADER_BYTES + count * _WORD_BYTES:
        return f"it is {len(data)} bytes long, with {count} figures"
    if count > len(figures) or names != _fingerprint(figures, count):
        return "it has other figures than this program"
    if journal is not None and owner != journal.bytes:
        return f"it belongs to the journal {UUID(bytes=owner)}"
    return ""
