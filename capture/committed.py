"""What a worker's committed batches have come to, shown in its figures.

Nothing is shown before its batch has committed.
"""

import time
from collections.abc import Sequence

from capture.journal.figures import Trouble, WorkerFigure
from capture.journal.record import Position
from capture.pipeline import Rows
from capture.stats import WORKER_OUTCOMES, Outcome

_MALFORMED = {
    "short": WorkerFigure.MALFORMED_SHORT,
    "magic": WorkerFigure.MALFORMED_MAGIC,
    "length": WorkerFigure.MALFORMED_LENGTH,
    "chunk": WorkerFigure.MALFORMED_CHUNK,
    "inflate": WorkerFigure.MALFORMED_INFLATE,
    "stream": WorkerFigure.MALFORMED_STREAM,
}
_FILTERED = {
    "expired": WorkerFigure.FILTERED_EXPIRED,
    "keep_alive": WorkerFigure.FILTERED_KEEP_ALIVE,
    "script": WorkerFigure.FILTERED_SCRIPT,
}
_WORD = (1 << 64) - 1
_COUNTS = tuple(WorkerFigure[outcome.name] for outcome in WORKER_OUTCOMES)


class CommittedFigures:
    """The counts that the database holds, and beside them how the batches went."""

    def __init__(self, words: "memoryview[int] | list[int]") -> None:
        self._words = words
        self._counts = [0] * len(WORKER_OUTCOMES)

    def forget(self) -> None:
        """The database does not know this journal: what another one counted is not to be found there."""
        for word in _COUNTS:
            self._words[word] = 0

    def begin(self, position: Position, outcomes: Sequence[int]) -> None:
        """Go on from what the database holds."""
        self._counts = list(outcomes)
        self._show(position)

    def add(
        self, end: Position, rows: Rows, refused: int, seconds: float, last_arrival_us: int | None
    ) -> None:
        """A batch has committed up to `end`, `refused` of its messages failed; None: it had no records."""
        for outcome, count in enumerate(rows.outcomes):
            self._counts[outcome] += count
        self._counts[Outcome.WRITTEN] -= refused
        self._counts[Outcome.FAILED] += refused
        words = self._words
        words[WorkerFigure.BATCHES] += 1
        words[WorkerFigure.BATCH_ROWS] += rows.outcomes[Outcome.WRITTEN] - refused
        words[WorkerFigure.BATCH_SECONDS_US] += int(seconds * 1_000_000)
        for reason, count in rows.malformed.items():
            words[_MALFORMED[reason]] += count
        for reason, count in rows.filtered.items():
            words[_FILTERED[reason]] += count
        now_us = time.time_ns() // 1000
        words[WorkerFigure.LAST_COMMIT_US] = now_us
        words[WorkerFigure.TROUBLE] = Trouble.NONE
        if last_arrival_us is not None:
            words[WorkerFigure.LAG_US] = max(0, now_us - last_arrival_us)
        self._show(end)

    def _show(self, position: Position) -> None:
        """After a database lost its last commits, old figures stand until it caught up.

        That is told by the outcomes: numbers are given again after a loss of power.
        """
        words = self._words
        ended = sum(self._counts)
        if ended < sum(words[word] for word in _COUNTS):
            return
        # First, so that whoever reads in between sees no figure fall.
        words[WorkerFigure.BEYOND] = (ended - (position.number - 1)) & _WORD
        words[WorkerFigure.SEGMENT] = position.segment
        words[WorkerFigure.OFFSET] = position.offset
        words[WorkerFigure.NUMBER] = position.number
        for word, count in zip(_COUNTS, self._counts, strict=True):
            words[word] = count
