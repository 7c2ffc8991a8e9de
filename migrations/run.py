"""Bring a database to the schema of this code, or take it back: Alembic, without an ini file.

Everything runs in one transaction: a revision that fails leaves nothing. Two that start at once queue at an
advisory lock, and the second finds the work done. Workers and searches go on meanwhile: one that deadlocks
with them, or waits too long for a lock, is tried again.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from capture.errors import DatabaseAway

LOCK = 0x52484150_4D494752
"""Key of the advisory lock: "RHAPMIGR"."""
LOCK_WAIT_S = 600
"""How long a second migration waits for the first."""
STATEMENT_TIMEOUT_S = 300
TABLE_LOCK_TIMEOUT_S = 10
"""A revision that cannot get its lock fails rather than queue everybody behind it."""
CONNECT_TIMEOUT_S = 30
CONTENTION_S = 120
"""How long it is tried again for the sake of locks that others hold."""
_PAUSE_S = 0.5
"""Those who were in the way get their work done before the next attempt."""
_CONTENDED = ("40P01", "55P03")
"""SQLSTATE of a deadlock, and of a lock that was not to be had in time."""

log = logging.getLogger(__name__)


def upgrade(database_url: str, revision: str = "head") -> None:
    """Run the revisions that are missing. Blocking: never call it on an event loop.

    A schema newer than this code is left alone; whether it may be used is `check_schema`'s to say.
    DatabaseAway in words when the database cannot be reached or refuses.
    """

    def run(connection: Connection, config: Config) -> None:
        if not _is_newer(connection, config):
            command.upgrade(config, revision)

    _run(database_url, run)


def downgrade(database_url: str, revision: str = "base") -> None:
    """Take revisions back, their data with them. Blocking, as `upgrade`."""
    _run(database_url, lambda _, config: command.downgrade(config, revision))


def script_config() -> Config:
    """Alembic's configuration: where the revisions are, wherever this package is installed."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def head_level() -> int:
    """The level of the newest revision here."""
    return int(ScriptDirectory.from_config(script_config()).get_current_head() or 0)


def _run(database_url: str, work: Callable[[Connection, Config], None]) -> None:
    deadline = time.monotonic() + CONTENTION_S
    while not _run_once(database_url, work, deadline):
        time.sleep(_PAUSE_S)


def _run_once(database_url: str, work: Callable[[Connection, Config], None], deadline: float) -> bool:
    """False when others' locks were in the way before the deadline: nothing has been changed then."""
    try:
        asyncio.run(_run_async(database_url, work))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) in _CONTENDED and time.monotonic() < deadline:
            log.warning("migration: %s; trying again", error.orig)
            return False
        raise DatabaseAway(f"migration failed: {error.orig}") from error
    except (OSError, TimeoutError, SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseAway(f"the database cannot be migrated: {error}") from error
    return True


async def _run_async(database_url: str, work: Callable[[Connection, Config], None]) -> None:
    # The URL goes to asyncpg as it is: SQLAlchemy would not understand libpq's sslmode and Unix sockets.
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: asyncpg.connect(database_url, timeout=CONNECT_TIMEOUT_S),
        poolclass=NullPool,
    )
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_run_locked, work)
    finally:
        await engine.dispose()


def _run_locked(connection: Connection, work: Callable[[Connection, Config], None]) -> None:
    # lock_timeout counts for advisory locks too, so the long wait comes before the short limit.
    connection.execute(text(f"set local lock_timeout = '{LOCK_WAIT_S}s'"))
    connection.execute(text("set local statement_timeout = 0"))
    connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": LOCK})
    connection.execute(text(f"set local lock_timeout = '{TABLE_LOCK_TIMEOUT_S}s'"))
    connection.execute(text(f"set local statement_timeout = '{STATEMENT_TIMEOUT_S}s'"))
    config = script_config()
    config.attributes["connection"] = connection
    work(connection, config)


def _is_newer(connection: Connection, config: Config) -> bool:
    if connection.scalar(text("select to_regclass('schema_level')")) is None:
        return False
    level = connection.scalar(text("select level from schema_level"))
    head = ScriptDirectory.from_config(config).get_current_head()
    return level is not None and level > int(head or 0)
