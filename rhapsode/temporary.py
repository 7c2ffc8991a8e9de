"""The database for a command that ends again: by URL, the running embedded one, or one started meanwhile."""

import contextlib
from collections.abc import Iterator

from rhapsode.errors import DirectoryBusy, PostgresError
from rhapsode.lock import DirectoryLock
from rhapsode.postgres import EmbeddedPostgres
from rhapsode.postgres.files import SOCKET_NAME
from rhapsode.settings import Settings


@contextlib.contextmanager
def usable_database(settings: Settings) -> Iterator[str]:
    """URL of a database that answers; an embedded one that nobody runs is started, and stopped afterwards."""
    if settings.database_url is not None or not (settings.data_dir / "postgres" / "cluster").exists():
        yield running_database(settings)
        return
    lock = DirectoryLock(settings.data_dir / "lock")
    try:
        lock.acquire()
    except DirectoryBusy:
        yield running_database(settings)
        return
    server = EmbeddedPostgres(settings.data_dir / "postgres", inherited=(lock.fileno(),))
    try:
        server.start()
        yield server.url
    finally:
        server.stop()
        lock.close()


def running_database(settings: Settings) -> str:
    """URL of the database that somebody else runs; PostgresError in words when there is none."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    server = EmbeddedPostgres(settings.data_dir / "postgres")
    if not (server.socket_directory / SOCKET_NAME).exists():
        raise PostgresError(
            f"no database runs under {settings.data_dir}: give --database-url or the data directory of `up`"
        )
    return server.url
