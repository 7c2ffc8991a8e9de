"""One connection's run of batches: a batch is stored while the next one is decoded.

Whatever goes wrong with the database ends a session, and everything that it remembers is forgotten with it.
Holds no packet logic.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, NamedTuple

from capture.committed import CommittedFigures
from capture.imported import JOURNAL_NAME, LABEL, REPORTS_DIR, Labels
from capture.journal.figures import WorkerFigure
from capture.journal.reader import JournalReader
from capture.journal.record import Position, Record
from capture.keys import KeyMemory, keyed_rules
from capture.mark import PacketMark
from capture.pipeline import Pipeline, Rows
from capture.rounds import RetentionRounds
from capture.script_names import KnownNames
from capture.store.batch import Batch
from capture.store.bridge import LoopThread
from capture.store.codec import Dictionary, PayloadCodec
from capture.store.partitions import Leaf
from capture.store.writer import Writer
from capture.training import Store, Training
from capture.worker.leaves import Leaves
from capture.worker.options import WorkerOptions
from capture.worker.records import Records

if TYPE_CHECKING:
    from capture.scripts.worker_filters import WorkerFilters

log = logging.getLogger(__name__)

_IDLE_S = 0.5
"""Longest sleep without a look at the stop flag; the journal's FIFO ends it at once."""
_GATHER_S = 0.02
"""What comes in meanwhile is read together while a batch fills: to be woken by each of intake's writes costs
more than the packets do."""
_BATCH_BYTES = 16 * 1024 * 1024
"""Of journal, and of what scripts add to it, in one batch. What is made of it is held several times over:
2,000 packets of 64 KiB would take 1.5 GB of memory."""
_HOUSEKEEPING_S = 60.0


class _UnderWay(NamedTuple):
    """A batch that is being stored."""

    batch: Batch
    rows: Rows
    taken: list[Record]
    """What it was made of."""
    commit: Future[tuple[int, float]]
    """How many of its messages the database refused, and how long it took, in seconds."""


class Session:
    """One connection's run of batches, and everything that is forgotten with it."""

    def __init__(
        self,
        options: WorkerOptions,
        reader: JournalReader,
        stop: threading.Event,
        loop: LoopThread,
        *,
        words: "memoryview[int]",
        mark: PacketMark,
        marked: tuple[int, int] | None,
        filters: "WorkerFilters | None",
        training: Training,
    ) -> None:
        """`words` are the worker's figures; `marked` is the place of a packet that has ended two workers."""
        journals = options.journal_dir.parent
        self._options = options
        self._reader = reader
        self._stop = stop
        self._loop = loop
        self._words = words
        self._mark = mark
        self._marked = marked
        self._filters = filters
        self._training = training
        self._records = Records(reader, journals / "aside")
        self._labels = Labels(journals / JOURNAL_NAME / REPORTS_DIR)
        self._writer = Writer(options.database_url, options.storage)
        self._dictionary = Dictionary(0, b"")
        self._position = Position(0, 0, 0)
        self._committed = CommittedFigures(words)
        self._under_way: _UnderWay | None = None
        self._deadline: float | None = None
        self._housekeeping = 0.0
        self._rounds = RetentionRounds(
            loop, options.database_url, options.retention, words, options.journal_dir
        )

    def run(self) -> None:
        """Until told to stop or drained; a StoreError ends it, nothing is lost by that."""
        loop, writer = self._loop, self._writer
        try:
            loop.call(writer.connect())
            self._begin()
            leaves = self._know_leaves()
            pipeline = self._make_pipeline(leaves)
            self._words[WorkerFigure.DATABASE_AWAY] = 0
            while not self._is_over():
                self._keep_house(pipeline, leaves)
                self._fill_and_send(pipeline)
            self._settle()
        finally:
            self._mark.clear()
            self._rounds.stop()
            if self._under_way is not None:
                # What becomes of it does not matter: the next session asks the database.
                self._under_way.commit.cancel()
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
        self._records.begin(self._position, self._marked)
        self._committed.begin(self._position, stored.outcomes)

    def _know_leaves(self) -> Leaves:
        rules = keyed_rules(self._options.sip.custom_headers)
        keying = self._loop.call(self._writer.keying_version(rules))
        return Leaves(self._loop, self._writer, self._mark, keying)

    def _make_pipeline(self, leaves: Leaves) -> Pipeline:
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
            find_leaf=leaves.find,
            keys=KeyMemory(options.storage.key_memory_calls),
            mark=self._mark,
            give_up=self._records.give_up,
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

    def _is_over(self) -> bool:
        if self._stop.is_set():
            if self._deadline is None:
                self._deadline = time.monotonic() + self._options.drain_s
            return time.monotonic() > self._deadline or not self._records.are_ahead()
        return (
            self._options.until_drained
            and not self._records.are_ahead()
            and self._reader.drained
            and self._has_sent_all()
        )

    def _has_sent_all(self) -> bool:
        """Whether nothing has been read beyond the last batch, not even damage."""
        return self._reader.position[:2] == self._position[:2]

    def _fill_and_send(self, pipeline: Pipeline) -> None:
        """Decode a batch while the one before is being stored, then send it."""
        rows = Rows()
        taken: list[Record] = []
        storage = self._options.storage
        due: float | None = None
        held_bytes = 0
        while len(taken) < storage.batch_rows and held_bytes + rows.added_bytes < _BATCH_BYTES:
            if self._records.are_ahead():
                if due is None:
                    due = time.monotonic() + storage.batch_delay_ms / 1000
                held_bytes += self._records.take(pipeline, rows, taken, storage.batch_rows)
                continue
            if taken:
                wait_s = (due or 0.0) - time.monotonic()
                if wait_s <= 0 or self._stop.wait(min(wait_s, _GATHER_S)):
                    break
            else:
                self._settle()
                if self._stop.is_set() or not self._has_sent_all():
                    break
                self._reader.wait(_IDLE_S)
                # A server that crashed may have lost the last commits: that must not wait for a packet.
                self._writer.check()
                break
        self._settle()
        end = self._records.end(rows)
        if taken or end[:2] != self._position[:2]:
            self._send(rows, taken, end)

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
            self._records.set_aside(record, f"refused by the database: {error}")

        commit = self._loop.submit(self._timed_commit(batch, refused))
        self._under_way = _UnderWay(batch, rows, taken, commit)
        self._position = end

    async def _timed_commit(
        self, batch: Batch, refused: Callable[[Leaf, int, str], None]
    ) -> tuple[int, float]:
        started = time.perf_counter()
        count = await self._writer.commit(batch, refused)
        return count, time.perf_counter() - started

    def _settle(self) -> None:
        """Wait for the batch under way; only now do its effects count."""
        if self._under_way is None:
            return
        batch, rows, taken, commit = self._under_way
        self._under_way = None
        refused, seconds = commit.result()
        self._committed.add(batch.end, rows, refused, seconds, taken[-1].arrival_us if taken else None)
        if self._marked is not None and batch.end[:2] > self._marked:
            self._mark.survive()
        if batch.synchronous:
            self._reader.delete_before(batch.end)

    def _keep_house(self, pipeline: Pipeline, leaves: Leaves) -> None:
        """See what is too old by now, and make partitions before packets ask for them."""
        self._rounds.turn()
        if self._filters is not None:
            self._filters.turn()
        self._renew_dictionary(pipeline)
        if time.monotonic() < self._housekeeping:
            return
        self._housekeeping = time.monotonic() + _HOUSEKEEPING_S
        pipeline.keep_since(self._loop.call(self._writer.kept_since(self._options.retention)))
        leaves.cover_ahead()

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
