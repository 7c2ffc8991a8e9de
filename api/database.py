"""The API's engine on PostgreSQL, and the one place where driver errors become ours.

The URL goes to asyncpg as it is, so that what libpq knows (`?host=/socket/directory`, `?sslmode=…`) works.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, NamedTuple

import asyncpg
from sqlalchemy import event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from api.errors import AlreadyThere, DatabaseError, DatabaseMismatch, DatabaseTimeout
from api.settings import SearchSettings
from capture.errors import SchemaMismatch, StoreError
from capture.store.connection import Connection
from capture.store.schema import check_schema

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 5
POOL_WAIT_S = 10
"""How long a request waits for a free connection before it is told that the database is busy."""
ANSWER_GRACE_S = 5
"""How much longer than `statement_timeout_s` the client waits: the server's own timeout should come first."""
ROLL_BACK_S = 2
SETTINGS = {
    "application_name": "rhapsode-api",
    # A generic plan reads every partition's index: 48 ms instead of 1.
    "plan_cache_mode": "force_custom_plan",
    "jit": "off",
    # Messages of hundreds of calls are looked up by index, where the planner would rather read all there are.
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "idle_in_transaction_session_timeout": "60s",
    "timezone": "UTC",
}
KEPT_STATEMENTS = 50
"""Of each connection, the newest: a plan of many partitions takes a quarter of a megabyte of its backend, and
one of dozens of values a whole one."""
PLANNED_ONCE = "force_generic_plan"
SET = "select set_config(name, value, false) from unnest($1::text[], $2::text[]) as setting (name, value)"
"""Not as startup parameters: a pooler in between would refuse those."""
QUERY_CANCELED = "57014"
UNIQUE_VIOLATION = "23505"


def connect(
    database_url: str, settings: SearchSettings | None = None, node: str | None = None
) -> AsyncEngine:
    """An engine that has not connected yet; every failure of it is a DatabaseError.

    Each new connection checks the schema, so that one changed under a running API is noticed. `node` is for
    the log: which other data node that is.
    """
    settings = settings or SearchSettings()
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: _open(database_url, settings, node),
        poolclass=AsyncAdaptedQueuePool,
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_timeout=min(POOL_WAIT_S, settings.statement_timeout_s),
    )
    event.listen(engine.sync_engine, "handle_error", _translate)
    event.listen(engine.sync_engine, "checkout", _check)
    return engine


def _check(driver: Any, record: object, proxy: object) -> None:
    """The pool's hook: a server that was restarted is noticed before a request has to suffer for it.

    The loop gets a turn to see the connection's end; asking the server costs three round trips more.
    """
    driver.run_async(lambda _: asyncio.sleep(0))
    if driver.driver_connection.is_closed():
        raise DisconnectionError


async def _open(
    database_url: str, settings: SearchSettings, node: str | None = None
) -> Any:  # the driver's connection, for SQLAlchemy
    try:
        connection = await asyncpg.connect(
            database_url,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=settings.statement_timeout_s + ANSWER_GRACE_S,
            statement_cache_size=KEPT_STATEMENTS,
        )
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        raise _logged(DatabaseError("the database cannot be reached"), error, node) from error
    try:
        wanted = SETTINGS | {"statement_timeout": f"{settings.statement_timeout_s * 1000:.0f}ms"}
        await connection.execute(SET, list(wanted), list(wanted.values()))
        await check_schema(Connection(connection))
    except SchemaMismatch as error:
        await connection.close()
        raise _logged(DatabaseMismatch(str(error)), error, node) from error
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, StoreError) as error:
        connection.terminate()
        raise _logged(DatabaseError("the database does not answer as it should"), error, node) from error
    except BaseException:
        # Who asked for it has gone, and nobody else knows of it. Its statement is given up first.
        with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await connection.close(timeout=ROLL_BACK_S)
        raise
    return connection


class Reading:
    """A read-only transaction, asked through the driver itself: what a short search spends most on is the way
    to its statements."""

    def __init__(self, driver: Any, plan_cache_mode: str = SETTINGS["plan_cache_mode"]) -> None:
        """`plan_cache_mode`: what the transaction has been begun with."""
        self._driver = driver
        self._plan_cache_mode = plan_cache_mode

    @property
    def closed(self) -> bool:
        return bool(self._driver.is_closed())

    async def fetch(
        self, statement: str, *values: object, planned_once: bool = False
    ) -> Sequence[Sequence[Any]]:
        """The rows of a statement with the values of `$1`, `$2`, …; DatabaseError when it fails.

        `planned_once`: one plan is right whatever the values are, and is kept with the statement.
        """
        mode = PLANNED_ONCE if planned_once else SETTINGS["plan_cache_mode"]
        if values and mode != self._plan_cache_mode:
            await self.execute(_planning(mode))
            self._plan_cache_mode = mode
        with _translated(self._driver):
            rows: Sequence[Sequence[Any]] = await self._driver.fetch(statement, *values)
        return rows

    async def execute(self, statements: str) -> None:
        """Run statements without values, all in one round trip."""
        with _translated(self._driver):
            await self._driver.execute(statements)


def _planning(mode: str) -> str:
    """How a transaction's next statements are planned.

    A plan is kept for longer than it takes a new partition to fill, while all of that is read in no time.
    """
    reading_all = "off" if mode == PLANNED_ONCE else "on"
    return f"set local plan_cache_mode = {mode};set local enable_seqscan = {reading_all};"


@contextmanager
def _translated(driver: Any) -> Iterator[None]:
    try:
        yield
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise _database_error(error, lost=driver.is_closed()) from error
    except asyncpg.InternalClientError as error:
        # The driver is at the server's last words, and has not seen the connection's end yet.
        raise _database_error(error, lost=True) from error


class Listening:
    """A connection of its own on which notices of one channel are heard, in the order of their commits."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self._heard: list[str] = []
        self._news = asyncio.Event()

    def hear(self, driver: object, pid: int, channel: str, payload: object) -> None:
        """The driver's hook."""
        self._heard.append(str(payload))
        self._news.set()

    def end(self, driver: object) -> None:
        """The same for the connection's end."""
        self._news.set()

    async def wait(self, check_s: float) -> None:
        """Until something is heard; DatabaseError once the connection is lost, asked every `check_s`."""
        while not self._heard:
            with suppress(TimeoutError):
                async with asyncio.timeout(check_s):
                    await self._news.wait()
            self._news.clear()
            if not self._heard:
                with _translated(self._driver):
                    await self._driver.fetchval("select 1", timeout=CONNECT_TIMEOUT_S)

    def take(self) -> list[str]:
        """All that was heard since."""
        heard, self._heard = self._heard, []
        return heard

    async def close(self) -> None:
        """Hear nothing more."""
        self._driver.terminate()


async def listen(database_url: str, channel: str) -> Listening:
    """Hear what is committed from now on; DatabaseError when the database cannot be reached."""
    driver = await _open(database_url, SearchSettings(pool_size=1))
    listening = Listening(driver)
    driver.add_termination_listener(listening.end)
    try:
        with _translated(driver):
            await driver.add_listener(channel, listening.hear)
    except BaseException:
        driver.terminate()
        raise
    return listening


class ServerFacts(NamedTuple):
    """What a PostgreSQL server says of itself."""

    name: str
    version: str
    size_bytes: int


async def server_facts(engine: AsyncEngine) -> ServerFacts:
    """Of the database that is connected to."""
    wanted = text(
        "select current_database(), current_setting('server_version'), pg_database_size(current_database())"
    )
    async with engine.connect() as connection:
        name, version, size_bytes = (await connection.execute(wanted)).one()
    return ServerFacts(name, version, size_bytes)


@asynccontextmanager
async def read_only(
    engine: AsyncEngine,
    statement_timeout_s: float,
    held: Sequence[str] = (),
    plan_cache_mode: str = SETTINGS["plan_cache_mode"],
) -> AsyncIterator[Reading]:
    """A REPEATABLE READ transaction on a connection of the pool; DatabaseError when there is none to be had.

    Tables `held` are locked before its snapshot is taken, as a lock takes none and any query does: what the
    catalog shows of them then stays to the end. `plan_cache_mode`: how its first statements are likely to be
    planned; to change over costs a round trip.
    """
    locks = f"lock table {', '.join(f'only {table}' for table in held)} in access share mode;" if held else ""
    async with engine.connect() as connection:
        reading = Reading((await connection.get_raw_connection()).driver_connection, plan_cache_mode)
        try:
            await reading.execute(
                "begin isolation level repeatable read, read only;"
                f"set local statement_timeout = {max(1, int(statement_timeout_s * 1000))};"
                f"{_planning(plan_cache_mode)}{locks}"
            )
            yield reading
            await reading.execute("commit")
        except BaseException:
            if not await _roll_back(reading):
                await connection.invalidate()
            raise


async def _roll_back(reading: Reading) -> bool:
    """End a transaction whatever it is at; False when its connection is of no more use."""
    if reading.closed:
        return False
    try:
        # The driver first waits for the server to give up what was broken off.
        async with asyncio.timeout(ROLL_BACK_S):
            await reading.execute("rollback")
    except (DatabaseError, TimeoutError):
        return False
    return True


def _translate(context: ExceptionContext) -> None:
    """SQLAlchemy's hook: what it raises here takes the place of the driver's error."""
    error = context.original_exception
    if isinstance(error, DatabaseError | DisconnectionError) or not isinstance(error, Exception):
        return
    if getattr(error, "sqlstate", None) == UNIQUE_VIOLATION:
        raise AlreadyThere from error
    raise _database_error(error, lost=context.is_disconnect) from error


def _database_error(error: Exception, *, lost: bool) -> DatabaseError:
    if isinstance(error, TimeoutError) or getattr(error, "sqlstate", None) == QUERY_CANCELED:
        return _logged(DatabaseTimeout("the database took too long"), error)
    if lost:
        return _logged(DatabaseError("the connection to the database is lost"), error)
    return _logged(DatabaseError("the database refused a statement"), error)


def _logged(translated: DatabaseError, cause: BaseException, node: str | None = None) -> DatabaseError:
    whose = "" if node is None else f"data node {node}: "
    words = str(cause) or "no words"
    if words == str(translated):
        log.error("%s%s", whose, translated)
    else:
        log.error("%s%s: %s: %s", whose, translated, type(cause).__name__, words)
    return translated
