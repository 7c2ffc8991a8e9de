"""A journal's records on their way into the pipeline: damaged ones are counted, lethal ones set aside."""

import logging
from pathlib import Path

from capture.journal.aside import set_aside
from capture.journal.reader import JournalReader
from capture.journal.record import Position, Record
from capture.lethal import REASON, Place, find_lethal, lethal_places
from capture.pipeline import STRIDE, Pipeline, Rows
from capture.stats import Outcome

log = logging.getLogger(__name__)


class Records:
    """What one session takes from the journal."""

    def __init__(self, reader: JournalReader, aside: Path) -> None:
        self._reader = reader
        self._aside = aside
        self._records: list[Record] = []
        self._next = 0
        self._expected = 0
        self._lethal: frozenset[Place] = frozenset()

    def begin(self, position: Position, marked: tuple[int, int] | None) -> None:
        """At `position`, where the reader is; `marked` is where a packet is that has ended two workers."""
        self._lethal = lethal_places(self._aside, self._reader.id, marked, position)
        self._expected = position.number

    def are_ahead(self) -> bool:
        """Whether there are some to be taken; the journal is read when all that it gave before are."""
        return self._next < len(self._records) or self._read()

    def take(self, pipeline: Pipeline, rows: Rows, taken: list[Record], most: int) -> int:
        """Have some of those ahead decoded, so that `taken` has no more than `most`; the journal's bytes that
        they were."""
        # What scripts make of it is not known before: no more at once than go through the pipeline together.
        room = min(most - len(taken), STRIDE)
        part = self._records[self._next : self._next + room]
        self._next += len(part)
        # What one read gives is of one segment and numbered through: damage lies only before it.
        self._count_damaged(part[0].number, rows)
        self._expected = part[-1].number + 1
        start = 0
        for lethal in find_lethal(self._lethal, part):
            pipeline.process(part[start:lethal], len(taken) + start, rows)
            log.error("packet %d has ended two workers and is set aside", part[lethal].number)
            self.set_aside(part[lethal], REASON)
            rows.outcomes[Outcome.FAILED] += 1
            start = lethal + 1
        pipeline.process(part[start:], len(taken) + start, rows)
        taken += part
        return part[-1].end.offset - part[0].offset

    def end(self, rows: Rows) -> Position:
        """Where a batch ends now; damaged records with no good one behind them yet belong to it."""
        if self._next < len(self._records):
            ahead = self._records[self._next]
            return Position(ahead.segment, ahead.offset, self._expected)
        reached = self._reader.position
        self._count_damaged(reached.number, rows)
        return Position(reached.segment, reached.offset, self._expected)

    def give_up(self, record: Record, error: Exception) -> None:
        """The pipeline's hook for a packet that it cannot process."""
        log.error("packet %d cannot be processed and is set aside", record.number, exc_info=error)
        self.set_aside(record, "cannot be processed")

    def set_aside(self, record: Record, reason: str) -> None:
        """Keep a packet that is not stored."""
        set_aside(self._aside, self._reader.id, record, reason)

    def _read(self) -> bool:
        chunk = self._reader.read()
        for note in chunk.notes:
            log.error("journal: %s", note)
        self._records, self._next = chunk.records, 0
        return bool(chunk.records)

    def _count_damaged(self, number: int, rows: Rows) -> None:
        """They are known by the numbers that are missing before `number`."""
        if number > self._expected:
            rows.outcomes[Outcome.FAILED] += number - self._expected
            self._expected = number
