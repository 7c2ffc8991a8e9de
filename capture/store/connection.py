"""One connection to PostgreSQL: the typed face of asyncpg, whose errors go no further than this module.

What PostgreSQL says to a COPY is sorted here into what must be done: `RowsRefused` names the data,
`PartitionMissing` the partition. Everything else is `DatabaseAway`: the database's trouble, not the packets'.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Self, TypeVar

import asyncpg
import msgspec

from capture.errors import ConfigError, DatabaseAway, PartitionMissing, StoreError

CONNECT_TIMEOUT_S = 10
REPLY_TIMEOUT_S = 90
"""Longer than any statement may take in the server, so that only a network that swallows packets meets it."""

SETTINGS = {
    "application_name": "rhapsode",
    "jit": "off",
    "plan_cache_mode": "force_custom_plan",
    "statement_timeout": "60s",
    "lock_timeout": "20s",
    "idle_in_transaction_session_timeout": "60s",
    "timezone": "UTC",
}
"""Set on the connection, never on the cluster: it may be someone else's."""
_SET = "select set_config(name, value, false) from unnest($1::text[], $2::text[]) as setting (name, value)"

_DATA_CLASSES = frozenset(["22", "23", "54"])
"""SQLSTATE classes that name the data: data exception, integrity violation, program limit exceeded."""
_PARTITION_STATES = frozenset(["23514", "42P01"])
"""Check violation (the partition does not take this time) and undefined table (it has gone)."""

_SIGNATURE = b"PGCOPY\n\xff\r\n\0"
_HEADER = _SIGNATURE + bytes(8)
"""Followed by no flags and no header extension."""
_TRAILER = b"\xff\xff"

Value = None | bool | int | float | str | bytes | object
T = TypeVar("T")


class RowsRefused(StoreError):
    """PostgreSQL does not take these rows, whatever the weather: one of them is bad."""


class Connection:
    """A connection with our settings, used by one task at a time."""

    def __init__(self, raw: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._raw = raw

    @classmethod
    async def open(cls, database_url: str, settings: Mapping[str, str] | None = None) -> Self:
        """Connect; DatabaseAway in words when that fails, ConfigError when the URL is none."""
        with _translated():
            raw = await asyncpg.connect(
                database_url, timeout=CONNECT_TIMEOUT_S, command_timeout=REPLY_TIMEOUT_S
            )
        connection = cls(raw)
        # Not as startup parameters: a pooler in between would refuse those.
        wanted = SETTINGS | dict(settings or {})
        await connection.fetch(tuple[str], _SET, list(wanted), list(wanted.values()))
        return connection

    @property
    def closed(self) -> bool:
        return bool(self._raw.is_closed())

    async def execute(self, statement: str, *arguments: Value) -> str:
        """Run a statement and return its command tag, such as `UPDATE 1`."""
        with _translated():
            return str(await self._raw.execute(statement, *arguments))

    async def fetch(self, row: type[T], query: str, *arguments: Value) -> list[T]:
        """The rows of a query, each as a `row`: a NamedTuple or tuple type in the order of the columns."""
        with _translated():
            records = await self._raw.fetch(query, *arguments)
        return [msgspec.convert(tuple(record), row) for record in records]

    async def copy(self, table: str, columns: Sequence[str], rows: Sequence[bytes]) -> int:
        """COPY encoded binary tuples into a table; the number of rows that PostgreSQL took.

        RowsRefused when one of them is bad, PartitionMissing when the table has gone or does not take its
        time.
        """

        # One item, for each item that asyncpg is given costs a turn of the loop.
        async def whole() -> AsyncIterator[bytes]:
            yield b"".join((_HEADER, *rows, _TRAILER))

        with _translated(_of_copy):
            tag = await self._raw.copy_to_table(table, source=whole(), columns=columns, format="binary")
        return int(tag.split()[1])

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """BEGIN, and COMMIT at the end or ROLLBACK on any error.

        A lost reply to COMMIT is DatabaseAway, and what happened is unknown: ask the database. After an error
        that leaves the connection's state unknown it is closed.
        """
        await self.execute("begin")
        try:
            yield
        except StoreError:
            await self._roll_back()
            raise
        except BaseException:
            self.terminate()
            raise
        try:
            tag = await self.execute("commit")
        except StoreError as error:
            self.terminate()
            raise DatabaseAway(f"no answer to COMMIT: {error}") from error
        if tag != "COMMIT":
            raise DatabaseAway(f"COMMIT was answered with {tag}")

    async def close(self) -> None:
        """Say goodbye, or hang up if the server does not answer."""
        try:
            with _translated():
                await self._raw.close(timeout=2)
        except DatabaseAway:
            self.terminate()

    def terminate(self) -> None:
        """Hang up; the server rolls back what was open."""
        self._raw.terminate()

    async def _roll_back(self) -> None:
        if self.closed:
            return
        try:
            await self.execute("rollback")
        except StoreError:
            self.terminate()


@contextmanager
def _translated(sort: Callable[[str, str], StoreError] | None = None) -> Iterator[None]:
    try:
        yield
    except asyncpg.PostgresError as error:
        state: str = getattr(error, "sqlstate", None) or "?"
        words = f"{error} (SQLSTATE {state})"
        raise (sort(state, words) if sort else DatabaseAway(words)) from error
    except asyncpg.exceptions.ClientConfigurationError as error:
        raise ConfigError(f"database URL: {error}") from error
    except TimeoutError as error:
        raise DatabaseAway("the database does not answer in time") from error
    except (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise DatabaseAway(f"the connection to the database is lost: {error}") from error


def _of_copy(state: str, words: str) -> StoreError:
    if state in _PARTITION_STATES:
        return PartitionMissing(words)
    if state[:2] in _DATA_CLASSES:
        return RowsRefused(words)
    return DatabaseAway(words)
