"""What the database says of itself and of what is stored, or in words why it says nothing."""

import asyncio
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from capture.errors import CaptureError, SchemaMismatch
from capture.route import MessageClass
from capture.store.connection import Connection
from capture.store.schema import check_schema
from capture.store.senders import Sender, read_senders
from capture.store.survey import StoredClass, survey
from rhapsode.errors import PostgresError
from rhapsode.settings import Settings
from rhapsode.temporary import running_database

OLDEST_MAJOR = 15
PATIENCE_S = 15.0
_STATE = """
select current_setting('server_version_num')::int, current_setting('server_version'),
    pg_is_in_recovery() or current_setting('default_transaction_read_only')::bool,
    pg_database_size(current_database())
"""


@dataclass(frozen=True, slots=True)
class DatabaseLook:
    """One look at the database. Empty where an error kept it from being taken."""

    name: str
    """`embedded`, or host and database of the URL: never its password."""
    error: str = ""
    """Why it could not be asked; the rest is unknown then."""
    version: int = 0
    """As PostgreSQL counts: 180006."""
    version_words: str = ""
    read_only: bool = False
    bytes: int = 0
    schema_error: str = ""
    """Why this version of the program may not use its tables."""
    stored: dict[MessageClass, StoredClass] = field(default_factory=dict)
    senders: list[Sender] = field(default_factory=list)

    @property
    def too_old(self) -> bool:
        return 0 < self.version < OLDEST_MAJOR * 10_000

    @property
    def usable(self) -> bool:
        return not (self.error or self.too_old or self.schema_error)


def look_at_database(settings: Settings, *, with_senders: bool = False) -> DatabaseLook:
    """Ask the database for fifteen seconds at most; an embedded one is not started for it."""
    name = _name(settings)
    try:
        url = running_database(settings)
        return asyncio.run(_look(url, name, with_senders=with_senders))
    except (PostgresError, CaptureError) as error:
        return DatabaseLook(name, error=str(error))
    except TimeoutError:
        return DatabaseLook(name, error=f"the database does not answer within {PATIENCE_S:.0f} s")


async def _look(url: str, name: str, *, with_senders: bool) -> DatabaseLook:
    async with asyncio.timeout(PATIENCE_S):
        connection = await Connection.open(url, {"application_name": "rhapsode-look", "lock_timeout": "2s"})
        try:
            ((version, words, read_only, size),) = await connection.fetch(tuple[int, str, bool, int], _STATE)
            schema_error, stored, senders = "", {}, []
            if version >= OLDEST_MAJOR * 10_000:
                try:
                    await check_schema(connection)
                except SchemaMismatch as error:
                    schema_error = str(error)
                else:
                    now_us = time.time_ns() // 1000
                    stored = await survey(connection, now_us)
                    senders = await read_senders(connection, now_us) if with_senders else []
        finally:
            connection.terminate()
    return DatabaseLook(
        name,
        version=version,
        version_words=words.split()[0],
        read_only=read_only,
        bytes=size,
        schema_error=schema_error,
        stored=stored,
        senders=senders,
    )


def _name(settings: Settings) -> str:
    if settings.database_url is None:
        return "embedded"
    parts = urlsplit(settings.database_url.get_secret_value())
    host = parts.netloc.rpartition("@")[2] or "local socket"
    return f"{host}{parts.path}"
