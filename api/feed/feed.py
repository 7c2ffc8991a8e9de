"""The live feed: every message that is stored from now on, once, read once for all who listen.

Batches announce themselves when they commit (`capture.store.announce`); while somebody listens here this
process listens there, and reads what was announced, twice a second at most. Nothing is passed over in
silence: what cannot be read, or does not fit, becomes a gap with a number in what each listener gets.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from time import perf_counter

import msgspec
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from api.database import Listening, Reading, listen, read_only
from api.errors import DatabaseError, FeedFull
from api.feed.reading import Stretch, slices_of, stretches_of
from api.feed.subscription import Gap, Subscription, Why
from api.schemas.rows import RowShape, data_row, message_row
from api.search.decide import Found, Judge
from api.search.query import EVERYTHING
from api.search.run import Searcher
from api.search.snapshot import Snapshot
from capture.route import MessageClass
from capture.store.announce import CHANNEL, Stored, read_notice

log = logging.getLogger(__name__)

ROUND_S = 0.5
"""From one reading to the next at least."""
TURN_S = 0.003
"""Deciding for so long, then others have their turn."""
MOST_ROWS = 100_000
"""Announced and not read yet: past that the oldest are given up."""
CHECK_S = 15.0
"""So long without a notice, and the connection is asked whether it still is one."""
AGAIN_S = 2.0
"""After the connection was lost, until it is tried again."""


class Feed:
    """What all listeners of this process share."""

    def __init__(
        self,
        database_url: str,
        engine: AsyncEngine,
        searcher: Searcher,
        row_shape: Callable[[], Awaitable[RowShape]],
        *,
        most: int,
        statement_timeout_s: float,
    ) -> None:
        self._database_url = database_url
        self._engine = engine
        self._searcher = searcher
        self._row_shape = row_shape
        self._most = most
        self._statement_timeout_s = statement_timeout_s
        self._listeners: set[Subscription] = set()
        self._starting = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._listening: Listening | None = None

    @property
    def is_listening(self) -> bool:
        """Whether this process listens to the database."""
        return self._task is not None

    async def join(self, subscription: Subscription) -> None:
        """From its return on it gets all that is committed. FeedFull; DatabaseError: nothing can be heard."""
        if len(self._listeners) >= self._most:
            raise FeedFull(self._most)
        self._listeners.add(subscription)
        try:
            async with self._starting:
                if self._task is None or self._task.done():
                    self._listening = await listen(self._database_url, CHANNEL)
                    self._task = asyncio.create_task(self._run(self._listening))
        except BaseException:
            self._listeners.discard(subscription)
            raise

    async def leave(self, subscription: Subscription) -> None:
        """It gets nothing more; the last one to leave ends the listening."""
        self._listeners.discard(subscription)
        async with self._starting:
            if not self._listeners:
                await self._stop()

    async def close(self) -> None:
        """End the listening."""
        self._listeners.clear()
        async with self._starting:
            await self._stop()

    async def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        # A task that has not had its first turn when it is cancelled closes nothing.
        if self._listening is not None:
            await self._listening.close()
            self._listening = None

    async def _run(self, listening: Listening) -> None:
        while True:
            try:
                await self._hear(listening)
            except DatabaseError as error:
                log.warning("the live feed has lost the database: %s", error)
            except Exception:
                # Or all who listen would wait for ever.
                log.exception("the live feed has failed, and begins anew")
                self._miss(Gap(Why.UNREAD, None))
            finally:
                await listening.close()
            # What is committed until the next one hears is not known.
            self._miss(Gap(Why.DATABASE, None))
            listening = self._listening = await self._listen_again()
            self._miss(Gap(Why.DATABASE, None))

    async def _listen_again(self) -> Listening:
        while True:
            await asyncio.sleep(AGAIN_S)
            with contextlib.suppress(DatabaseError):
                return await listen(self._database_url, CHANNEL)

    async def _hear(self, listening: Listening) -> None:
        """Until the connection is lost."""
        while True:
            await listening.wait(CHECK_S)
            began = perf_counter()
            await self._read(self._within_limits(listening.take()))
            await asyncio.sleep(max(0.0, ROUND_S - (perf_counter() - began)))

    def _within_limits(self, notices: Iterable[str]) -> Sequence[Stored]:
        """What somebody wants of these, the newest if they are too many."""
        wanted = {message_class for each in self._listeners for message_class in each.wanted}
        announced: deque[Stored] = deque()
        for notice in notices:
            try:
                announced += [stored for stored in read_notice(notice) if stored.message_class in wanted]
            except ValueError:
                log.warning("a notice on %s is none of ours: %.100r", CHANNEL, notice)
        rows = sum(stored.rows for stored in announced)
        while rows > MOST_ROWS and len(announced) > 1:
            given_up = announced.popleft()
            rows -= given_up.rows
            self._miss(Gap(Why.UNREAD, given_up.rows), given_up.message_class)
        return announced

    def _miss(self, gap: Gap, message_class: MessageClass | None = None) -> None:
        for each in self._listeners:
            if message_class is None or message_class in each.wanted:
                each.miss(gap)

    async def _read(self, announced: Sequence[Stored]) -> None:
        stretches = deque(stretches_of(announced))
        if not stretches:
            return
        try:
            shape = await self._row_shape()
            async with read_only(self._engine, self._statement_timeout_s) as reading:
                while stretches:
                    await self._read_stretch(reading, stretches.popleft(), shape)
        except (DatabaseError, SQLAlchemyError) as error:
            log.warning("the live feed could not read what was stored: %s", error)
            for stretch in stretches:
                self._miss(Gap(Why.UNREAD, stretch.rows), stretch.message_class)

    async def _read_stretch(self, reading: Reading, stretch: Stretch, shape: RowShape) -> None:
        searcher = self._searcher
        judge = Judge(stretch.message_class, EVERYTHING, searcher.custom_headers, searcher.payloads.codec)
        snapshot = Snapshot(reading, searcher.catalog)
        missing, why = stretch.rows, Why.UNREAD
        try:
            async for candidates in slices_of(reading, stretch):
                await searcher.payloads.learn(snapshot, candidates)
                await self._offer_all((judge.read(candidate) for candidate in candidates), shape)
                missing -= len(candidates)
            why = Why.GONE
        finally:
            if missing > 0:
                self._miss(Gap(why, missing), stretch.message_class)

    async def _offer_all(self, messages: Iterable[Found], shape: RowShape) -> None:
        since = perf_counter()
        for found in messages:
            rendered = _Rendered(found, shape)
            for each in self._listeners:
                each.offer(found, rendered.as_json)
            if perf_counter() - since > TURN_S:
                await asyncio.sleep(0)
                since = perf_counter()


class _Rendered:
    """A message as JSON, made once for all who get it."""

    def __init__(self, found: Found, shape: RowShape) -> None:
        self._found = found
        self._shape = shape
        self._made: dict[bool, bytes] = {}

    def as_json(self, with_payload: bool) -> bytes:
        if with_payload not in self._made:
            row = data_row(self._found, self._shape)
            row["profile"] = self._found.stored.message_class.key
            if with_payload:
                row["raw"] = message_row(self._found, self._shape)["raw"]
            self._made[with_payload] = msgspec.json.encode(row)
        return self._made[with_payload]
