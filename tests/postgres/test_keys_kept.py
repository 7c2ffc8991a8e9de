"""What a worker remembers having written is thrown away with what it stood for: messages stay findable."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import asyncpg

from api.database import connect
from api.search.query import Condition, Operator, Query
from api.search.run import Searcher
from capture.journal.log import JournalWriter
from capture.route import MessageClass
from capture.settings import JournalSettings
from migrations.run import upgrade
from tests.support.postgres_server import PostgresServer
from tests.support.sender import hep3
from tests.support.working import append, working

HOUR_US = 3_600_000_000
PATIENCE_S = 30.0


def packet(call: str, number: int, time_us: int) -> bytes:
    """A message of a call whose caller is named like it."""
    payload = (
        f"INVITE sip:bob@example.com SIP/2.0\r\nFrom: <sip:{call}@example.com>;tag=1\r\n"
        f"To: <sip:bob@example.com>\r\nCall-ID: {call}\r\nCSeq: {number} INVITE\r\n\r\n"
    )
    return hep3(payload.encode(), time_us)


@asynccontextmanager
async def a_database(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def fetchval(url: str, query: str) -> Any:
    async with a_database(url) as connection:
        return await connection.fetchval(query)


async def until_stored(url: str, count: int) -> None:
    async with asyncio.timeout(PATIENCE_S), a_database(url) as connection:
        while await connection.fetchval("select count(*) from messages_1_call") < count:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def found_by_caller(url: str, callers: list[str]) -> dict[str, int]:
    """How many messages a search for each caller finds."""
    engine = connect(url)
    searcher = Searcher(engine)
    found = {}
    for caller in callers:
        where = Condition("from_user", Operator.EQUAL, (caller,))
        page = await searcher.page(Query(MessageClass.CALL, 0, 2**60, 100, where))
        found[caller] = len(page.rows)
    await searcher.close()
    await engine.dispose()
    return found


@contextmanager
def a_journal(directory: Path) -> Iterator[JournalWriter]:
    writer = JournalWriter.open(directory, JournalSettings())
    try:
        yield writer
    finally:
        writer.close()


FAIL_ONCE = """
create sequence batches;
create function fail_once() returns trigger language plpgsql as $$
begin
    -- A sequence is not rolled back, so that the batch comes through when it is tried again.
    if nextval('batches') = 2 then
        raise exception 'made to fail once' using errcode = '40001';
    end if;
    return new;
end $$;
create trigger fail_once before update of number on journal_position
    for each row execute function fail_once();
"""


async def test_message_stored_after_a_rollback_is_found_by_its_caller(
    tmp_path: Path, database_url: str
) -> None:
    async with a_database(database_url) as connection:
        await connection.execute(FAIL_ONCE)
    now_us = time.time_ns() // 1000
    callers = [f"caller-{n}" for n in range(12)]

    with a_journal(tmp_path) as journal, working(tmp_path, database_url, batch_rows=4):
        append(journal, [packet(caller, 1, now_us) for caller in callers])
        await until_stored(database_url, 12)

    assert await fetchval(database_url, "select last_value from batches") > 3, "no batch was rolled back"
    assert await found_by_caller(database_url, callers) == dict.fromkeys(callers, 1)


@asynccontextmanager
async def a_forgetful_server() -> AsyncIterator[PostgresServer]:
    """A server that loses what was committed without waiting for the disk when it is killed."""
    server = PostgresServer()
    try:
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(upgrade, server.url)
        async with a_database(server.url) as connection:
            for setting in ("wal_writer_delay = '10s'", "wal_writer_flush_after = '1GB'"):
                await connection.execute(f"alter system set {setting}")
            await connection.execute("select pg_reload_conf()")
        yield server
    finally:
        server.stop()


async def test_messages_that_a_crash_of_postgresql_took_are_stored_again_and_found(tmp_path: Path) -> None:
    now_us = time.time_ns() // 1000
    callers = [f"caller-{n}" for n in range(20)]

    async with a_forgetful_server() as server:
        with a_journal(tmp_path) as journal, working(tmp_path, server.url, train_dictionary=False):
            # Two batches, so that partitions made ahead of time are made by then: they wait for the disk.
            for number, caller in enumerate(("first", "second"), 1):
                append(journal, [packet(caller, 1, now_us)])
                await until_stored(server.url, number)
            on_disk = await fetchval(server.url, "select pg_current_wal_insert_lsn()::text")
            append(journal, [packet(caller, 1, now_us) for caller in callers])
            await until_stored(server.url, 22)
            lost = await fetchval(server.url, f"select pg_current_wal_flush_lsn() <= '{on_disk}'")
            server.kill()
            await asyncio.to_thread(server.start)
            await until_stored(server.url, 22)
        found = await found_by_caller(server.url, callers)

    assert lost, "what is to be lost by the crash was on disk before it"
    assert found == dict.fromkeys(callers, 1)


async def test_message_in_a_bucket_dropped_and_made_again_is_found_by_its_caller(
    tmp_path: Path, database_url: str
) -> None:
    now_us = time.time_ns() // 1000
    dropped_us, other_us = now_us - 10 * HOUR_US, now_us - 20 * HOUR_US

    with a_journal(tmp_path) as journal, working(tmp_path, database_url):
        append(journal, [packet("caller", 1, dropped_us)])
        await until_stored(database_url, 1)
        await _drop_bucket(database_url, dropped_us)
        # A bucket that is made shows the worker which others have gone, and no batch fails by it.
        append(journal, [packet("other", 1, other_us)])
        await until_stored(database_url, 1)
        append(journal, [packet("caller", 2, dropped_us)])
        await until_stored(database_url, 2)

    assert await found_by_caller(database_url, ["caller", "other"]) == {"caller": 1, "other": 1}


async def _drop_bucket(url: str, time_us: int) -> None:
    async with a_database(url) as connection:
        query = "select tableoid::regclass::text from messages_1_call where time_us = $1"
        leaf = await connection.fetchval(query, time_us)
        await connection.execute(f"drop table {leaf}, {leaf.replace('messages', 'keys')}")
