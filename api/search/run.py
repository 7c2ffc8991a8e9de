"""Pages of a search: candidates from the database, newest first, decided on one by one.

All statements of a page share a snapshot, and one deadline covers database and decoding. A page ends with its
limit, with the window, or with the deadline, and says which.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Literal, NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from api.errors import DatabaseError, DatabaseTimeout
from api.search.buckets import MAX_GROUP, Buckets
from api.search.catalog import Catalog
from api.search.decide import Found
from api.search.query import NOTHING, Position, Query
from api.search.scanners import Scanners
from api.search.script_names import ScriptNames
from api.search.snapshot import Snapshot, open_snapshot
from api.search.walk import Held, Payloads, Walk
from api.settings import SearchSettings

log = logging.getLogger(__name__)

MAX_BESIDE = 2
"""Further connections that one session asks at the same time."""

Incomplete = Literal["limit", "time"]


class Page(NamedTuple):
    """What a page holds and how it ended."""

    rows: list[Found]
    """Newest first."""
    incomplete: Incomplete | None
    """Why there may be more; None: there is nothing more in the window."""
    next: Position | None
    """Where the next page goes on when there may be more; None too where several classes were asked."""


class Searcher:
    """Everything that searches share: the engine, the catalog, the dictionaries, the scanners."""

    def __init__(
        self,
        engine: AsyncEngine,
        settings: SearchSettings | None = None,
        custom_headers: Sequence[str] = (),
        node: str = "",
    ) -> None:
        self._engine = engine
        self._settings = settings or SearchSettings()
        self.custom_headers = tuple(custom_headers)
        self.node = node
        """This data node's name in positions."""
        self.catalog = Catalog(custom_headers)
        self.script_names = ScriptNames(engine, self._settings.statement_timeout_s)
        self.payloads = Payloads()
        self.scanners = Scanners()

    async def close(self) -> None:
        """End the scanner processes; the engine belongs to who made it."""
        await self.scanners.close()

    def snapshot(self) -> AbstractAsyncContextManager[Snapshot]:
        """A snapshot of its own."""
        settings = self._settings
        return open_snapshot(
            self._engine, self.catalog, min(settings.statement_timeout_s, settings.deadline_s)
        )

    def has_room(self) -> bool:
        """Whether a connection is free, and another one after that: nobody else is to wait for this one."""
        pool = self._engine.pool
        return isinstance(pool, QueuePool) and pool.checkedout() + 1 < pool.size()

    @asynccontextmanager
    async def session(self) -> AsyncIterator["Session"]:
        """One snapshot and one deadline. When that is reached the block is left, and the session says so.

        DatabaseTimeout when it is reached before the first walk: that is no answer, not even a cut one.
        """
        settings = self._settings
        timeout = asyncio.timeout(settings.deadline_s)
        session = Session(self, timeout)
        try:
            async with timeout, self.snapshot() as snapshot:
                session.snapshot = snapshot
                yield session
        except (TimeoutError, DatabaseError) as error:
            # A connection torn down by the deadline may end in any error of the database.
            if not (isinstance(error, DatabaseTimeout) or timeout.expired()):
                raise
            if not session.walks:
                raise DatabaseTimeout("the database did not answer in time") from error
            log.warning("a search was cut off after %s s", settings.deadline_s)
            session.timed_out = True

    async def page(self, query: Query, after: Position | None = None) -> Page:
        """The newest matches of one class before `after`. DatabaseError when the database says no."""
        async with self.session() as session:
            await session.find([query], query.limit, after)
        walk = session.walks[0] if session.walks else None
        page = session.page(query.limit)
        if walk is None or page.incomplete is None:
            return page
        if page.incomplete == "time" and not walk.full:
            return page._replace(next=walk.reached)
        last = page.rows[-1].stored if page.rows else None
        return page._replace(next=Position(last.time_us, last.id, self.node) if last else after)

    async def newest(self, queries: Sequence[Query], limit: int) -> Page:
        """The newest matches of several classes."""
        if not queries or limit <= 0:
            return Page([], None, None)
        async with self.session() as session:
            await session.find(queries, limit)
        return session.page(limit)


class Session:
    """What one snapshot has brought so far; it can be read after the deadline too."""

    snapshot: Snapshot

    def __init__(self, searcher: Searcher, timeout: asyncio.Timeout) -> None:
        self._searcher = searcher
        self._timeout = timeout
        self.walks: list[Walk] = []
        self.held = Held()
        self.timed_out = False

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator[None]:
        """While others do their part this session's time stands still: theirs bounds it."""
        loop = asyncio.get_running_loop()
        began, ends = loop.time(), self._timeout.when()
        self._timeout.reschedule(None)
        try:
            yield
        finally:
            self._timeout.reschedule(None if ends is None else ends + loop.time() - began)

    async def find(
        self,
        queries: Sequence[Query],
        limit: int,
        after: Position | None = None,
        *,
        first_group: int = 1,
    ) -> list[Walk]:
        """Walk each query's class until one match more than `limit` is found.

        `first_group`: how many buckets to ask at once from the start, where few calls are expected to match.
        """
        asked = [query for query in queries if _can_match(query)]
        if not asked or limit <= 0:
            return []
        buckets = await self.snapshot.buckets(
            {query.message_class for query in asked},
            min(query.from_us for query in asked),
            max(query.to_us for query in asked),
        )
        walks = [
            self._walk(self.snapshot, query, buckets[query.message_class], after, first_group)
            for query in asked
        ]
        for walk in walks:
            await walk.run(limit + 1)
        return walks

    async def find_each(self, queries: Sequence[Query], limit: int) -> list[Walk | None]:
        """The walk of each query, in their order; None where nothing can match.

        They go on side by side as far as connections are free. Each of those has a snapshot of its own, which
        may show what was stored since this one; the deadline is that of this session.
        """
        walks: list[Walk | None] = [None] * len(queries)
        ahead = deque(index for index, query in enumerate(queries) if _can_match(query) and limit > 0)

        async def follow(snapshot: Snapshot) -> None:
            while ahead:
                index = ahead.popleft()
                query = queries[index]
                buckets = await snapshot.buckets([query.message_class], query.from_us, query.to_us)
                walk = self._walk(snapshot, query, buckets[query.message_class], None, MAX_GROUP)
                walks[index] = walk
                await walk.run(limit + 1)

        async def follow_beside() -> None:
            async with self._searcher.snapshot() as snapshot:
                busy.add(asyncio.current_task())
                await follow(snapshot)

        busy: set[asyncio.Task[None] | None] = set()
        beside: list[asyncio.Task[None]] = []
        try:
            while len(beside) < min(MAX_BESIDE, len(ahead) - 1) and self._searcher.has_room():
                beside.append(asyncio.create_task(follow_beside()))
                # So that it has asked for its connection before the next one does.
                await asyncio.sleep(0)
            await follow(self.snapshot)
            # Who has no connection yet, or could get none, has nothing left to do.
            await asyncio.gather(*[task for task in beside if task in busy])
        finally:
            for task in beside:
                # Once only: the second time it would break off the end of its transaction.
                if not task.cancelling():
                    task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
        return walks

    def _walk(
        self,
        snapshot: Snapshot,
        query: Query,
        buckets: Sequence[Buckets],
        after: Position | None,
        first_group: int,
    ) -> Walk:
        walk = Walk(
            snapshot,
            query,
            buckets,
            payloads=self._searcher.payloads,
            scanners=self._searcher.scanners,
            held=self.held,
            custom_headers=self._searcher.custom_headers,
            after=after,
            node=self._searcher.node,
            first_group=first_group,
        )
        self.walks.append(walk)
        return walk

    def page(self, limit: int) -> Page:
        """The newest of what all walks have found, each message once."""
        found = {(row.stored.message_class, row.stored.id): row for walk in self.walks for row in walk.found}
        rows = sorted(found.values(), key=lambda row: (row.stored.time_us, row.stored.id), reverse=True)
        if self.timed_out:
            return Page(rows[:limit], "time", None)
        if len(rows) > limit or any(walk.full for walk in self.walks):
            return Page(rows[:limit], "limit", None)
        return Page(rows, None, None)


def _can_match(query: Query) -> bool:
    return query.where != NOTHING and query.from_us <= query.to_us
