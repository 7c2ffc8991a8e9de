"""The state of the journals on this machine, from the files that intake and workers keep beside them.

Read without disturbing anyone, at any time, whether those processes live or not. Knows nothing of HTTP or of
the database.
"""

import os
import time
from pathlib import Path

import msgspec

from capture.errors import JournalError
from capture.journal.directory import READ_LOCK, WRITE_LOCK, is_locked
from capture.journal.figures import (
    INTAKE_FIGURES,
    RETENTION_ERROR,
    WORKER_FIGURES,
    IntakeFigure,
    Trouble,
    WorkerFigure,
    read_figures,
)
from capture.journal.record import HEAD
from capture.journal.segment import RECORDS_START, segment_numbers, segment_path
from capture.stats import WORKER_OUTCOMES

_TROUBLE = {
    int(Trouble.REFUSED): "has its batches refused by the database: its log says why",
    int(Trouble.NO_PARTITION): "finds no partition for a packet's time, and can make none: its log names it",
}


class Journal(msgspec.Struct, frozen=True):
    """One journal, its intake and its worker. A figure of a file that is not there is 0."""

    name: str
    intake: dict[str, int]
    """By the lower-case names of `IntakeFigure`."""
    worker: dict[str, int]
    """By the lower-case names of `WorkerFigure`."""
    has_intake: bool
    """A living process appends to it."""
    has_worker: bool
    """A living process reads it."""
    bytes: int
    """Of its segment files."""
    waiting: int
    """Packets appended and not yet committed."""
    waiting_us: int
    """How long the oldest of them has been waiting; 0 when none is."""
    retention_error: str = ""
    """Why its worker cannot delete what has been kept long enough; empty when it can."""

    @property
    def received(self) -> int:
        """Packets that came in for this journal, since it was made."""
        # An intake killed right after an append did not show its last.
        return max(self.intake["last_number"] + self.beyond, self.ended) + self.intake["dropped"]

    @property
    def trouble(self) -> str:
        """What keeps the worker from storing, in words that follow its name; empty when nothing does."""
        if self.worker["database_away"]:
            return "cannot write to the database"
        return _TROUBLE.get(self.worker["trouble"], "")

    @property
    def ended(self) -> int:
        """Packets that the worker has brought to an end."""
        return sum(self.worker[outcome.name.lower()] for outcome in WORKER_OUTCOMES)

    @property
    def beyond(self) -> int:
        """How many more packets have ended than there are numbers: `WorkerFigure.BEYOND`."""
        word = self.worker["beyond"]
        return word - (1 << 64) if word >> 63 else word


def read_journals(data_dir: Path) -> list[Journal]:
    """Every journal below a data directory, by name; none when there is no such directory."""
    try:
        directories = sorted(path for path in (data_dir / "journal").iterdir() if path.is_dir())
    except OSError:
        return []
    return [_read_journal(directory) for directory in directories if _is_journal(directory)]


def _is_journal(directory: Path) -> bool:
    return any((directory / name).exists() for name in (INTAKE_FIGURES, WORKER_FIGURES))


def _read_journal(directory: Path) -> Journal:
    # The worker first: what is appended in between makes a moment's lag, never a negative one.
    worker = _figures(directory / WORKER_FIGURES, WorkerFigure)
    intake = _figures(directory / INTAKE_FIGURES, IntakeFigure)
    waiting = max(0, intake["last_number"] + 1 - max(1, worker["number"]))
    return Journal(
        name=directory.name,
        intake=intake,
        worker=worker,
        has_intake=is_locked(directory / WRITE_LOCK),
        has_worker=is_locked(directory / READ_LOCK),
        bytes=_size(directory),
        waiting=waiting,
        waiting_us=_waiting_us(directory, worker, intake) if waiting else 0,
        retention_error=_retention_error(directory) if worker["retention_failing_us"] else "",
    )


def latest_survey(journals: list[Journal]) -> dict[str, int]:
    """The figures of the worker that asked last what is stored; empty when none ever has."""
    latest = max(journals, key=lambda journal: journal.worker["survey_us"], default=None)
    return latest.worker if latest is not None and latest.worker["survey_us"] else {}


def _retention_error(directory: Path) -> str:
    try:
        return (directory / RETENTION_ERROR).read_text(errors="replace")
    except OSError:
        return "no words are left"


def _figures(path: Path, layout: type[IntakeFigure] | type[WorkerFigure]) -> dict[str, int]:
    zeros = {figure.name.lower(): 0 for figure in layout}
    try:
        return zeros | read_figures(path)
    except JournalError:
        return zeros


def _size(directory: Path) -> int:
    size = 0
    for number in _segments(directory):
        try:
            size += segment_path(directory, number).stat().st_size
        except OSError:
            continue
    return size


def _segments(directory: Path) -> list[int]:
    try:
        return segment_numbers(directory)
    except OSError:
        return []


def _waiting_us(directory: Path, worker: dict[str, int], intake: dict[str, int]) -> int:
    """Since the first record not committed arrived, or the newest if that one cannot be found."""
    arrival_us = _arrival_us(directory, worker["segment"], worker["offset"], max(1, worker["number"]))
    arrival_us = arrival_us or intake["last_arrival_us"]
    return max(0, time.time_ns() // 1000 - arrival_us) if arrival_us else 0


def _arrival_us(directory: Path, segment: int, offset: int, number: int) -> int:
    """When record `number` arrived: it is at that place or heads one of the next segments; 0: not found."""
    places = [(segment, offset)] if segment else []
    # Two behind suffice: a position at the end of a segment goes on in the next one that was used.
    places += [(later, RECORDS_START) for later in _segments(directory) if later > segment][:2]
    for where, at in places:
        try:
            descriptor = os.open(segment_path(directory, where), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            head = os.pread(descriptor, HEAD.size, at)
        finally:
            os.close(descriptor)
        if len(head) == HEAD.size:
            _, _, found, arrival_us, *_ = HEAD.unpack(head)
            if found == number:
                return int(arrival_us)
    return 0
