"""A worker's life: sessions one after the other, each ended by whatever goes wrong with the database.

Only the order of starting and stopping, and what happens after a rollback: the next session goes on from the
stored position with nothing remembered.
"""

import gc
import logging
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

from capture.back_off import BackOff
from capture.errors import (
    BatchRefused,
    DatabaseAway,
    JournalError,
    PartitionMissing,
    PositionMoved,
    SchemaMismatch,
)
from capture.journal.figures import FigureFile, Trouble, WorkerFigure
from capture.journal.reader import JournalReader
from capture.journal.segment import read_record_at
from capture.mark import PacketMark, ScriptDeath
from capture.script_report_files import filters_directory, report_none
from capture.stop_signals import obey_signals
from capture.store.bridge import LoopThread
from capture.training import Training
from capture.worker.options import WorkerOptions
from capture.worker.session import Session

if TYPE_CHECKING:
    from capture.scripts.worker_filters import WorkerFilters

log = logging.getLogger(__name__)

_MISSING_IN_VAIN = 3
"""A partition that is missing for so many batches in a row is not just being made or dropped."""
_HANG_S = 2.0
"""How much longer the last commit may take, before the database is taken to hang."""


def run(options: WorkerOptions) -> None:
    """Work until SIGTERM or SIGINT, or, with `until_drained`, until the journal is empty.

    JournalError if another worker holds the journal; SchemaMismatch if the database is not for this code.
    """
    stop = threading.Event()
    obey_signals(stop, options.drain_s + _HANG_S)
    # Per-packet values hold no cycles, so what the collector would look through is only what lives for ever.
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
    with closing(JournalReader.open(options.journal_dir)) as reader:
        Worker(options, reader, stop).run()


class Worker:
    """One journal's worker. `run` holds the order of things."""

    def __init__(self, options: WorkerOptions, reader: JournalReader, stop: threading.Event) -> None:
        self.options = options
        self.reader = reader
        self.stop = stop
        self.figures = FigureFile.open(options.journal_dir / "worker.figures", WorkerFigure, reader.id)
        self.mark = PacketMark(self.figures.words)
        death = self.mark.find_script_death()
        self.lethal = self.mark.find_lethal()
        """(segment, offset) of a packet that has ended two workers."""
        # Only now: a script that does not come back while it is loaded is not at the packet of the last life.
        self.filters = self._start_filters(death)
        self.training = Training(options.database_url, options.storage, trains=not options.until_drained)

    def _start_filters(self, death: ScriptDeath | None) -> "WorkerFilters | None":
        options = self.options
        if options.lua_dir is None and not options.filters.examples:
            self._report_no_filters()
            return None
        # Only here: without scripts a worker is up sooner.
        from capture.scripts.worker_filters import WorkerFilters

        filters = WorkerFilters(options.lua_dir, options.filters, options.journal_dir, self.figures.words)
        filters.start(death, self._received)
        return filters

    def _report_no_filters(self) -> None:
        journal = self.options.journal_dir
        try:
            report_none(filters_directory(journal), journal.name, time.time_ns() // 1000)
        except JournalError as error:
            log.warning("%s", error)

    def _received(self, place: tuple[int, int]) -> bytes | None:
        record = read_record_at(self.options.journal_dir, *place)
        return None if record is None else record.packet

    def run(self) -> None:
        try:
            self._run()
        finally:
            self.training.stop()
            if self.filters is not None:
                self.filters.stop()

    def _run(self) -> None:
        back_off = BackOff()
        words = self.figures.words
        missing = 0
        while True:
            started, batches = time.monotonic(), words[WorkerFigure.BATCHES]
            try:
                with LoopThread("store") as loop:
                    self._session(loop).run()
                return
            except SchemaMismatch:
                raise
            except (PartitionMissing, PositionMoved) as error:
                log.warning("batch rolled back: %s; going on from the stored position", error)
                missing = missing + 1 if isinstance(error, PartitionMissing) else 0
                if missing >= _MISSING_IN_VAIN:
                    words[WorkerFigure.TROUBLE] = Trouble.NO_PARTITION
            except BatchRefused as error:
                words[WorkerFigure.TROUBLE] = Trouble.REFUSED
                log.error("%s; the journal keeps what comes in", error)
            except DatabaseAway as error:
                words[WorkerFigure.DATABASE_AWAY] = 1
                log.warning("%s; the journal keeps what comes in", error)
            words[WorkerFigure.ROLLBACKS] += 1
            if words[WorkerFigure.BATCHES] > batches:
                missing = 0
            lasted_s = time.monotonic() - started
            if self.stop.wait(back_off.after(lasted_s, committed=words[WorkerFigure.BATCHES] > batches)):
                return

    def _session(self, loop: LoopThread) -> Session:
        return Session(
            self.options,
            self.reader,
            self.stop,
            loop,
            words=self.figures.words,
            mark=self.mark,
            marked=self.lethal,
            filters=self.filters,
            training=self.training,
        )
