"""The API's engine on PostgreSQL, and the one place where driver errors become ours.

The URL goes to asyncpg as it is, so that what libpq knows (`?host=/socket/directory`, `?sslmode=…`) works.
"""

import logging
from typing import Any

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from api.errors import DatabaseError, DatabaseMismatch, DatabaseTimeout
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
SETTINGS = {
    "application_name": "rhapsode-api",
    # A generic plan reads every partition's index: 48 ms instead of 1.
    "plan_cache_mode": "force_custom_plan",
    "jit": "off",
    "idle_in_transaction_session_timeout": "60s",
    "timezone": "UTC",
}
SET = "select set_config(name, value, false) from unnest($1::text[], $2::text[]) as setting (name, value)"
"""Not as startup parameters: a pooler in between would refuse those."""
QUERY_CANCELED = "57014"


def connect(database_url: str, settings: SearchSettings | None = None) -> AsyncEngine:
    """An engine that has not connected yet; every failure of it is a DatabaseError.

    Each new connection checks the schema, so that one changed under a running API is noticed.
    """
    settings = settings or SearchSettings()
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: _open(database_url, settings),
        poolclass=AsyncAdaptedQueuePool,
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_timeout=min(POOL_WAIT_S, settings.statement_timeout_s),
        # A restarted server is noticed before a request has to suffer for it.
        pool_pre_ping=True,
    )
    event.listen(engine.sync_engine, "handle_error", _translate)
    return engine


async def _open(
    database_url: str, settings: SearchSettings
) -> Any:  # the driver's connection, for SQLAlchemy
    try:
        connection = await asyncpg.connect(
            database_url,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=settings.statement_timeout_s + ANSWER_GRACE_S,
        )
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        raise _logged(DatabaseError("the database cannot be reached"), error) from error
    try:
        wanted = SETTINGS | {"statement_timeout": f"{settings.statement_timeout_s * 1000:.0f}ms"}
        await connection.execute(SET, list(wanted), list(wanted.values()))
        await check_schema(Connection(connection))
    except SchemaMismatch as error:
        await connection.close()
        raise _logged(DatabaseMismatch(str(error)), error) from error
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, StoreError) as error:
        connection.terminate()
        raise _logged(DatabaseError("the database does not answer as it should"), error) from error
    return connection


def _translate(context: ExceptionContext) -> None:
    """SQLAlchemy's hook: what it raises here takes the place of the driver's error."""
    error = context.original_exception
    # A ping that fails only makes the pool connect anew.
    if context.is_pre_ping or isinstance(error, DatabaseError) or not isinstance(error, Exception):
        return
    if isinstance(error, TimeoutError) or getattr(error, "sqlstate", None) == QUERY_CANCELED:
        raise _logged(DatabaseTimeout("the database took too long"), error) from error
    if context.is_disconnect:
        raise _logged(DatabaseError("the connection to the database is lost"), error) from error
    raise _logged(DatabaseError("the database refused a statement"), error) from error


def _logged(translated: DatabaseError, cause: BaseException) -> DatabaseError:
    log.error("%s: %s: %s", translated, type(cause).__name__, str(cause) or "no words")
    return translated
