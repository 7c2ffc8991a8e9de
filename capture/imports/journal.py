"""The journal that imports go through, one after the other: written by whoever imports, stored by a worker.

A journal of its own, so that nothing of receiving waits for an import. It is small: an import that is ahead
of its being stored waits. So it takes no room that what comes in may need, and stays away from the last free
space of the disk by more than the others do.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from capture.errors import ImportBusy, ImportRefused, ImportStopped, JournalError, JournalFull
from capture.imported import JOURNAL_NAME
from capture.journal.directory import WRITE_LOCK, is_locked, lock, make_directory
from capture.journal.figures import (
    INTAKE_FIGURES,
    WORKER_FIGURES,
    FigureFile,
    IntakeFigure,
    WorkerFigure,
    read_figures,
)
from capture.journal.log import JournalWriter
from capture.journal.record import Arrival
from capture.journal.room import Disk, Room
from capture.settings import ImportSettings, JournalSettings
from capture.stats import WORKER_OUTCOMES

_LOOK_S: Final = 0.1
_SEGMENTS: Final = 8
"""So many make up the journal: what has been stored is given back a segment at a time."""


Stop = Callable[[], bool]
"""Whether the import is to stop, asked now and then."""


class Outcomes(NamedTuple):
    """What became of packets once they left the journal."""

    written: int
    others: dict[str, int]
    """By the outcome, those that there were."""


class ImportJournal:
    """The journal while one import appends to it."""

    def __init__(self, writer: JournalWriter, figures: FigureFile, directory: Path, stalled_s: float) -> None:
        self._writer = writer
        self._words = figures.words
        self._worker_figures = directory / WORKER_FIGURES
        self._stalled_s = stalled_s
        self._words[IntakeFigure.LAST_NUMBER] = writer.last_number
        self._appended_before = self._words[IntakeFigure.APPENDED_BYTES]
        self._first = writer.last_number
        self._before = _ended(self._worker_figures) if self._is_stored() else None
        """None: something of an earlier import is still to be stored, so counts cannot be told apart."""

    @property
    def last_number(self) -> int:
        """Number of the last record."""
        return self._writer.last_number

    def append(self, arrivals: Sequence[Arrival], stop: Stop) -> None:
        """All of them; waits for room. JournalFull when there is none for too long, ImportStopped.

        The number of those appended then is `last_number` less what it was before.
        """
        left = list(arrivals)
        give_up = time.monotonic() + self._stalled_s
        while left:
            done = self._writer.append(left)
            if done:
                self._note(left[done - 1][0])
                left = left[done:]
                give_up = time.monotonic() + self._stalled_s
            elif time.monotonic() > give_up:
                raise JournalFull(
                    "the journal of imports is full, and nothing of it is stored: is the database there, and"
                    " `rhapsode up`, or a worker for the journal `import`? Or the disk is full"
                )
            elif stop():
                raise ImportStopped("the import was stopped")
            else:
                time.sleep(_LOOK_S)
                self._writer.sync()

    def sync(self) -> None:
        """Return when all that was appended is on disk."""
        self._writer.sync()
        self._words[IntakeFigure.SYNCED_US] = self._writer.synced_us

    def outcomes(self, wait_s: float, stop: Stop) -> Outcomes | None:
        """What became of all that was appended; None when that is not known within `wait_s`, or at a stop."""
        appended = self._writer.last_number - self._first
        give_up = time.monotonic() + wait_s
        while self._before is not None:
            ended = {name: count - self._before[name] for name, count in _ended(self._worker_figures).items()}
            if sum(ended.values()) >= appended:
                written = ended.pop("written")
                return Outcomes(written, {name: count for name, count in ended.items() if count})
            if time.monotonic() > give_up or stop():
                return None
            time.sleep(_LOOK_S)
        return None

    def _is_stored(self) -> bool:
        return is_stored_to(self._worker_figures, self._writer.last_number)

    def _note(self, arrival_us: int) -> None:
        words = self._words
        words[IntakeFigure.LAST_NUMBER] = self._writer.last_number
        words[IntakeFigure.LAST_ARRIVAL_US] = arrival_us
        words[IntakeFigure.APPENDED_BYTES] = self._appended_before + self._writer.appended_bytes


@contextmanager
def open_import_journal(
    data_dir: Path, journal: JournalSettings, imports: ImportSettings
) -> Iterator[ImportJournal]:
    """The journal, made when missing; ImportBusy while another import appends to it."""
    directory = data_dir / "journal" / JOURNAL_NAME
    refuse_foreign(data_dir)
    if is_locked(directory / WRITE_LOCK):
        raise ImportBusy("another import is going on: try again when it is done")
    with closing(JournalWriter.open(directory, _settings(data_dir, journal, imports))) as writer:
        file = FigureFile.open(directory / INTAKE_FIGURES, IntakeFigure, writer.id)
        with closing(file):
            yield ImportJournal(writer, file, directory, imports.stalled_s)


@contextmanager
def quiet_journal(data_dir: Path) -> Iterator[Callable[[int], bool]]:
    """While nobody imports; gives what tells whether the record of a number is stored.

    ImportBusy while an import is going on.
    """
    directory = data_dir / "journal" / JOURNAL_NAME
    refuse_foreign(data_dir)
    make_directory(directory)
    if is_locked(directory / WRITE_LOCK):
        raise ImportBusy("an import is going on: try again when it is done")
    descriptor = lock(directory / WRITE_LOCK, "writer")
    try:
        yield lambda number: is_stored_to(directory / WORKER_FIGURES, number)
    finally:
        os.close(descriptor)


def last_appended(data_dir: Path) -> int:
    """Number of the last record of the journal."""
    try:
        figures = read_figures(data_dir / "journal" / JOURNAL_NAME / INTAKE_FIGURES)
    except JournalError:
        return 0
    return figures[IntakeFigure.LAST_NUMBER.name.lower()]


def is_stored_to(worker_figures: Path, number: int) -> bool:
    """Whether the record of this number, and all before it, have left the journal."""
    if number == 0:
        return True
    try:
        return read_figures(worker_figures)[WorkerFigure.NUMBER.name.lower()] > number
    except JournalError:
        return False


def refuse_foreign(data_dir: Path) -> None:
    """ImportRefused to anybody but the service's account, whose worker could not read another's journal."""
    try:
        owner = data_dir.stat().st_uid
    except OSError as error:
        raise ImportRefused(f"there is no data directory {data_dir}: {error.strerror}") from error
    if owner != os.geteuid():
        raise ImportRefused(
            f"{data_dir} belongs to another account (user id {owner}): import as that, such as by sudo -u"
        )


def _ended(worker_figures: Path) -> dict[str, int]:
    names = [outcome.name.lower() for outcome in WORKER_OUTCOMES]
    try:
        figures = read_figures(worker_figures)
    except JournalError:
        return dict.fromkeys(names, 0)
    return {name: figures[name] for name in names}


def _settings(data_dir: Path, journal: JournalSettings, imports: ImportSettings) -> JournalSettings:
    return journal.model_copy(
        update={
            "max_bytes": imports.journal_bytes,
            "min_free_bytes": 2 * Room(journal, Disk.of(data_dir)).min_free_bytes,
            "segment_bytes": min(journal.segment_bytes, imports.journal_bytes // _SEGMENTS),
        }
    )
