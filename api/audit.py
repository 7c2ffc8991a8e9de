"""The audit: who did what, and when.

A change is noted in its own transaction: both are there or neither. What changes nothing, such as a payload
that was looked at, is noted soon after, so that nobody waits for it. Knows no route.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.requests import HTTPConnection

from api.auth.caller import Caller
from api.database import connect
from api.errors import DatabaseError
from api.peer import peer_of
from api.settings import SearchSettings
from api.tables import audit

log = logging.getLogger(__name__)

Clock = Callable[[], float]

GATHER_S = 0.5
"""What comes in meanwhile is written together."""
RETRY_S = 5.0
MOST_WAITING = 10_000
"""Entries that wait for a database that is away; what comes then is in the log alone."""
MOST_LISTED = 1000
CLEAN_S = 3600.0
"""How often those that were kept long enough are deleted."""
MOST_OBJECT_CHARS = 500
MOST_DETAIL_BYTES = 20_000
"""Of one entry as JSON. What is larger is named by its size: a mapping has hundreds of lines."""


class Entry(msgspec.Struct, frozen=True):
    """One thing that somebody did."""

    username: str
    address: str
    action: str
    """Such as `create alias`, `view payload`, `login refused`."""
    object: str = ""
    """What it was done to: a guid, a name, Call-IDs."""
    detail: Any = {}
    at: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))


class Audit:
    """Entries on their way into the database."""

    def __init__(self, engine: AsyncEngine, kept: timedelta, clock: Clock = time.monotonic) -> None:
        """`kept`: how long an entry stays."""
        self._engine = engine
        self._kept = kept
        self._clock = clock
        self._clean_s = 0.0
        self._waiting: deque[Entry] = deque()
        self._task: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()
        self._closing = asyncio.Event()

    def note(
        self,
        request: HTTPConnection,
        caller: Caller | str,
        action: str,
        of: str | Sequence[str] = "",
        detail: Any = None,
    ) -> None:
        """Write this soon; `caller` is a name where nobody is logged in. Of many names all are written down,
        in as many entries as that takes."""
        for names in [of] if isinstance(of, str) else _together(of):
            self._keep(entry_of(request, caller, action, names, detail))

    async def flush(self) -> None:
        """Write what waits; DatabaseError when that cannot be, and it waits on."""
        async with self._writing:
            while self._waiting:
                entries = list(self._waiting)
                async with self._engine.begin() as connection:
                    await write(connection, entries)
                    await self._delete_old(connection)
                for _ in entries:
                    self._waiting.popleft()

    async def close(self) -> None:
        """Write what waits, if the database is there; say in the log what could not be written."""
        self._closing.set()
        if self._task is not None:
            # Not cancelled: a connection that is just being made would stay open.
            await self._task
        try:
            await self.flush()
        except (DatabaseError, SQLAlchemyError):
            for entry in self._waiting:
                log.warning("audit, not in the database: %s", msgspec.json.encode(entry).decode())

    def _keep(self, entry: Entry) -> None:
        if len(self._waiting) >= MOST_WAITING:
            log.warning("audit, not in the database: %s", msgspec.json.encode(entry).decode())
            return
        self._waiting.append(entry)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write_soon())

    async def _write_soon(self) -> None:
        await self._pause(GATHER_S)
        while self._waiting:
            try:
                await self.flush()
            except (DatabaseError, SQLAlchemyError) as error:
                if self._closing.is_set():
                    return
                log.warning("the audit waits for the database: %s", error)
                await self._pause(RETRY_S)

    async def _delete_old(self, connection: AsyncConnection) -> None:
        now_s = self._clock()
        if now_s >= self._clean_s:
            self._clean_s = now_s + CLEAN_S
            await connection.execute(delete(audit).where(audit.c.at < datetime.now(UTC) - self._kept))

    async def _pause(self, seconds: float) -> None:
        """So long, or until the end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()


class Noted(NamedTuple):
    """An entry of the database."""

    id: int
    at: datetime
    username: str
    address: str
    action: str
    object: str
    detail: Any


async def newest(
    engine: AsyncEngine, limit: int, *, before: int | None = None, username: str = "", action: str = ""
) -> list[Noted]:
    """The newest first; where that is given only with smaller ids, of one user, of actions that begin so."""
    wanted = select(*[audit.c[name] for name in Noted._fields]).order_by(audit.c.id.desc()).limit(limit)
    if before is not None:
        wanted = wanted.where(audit.c.id < before)
    if username:
        wanted = wanted.where(audit.c.username == username)
    if action:
        wanted = wanted.where(audit.c.action.startswith(action, autoescape=True))
    async with engine.connect() as connection:
        return [Noted(*row) for row in await connection.execute(wanted)]


def entry_of(
    request: HTTPConnection, caller: Caller | str, action: str, of: str = "", detail: Any = None
) -> Entry:
    """What is noted of a request."""
    name = caller if isinstance(caller, str) else caller.shown
    return Entry(
        name.replace("\0", "\ufffd")[:250],
        peer_of(request),
        action,
        of.replace("\0", "\ufffd")[:MOST_OBJECT_CHARS],
        bounded(detail or {}),
    )


async def write(connection: AsyncConnection, entries: Sequence[Entry]) -> None:
    """Write entries in the connection's transaction."""
    if entries:
        await connection.execute(insert(audit), [msgspec.structs.asdict(entry) for entry in entries])


def write_now(database_url: str, entries: Sequence[Entry]) -> None:
    """The same in a transaction of its own; blocking, for commands. DatabaseError when that cannot be."""

    async def run() -> None:
        engine = connect(database_url, SearchSettings(pool_size=1))
        try:
            async with engine.begin() as connection:
                await write(connection, entries)
        finally:
            await engine.dispose()

    asyncio.run(run())


def bounded(detail: Any) -> Any:
    """The detail of an entry, or how large it would be."""
    size = len(msgspec.json.encode(detail))
    return detail if size <= MOST_DETAIL_BYTES else {"bytes": size}


def _together(names: Iterable[str]) -> list[str]:
    """Whole names, as many in one text as fit."""
    texts = [""]
    for name in names:
        longer = f"{texts[-1]}, {name}" if texts[-1] else name
        if len(longer) <= MOST_OBJECT_CHARS:
            texts[-1] = longer
        else:
            texts.append(name)
    return [text for text in texts if text] or [""]
