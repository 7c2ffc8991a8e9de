"""A PostgreSQL server for the tests, and a migrated, empty database of its own for each of them.

`RHAPSODE_TEST_DATABASE_URL`, a superuser's URL, makes the tests use that server instead of one they start.
"""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from capture.store.connection import Connection
from migrations.run import upgrade
from rhapsode.postgres import EmbeddedPostgres
from tests.support.postgres_server import BIN_VARIABLE, PostgresServer

URL_VARIABLE = "RHAPSODE_TEST_DATABASE_URL"
T = TypeVar("T")


@dataclass(frozen=True)
class Server:
    """A running server and, in it, a migrated database to clone."""

    url: str
    """A superuser's URL to the database `postgres`."""
    template: str

    def database_url(self, name: str) -> str:
        return _with_database(self.url, name)

    def execute(self, *statements: str) -> None:
        """Run statements one by one, each outside a transaction."""
        run_elsewhere(execute(self.url, *statements))


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The server of this test session; with several pytest workers each has its own."""
    with ExitStack() as started:
        url = os.environ.get(URL_VARIABLE) or _start_server(started)
        running = Server(url, template=f"rhapsode_template_{uuid.uuid4().hex[:12]}")
        running.execute(f'create database "{running.template}"')
        upgrade(running.database_url(running.template))
        yield running
        running.execute(f'drop database "{running.template}" with (force)')


def _start_server(started: ExitStack) -> str:
    """The embedded PostgreSQL, or the one whose programs `RHAPSODE_TEST_POSTGRES_BIN` names."""
    if os.environ.get(BIN_VARIABLE):
        named = PostgresServer().start()
        started.callback(named.stop)
        return named.url
    embedded = EmbeddedPostgres(Path(started.enter_context(TemporaryDirectory(prefix="rhapsode-test-"))))
    started.callback(embedded.stop)
    embedded.start()
    url = _with_database(embedded.url, "postgres")
    # A test's data need not survive the machine.
    settings = [f"alter system set {setting} = off" for setting in ("fsync", "full_page_writes")]
    run_elsewhere(execute(url, *settings, "select pg_reload_conf()"))
    return url


@pytest.fixture
def empty_database_url(server: Server) -> Iterator[str]:
    """A database without any table."""
    yield from _database(server, "template0")


@pytest.fixture
def database_url(server: Server) -> Iterator[str]:
    """A migrated database without any row."""
    yield from _database(server, server.template)


@pytest.fixture
def another_database_url(server: Server) -> Iterator[str]:
    """The same a second time."""
    yield from _database(server, server.template)


def _database(server: Server, template: str) -> Iterator[str]:
    name = f"rhapsode_test_{uuid.uuid4().hex[:12]}"
    server.execute(f'create database "{name}" template "{template}"')
    yield server.database_url(name)
    server.execute(f'drop database "{name}" with (force)')


def run_elsewhere(work: Coroutine[None, None, T]) -> T:
    """The result of a coroutine run on a loop of its own, so that pytest's loops stay untouched."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, work).result()


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    """A connection as the writers have it."""
    connection = await Connection.open(url)
    try:
        yield connection
    finally:
        await connection.close()


async def fetch(url: str, query: str, *arguments: object) -> list[tuple[Any, ...]]:
    """The rows of one query."""
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(query, *arguments)]
    finally:
        await connection.close()


async def execute(url: str, *statements: str) -> None:
    """Run statements one by one, each outside a transaction."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def _with_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
