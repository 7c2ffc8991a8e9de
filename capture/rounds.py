"""A worker's rounds in the background: deleting what has been kept long enough, looking at what is stored.

Each round has a connection of its own and runs on the store's loop, so that batches go on meanwhile; of all
workers of a database one does it at a time. What came of it stands in the worker's figures, and the words of
a failure in a file beside them.
"""

import logging
import time
from collections.abc import Mapping, MutableSequence
from concurrent.futures import Future
from pathlib import Path

from capture.errors import StoreError
from capture.journal.directory import write_whole
from capture.journal.figures import RETENTION_ERROR, WorkerFigure
from capture.route import MessageClass
from capture.settings import RetentionSettings
from capture.steady_clock import CLOCK, SteadyClock
from capture.store.bridge import LoopThread
from capture.store.connection import Connection
from capture.store.retention import SETTINGS, Round, run_round
from capture.store.survey import StoredClass, survey

log = logging.getLogger(__name__)

PERIOD_S = 180.0
RETRY_S = 10.0
"""When something could not be deleted yet: most likely a search was in the way, and has ended by then."""
LOUD_US = 900_000_000
"""How long it may fail before it is worth a warning."""

_Outcome = tuple[Round, Mapping[MessageClass, StoredClass]]


class RetentionRounds:
    """One worker's share in the rounds; belongs to a session, and ends with it."""

    def __init__(
        self,
        loop: LoopThread,
        database_url: str,
        retention: RetentionSettings,
        words: "memoryview[int] | MutableSequence[int]",
        directory: Path,
        clock: SteadyClock = CLOCK,
    ) -> None:
        """`words` are the worker's figures, kept in `directory`."""
        self._loop = loop
        self._url = database_url
        self._retention = retention
        self._words = words
        self._error_file = directory / RETENTION_ERROR
        self._clock = clock
        self._due = 0.0
        self._running: Future[_Outcome | None] | None = None

    def turn(self) -> None:
        """Start a round when one is due, and take note of one that has ended. Never waits."""
        if self._running is None:
            if time.monotonic() >= self._due:
                self._running = self._loop.submit(self._round())
        elif self._running.done():
            ended, self._running = self._running, None
            self._due = time.monotonic() + self._note(ended)

    def stop(self) -> None:
        """Break off a round under way: the next one, whoever's it is, goes on from there."""
        if self._running is not None:
            self._running.cancel()

    async def _round(self) -> _Outcome | None:
        connection = await Connection.open(self._url, SETTINGS)
        try:
            done = await run_round(connection, self._retention, self._clock.now_us())
            return None if done is None else (done, await survey(connection, _now_us()))
        finally:
            # At once: one that is broken off may be in the middle of a statement.
            connection.terminate()

    def _note(self, ended: "Future[_Outcome | None]") -> float:
        """Write down what came of a round; seconds until the next."""
        try:
            outcome = ended.result()
        except StoreError as error:
            self._fail(str(error))
            return PERIOD_S
        except Exception as error:
            # The top of a task: whatever is wrong with deleting, storing goes on.
            log.exception("a round of retention failed")
            self._fail(repr(error))
            return PERIOD_S
        if outcome is None:
            self._succeed()
            return PERIOD_S
        done, stored = outcome
        if done.dropped:
            self._words[WorkerFigure.LEAVES_DROPPED] += done.dropped
            log.info("%d partitions deleted, as their retention is over", done.dropped)
        self._show(stored)
        if done.error:
            self._fail(done.error)
            return RETRY_S
        if done.left:
            return 0.0
        if self._clock.doubt:
            self._fail(self._clock.doubt)
            return PERIOD_S
        self._words[WorkerFigure.RETENTION_US] = _now_us()
        self._succeed()
        return PERIOD_S

    def _fail(self, error: str) -> None:
        words = self._words
        since_us = words[WorkerFigure.RETENTION_FAILING_US] = (
            words[WorkerFigure.RETENTION_FAILING_US] or _now_us()
        )
        loud = _now_us() - since_us > LOUD_US
        log.log(
            logging.WARNING if loud else logging.INFO, "not everything expired could be deleted: %s", error
        )
        self._write_error(error)

    def _succeed(self) -> None:
        if self._words[WorkerFigure.RETENTION_FAILING_US]:
            self._words[WorkerFigure.RETENTION_FAILING_US] = 0
            self._error_file.unlink(missing_ok=True)

    def _write_error(self, error: str) -> None:
        try:
            write_whole(self._error_file, error.encode())
        except OSError as problem:
            log.warning("the words of the last failure cannot be kept: %s", problem)

    def _show(self, stored: Mapping[MessageClass, StoredClass]) -> None:
        for message_class, of_class in stored.items():
            key = message_class.retention_key.upper()
            self._words[WorkerFigure[f"OLDEST_{key}_US"]] = max(0, of_class.oldest_us or 0)
            self._words[WorkerFigure[f"STORED_{key}_BYTES"]] = of_class.bytes
        self._words[WorkerFigure.SURVEY_US] = _now_us()


def _now_us() -> int:
    return time.time_ns() // 1000
