"""The worker: journal → pipeline → database, one batch being stored while the next is decoded.

Only the wiring, the start and stop order, and what happens after a rollback. A session is one run of batches
over one database connection; whatever goes wrong with the database ends it, and the next one goes on from the
stored position with nothing remembered. Holds no packet logic.
"""

import gc
import logging
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from capture.back_off import BackOff
from capture.committed import CommittedFigures
from capture.errors import (
    BatchRefused,
    DatabaseAway,
    JournalError,
    PartitionMissing,
    PositionMoved,
    SchemaMismatch,
    StoreError,
)
from capture.imported import JOURNAL_NAME, LABEL, REPORTS_DIR, Labels
from capture.journal.aside import set_aside
from capture.journal.figures import FigureFile, Trouble, WorkerFigure
from capture.journal.reader import JournalReader
from capture.journal.record import Position, Record
from capture.journal.segment import read_record_at
from capture.keys import KeyMemory, keyed_rules
from capture.lethal import REASON, Place, find_lethal, lethal_places
from capture.mark import PacketMark, ScriptDeath
from capture.pipeline import STRIDE, Pipeline, Rows
from capture.rounds import RetentionRounds
from capture.route import MessageClass
from capture.script_names import KnownNames
from capture.script_report_files import filters_directory, report_none
from capture.settings import (
    AcceptSettings,
    FilterSettings,
    HepSettings,
    RetentionSettings,
    SipSettings,
    StorageSettings,
)
from capture.stats import Outcome
from capture.stop_signals import obey_signals
from capture.store.batch import Batch
from capture.store.bridge import LoopThread
from capture.store.codec import Dictionary, PayloadCodec
from capture.store.partitions import Leaf, PartitionMap
from capture.store.writer import Writer
from capture.training import Store, Training

if TYPE_CHECKING:
    from capture.scripts.worker_filters import WorkerFilters

log = logging.getLogger(__name__)

_IDLE_S = 0.5
"""Longest sleep without a look at the stop flag; the journal's FIFO ends it at once."""
_MISSING_IN_VAIN = 3
"""A partition that is missing for so many batches in a row is not just being made or dropped."""
_GATHER_S = 0.02
"""What comes in meanwhile is read together while a batch fills: to be woken by each of intake's writes costs
more than the packets do."""
_HANG_S = 2.0
"""How much longer the last commit may take, before the database is taken to hang."""
_BATCH_BYTES = 16 * 1024 * 1024
"""Of journal, and of what scripts add to it, in one batch. What is made of it is held several times over:
2,000 packets of 64 KiB would take 1.5 GB of memory."""
_HOUSEKEEPING_S = 60.0


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """All that a worker needs."""

    journal_dir: Path
    database_url: str = field(repr=False)
    storage: StorageSettings = field(default_factory=StorageSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    sip: SipSettings = field(default_factory=SipSettings)
    hep: HepSettings = field(default_factory=HepSettings)
    accept: AcceptSettings = field(default_factory=AcceptSettings)
    lua_dir: Path | None = None
    """Directory of the operator's filter scripts."""
    filters: FilterSettings = field(default_factory=FilterSettings)
    until_drained: bool = False
    """End once the journal holds nothing more and no intake writes to it."""
    drain_s: float = 4.0
    """How long a worker told to stop goes on with what the journal holds; the rest waits for its next start,
    in seconds."""


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
                    _Session(self, loop).run()
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


class _Session:
    """One connection's run of batches, and everything that is forgotten with it."""

    def __init__(self, worker: Worker, loop: LoopThread) -> None:
        self._options = worker.options
        self._reader = worker.reader
        self._aside = worker.options.journal_dir.parent / "aside"
        self._labels = Labels(worker.options.journal_dir.parent / JOURNAL_NAME / REPORTS_DIR)
        self._words = worker.figures.words
        self._mark = worker.mark
        self._marked = worker.lethal
        self._lethal: frozenset[Place] = frozenset()
        self._stop = worker.stop
        self._filters = worker.filters
        self._training = worker.training
        self._loop = loop
        self._writer = Writer(worker.options.database_url, worker.options.storage)
        self._partitions = PartitionMap()
        self._noted: set[Leaf] = set()
        self._keying = 0
        self._dictionary = Dictionary(0, b"")
        self._records: list[Record] = []
        self._next = 0
        self._expected = 0
        self._position = Position(0, 0, 0)
        self._committed = CommittedFigures(self._words)
        self._commit: tuple[Batch, Rows, list[Record], Future[tuple[int, float]]] | None = None
        self._deadline: float | None = None
        self._housekeeping = 0.0
        self._rounds = RetentionRounds(
            loop,
            worker.options.database_url,
            worker.options.retention,
            self._words,
            worker.options.journal_dir,
        )

    def run(self) -> None:
        """Until told to stop or drained; a StoreError ends it, nothing is lost by that."""
        loop, writer = self._loop, self._writer
        try:
            loop.call(writer.connect())
            self._begin()
            pipeline = self._make_pipeline()
            self._words[WorkerFigure.DATABASE_AWAY] = 0
            while not self._is_over():
                self._keep_house(pipeline)
                self._fill_and_send(pipeline)
            self._settle()
        finally:
            self._mark.clear()
            self._rounds.stop()
            if self._commit is not None:
                # What becomes of it does not matter: the next session asks the database.
                self._commit[3].cancel()
            loop.call(writer.close())

    def _begin(self) -> None:
        """Go to the position that the database holds."""
        reader, writer, loop = self._reader, self._writer, self._loop
        place = f"{socket.gethostname()}:{self._options.journal_dir}"
        stored = loop.call(writer.load_position(reader.id, place))
        gap = reader.seek(stored.position)
        if gap is not None:
            log.error("journal: %s", gap.detail)
        if stored.position is None:
            self._committed.forget()
            loop.call(writer.begin_journal(reader.id, place, reader.position))
        self._position = stored.position or reader.position
        self._lethal = lethal_places(self._aside, reader.id, self._marked, self._position)
        self._expected = self._position.number
        self._committed.begin(self._position, stored.outcomes)
        self._partitions = loop.call(writer.read_partitions())
        self._keying = loop.call(writer.keying_version(keyed_rules(self._options.sip.custom_headers)))

    def _make_pipeline(self) -> Pipeline:
        options = self._options
        names = KnownNames(self._loop.call(self._writer.script_fields()), self._note_name)
        if self._filters is not None:
            self._filters.names = names
        return Pipeline(
            hep=options.hep,
            accept=options.accept,
            sip=options.sip,
            storage=options.storage,
            codec=self._codec(self._loop.call(self._writer.dictionary())),
            find_leaf=self._find_leaf,
            keys=KeyMemory(options.storage.key_memory_calls),
            mark=self._mark,
            give_up=self._give_up,
            filters=None if self._filters is None else self._filters.engine,
            admit_tag=names.admit,
            label_of=self._label_of,
        )

    def _label_of(self, number: int) -> str | None:
        label = self._labels.of(number)
        if label is not None:
            # Before the first row that has it, like any tag.
            self._note_name(LABEL)
        return label

    def _note_name(self, name: str) -> frozenset[str]:
        with self._mark.lifted():
            return self._loop.call(self._writer.note_script_fields([name]))

    def _find_leaf(self, message_class: MessageClass, time_us: int) -> Leaf:
        leaf = self._partitions.find(message_class, time_us)
        if leaf is None or leaf not in self._noted:
            with self._mark.lifted():
                leaf = self._prepare_leaf(leaf, message_class, time_us)
        return leaf

    def _prepare_leaf(self, leaf: Leaf | None, message_class: MessageClass, time_us: int) -> Leaf:
        """Make the leaf if there is none, and note how its keys are made: both wait for the database."""
        if leaf is None:
            leaf = self._loop.call(self._writer.cover(message_class, time_us))
            self._partitions = self._loop.call(self._writer.read_partitions())
        self._loop.call(self._writer.note_keying(leaf, self._keying))
        self._noted.add(leaf)
        return leaf

    def _is_over(self) -> bool:
        if self._stop.is_set():
            if self._deadline is None:
                self._deadline = time.monotonic() + self._options.drain_s
            if time.monotonic() > self._deadline:
                return True
        if self._next < len(self._records):
            return False
        if self._stop.is_set():
            return not self._read()
        return (
            self._options.until_drained
            and not self._read()
            and self._reader.drained
            and self._reader.position[:2] == self._position[:2]
        )

    def _fill_and_send(self, pipeline: Pipeline) -> None:
        """Decode a batch while the one before is being stored, then send it."""
        rows = Rows()
        taken: list[Record] = []
        storage = self._options.storage
        due: float | None = None
        held_bytes = 0
        while len(taken) < storage.batch_rows and held_bytes + rows.added_bytes < _BATCH_BYTES:
            if self._next < len(self._records) or self._read():
                if due is None:
                    due = time.monotonic() + storage.batch_delay_ms / 1000
                held_bytes += self._take(pipeline, rows, taken)
                continue
            if taken:
                wait_s = (due or 0.0) - time.monotonic()
                if wait_s <= 0 or self._stop.wait(min(wait_s, _GATHER_S)):
                    break
            else:
                self._settle()
                if self._stop.is_set() or self._reader.position[:2] != self._position[:2]:
                    break
                self._reader.wait(_IDLE_S)
                # A server that crashed may have lost the last commits: that must not wait for a packet.
                self._writer.check()
                break
        self._settle()
        end = self._end(rows)
        if taken or end[:2] != self._position[:2]:
            self._send(rows, taken, end)

    def _read(self) -> bool:
        """Whether the journal gave more records; called only when all it gave before are taken."""
        chunk = self._reader.read()
        for note in chunk.notes:
            log.error("journal: %s", note)
        self._records, self._next = chunk.records, 0
        return bool(chunk.records)

    def _take(self, pipeline: Pipeline, rows: Rows, taken: list[Record]) -> int:
        """Decode what has been read, up to the batch's end; the journal's bytes that it was."""
        # What scripts make of it is not known before: no more at once than go through the pipeline together.
        room = min(self._options.storage.batch_rows - len(taken), STRIDE)
        part = self._records[self._next : self._next + room]
        self._next += len(part)
        # What one read gives is of one segment and numbered through: damage lies only before it.
        self._count_damaged(part[0].number, rows)
        self._expected = part[-1].number + 1
        start = 0
        for lethal in find_lethal(self._lethal, part):
            pipeline.process(part[start:lethal], len(taken) + start, rows)
            log.error("packet %d has ended two workers and is set aside", part[lethal].number)
            self._set_aside(part[lethal], REASON)
            rows.outcomes[Outcome.FAILED] += 1
            start = lethal + 1
        pipeline.process(part[start:], len(taken) + start, rows)
        taken += part
        return part[-1].end.offset - part[0].offset

    def _count_damaged(self, number: int, rows: Rows) -> None:
        """They are known by the numbers that are missing before `number`."""
        if number > self._expected:
            rows.outcomes[Outcome.FAILED] += number - self._expected
            self._expected = number

    def _give_up(self, record: Record, error: Exception) -> None:
        log.error("packet %d cannot be processed and is set aside", record.number, exc_info=error)
        self._set_aside(record, "cannot be processed")

    def _end(self, rows: Rows) -> Position:
        """Where the batch ends; damaged records before it, with no good one behind them yet, belong to it."""
        if self._next < len(self._records):
            ahead = self._records[self._next]
            return Position(ahead.segment, ahead.offset, self._expected)
        reached = self._reader.position
        self._count_damaged(reached.number, rows)
        return Position(reached.segment, reached.offset, self._expected)

    def _send(self, rows: Rows, taken: list[Record], end: Position) -> None:
        batch = Batch(
            journal=self._reader.id,
            start=self._position,
            end=end,
            outcomes=rows.outcomes,
            leaves=rows.leaves,
            # Once the first commit past a segment's end is durable, the segment may go: its WAL covers all
            # before.
            synchronous=end.segment > self._position.segment,
        )

        def refused(leaf: Leaf, origin: int, error: str) -> None:
            record = taken[origin]
            log.error("packet %d is refused for %s: %s", record.number, leaf.messages_table, error)
            self._set_aside(record, f"refused by the database: {error}")

        self._commit = (batch, rows, taken, self._loop.submit(self._timed_commit(batch, refused)))
        self._position = end

    async def _timed_commit(
        self, batch: Batch, refused: Callable[[Leaf, int, str], None]
    ) -> tuple[int, float]:
        started = time.perf_counter()
        count = await self._writer.commit(batch, refused)
        return count, time.perf_counter() - started

    def _settle(self) -> None:
        """Wait for the batch under way; only now do its effects count."""
        if self._commit is None:
            return
        batch, rows, taken, future = self._commit
        self._commit = None
        refused, seconds = future.result()
        self._committed.add(batch.end, rows, refused, seconds, taken[-1].arrival_us if taken else None)
        if self._marked is not None and batch.end[:2] > self._marked:
            self._mark.survive()
        if batch.synchronous:
            self._reader.delete_before(batch.end)

    def _set_aside(self, record: Record, reason: str) -> None:
        set_aside(self._aside, self._reader.id, record, reason)

    def _renew_dictionary(self, pipeline: Pipeline) -> None:
        """Take another dictionary into use, if there is one; it is committed, so every reader can know it."""
        written = self._words[WorkerFigure.WRITTEN]
        newer = self._training.turn(Store(self._loop, self._writer), self._dictionary, written)
        if newer is not None:
            log.info("payloads are compressed with dictionary %d from now on", newer.id)
            pipeline.compress_with(self._codec(newer))

    def _codec(self, dictionary: Dictionary) -> PayloadCodec:
        self._dictionary = dictionary
        self._words[WorkerFigure.DICTIONARY] = dictionary.id
        return PayloadCodec(dictionary, self._options.storage)

    def _keep_house(self, pipeline: Pipeline) -> None:
        """See what is too old by now, and make partitions before packets ask for them."""
        self._rounds.turn()
        if self._filters is not None:
            self._filters.turn()
        self._renew_dictionary(pipeline)
        if time.monotonic() < self._housekeeping:
            return
        self._housekeeping = time.monotonic() + _HOUSEKEEPING_S
        loop, writer = self._loop, self._writer
        pipeline.keep_since(loop.call(writer.kept_since(self._options.retention)))
        try:
            loop.call(writer.cover_ahead(time.time_ns() // 1000))
            self._partitions = loop.call(writer.read_partitions())
        except DatabaseAway:
            raise
        except StoreError as error:
            log.warning("partitions could not be made ahead of time: %s", error)
