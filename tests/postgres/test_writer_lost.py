"""Connections that break, servers that die: a batch is stored once or not at all, and the position tells."""

from collections.abc import Iterator

import asyncpg
import pytest

from capture.errors import DatabaseAway
from capture.route import MessageClass
from capture.settings import StorageSettings
from capture.store.partitions import Leaf
from capture.store.writer import Writer
from migrations.run import upgrade
from tests.support.database import run_elsewhere
from tests.support.postgres_server import PostgresServer
from tests.support.proxy import proxied
from tests.support.rows import START, a_batch, a_journal, leaf_rows, messages

TIME_US = 1_790_000_000_000_000


def none(leaf: Leaf, origin: int, words: str) -> None:
    raise AssertionError("a lost connection refuses no row")


async def _count(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval("select count(*) from messages_1_call"))
    finally:
        await connection.close()


@pytest.mark.parametrize("after_bytes", [200, 20_000, 120_000])
async def test_connection_cut_in_mid_copy_stores_nothing(database_url: str, after_bytes: int) -> None:
    async with proxied(database_url) as proxy:
        writer, journal = Writer(proxy.url, StorageSettings()), a_journal()
        await writer.connect()
        await writer.begin_journal(journal, "here", START)
        leaf = await writer.cover(MessageClass.CALL, TIME_US)
        batch = a_batch({leaf: leaf_rows(leaf, messages(leaf, 1000))}, journal=journal)
        proxy.cut_after_client_bytes = after_bytes

        with pytest.raises(DatabaseAway):
            await writer.commit(batch, none)
        proxy.cut_after_client_bytes = None
        await writer.connect()

        assert proxy.cuts == 1
        assert await _count(database_url) == 0
        assert (await writer.load_position(journal, "here")).position == START
        await writer.commit(batch, none)
        assert await _count(database_url) == 1000
        await writer.close()


async def test_lost_answer_to_commit_is_settled_by_the_stored_position(database_url: str) -> None:
    async with proxied(database_url) as proxy:
        writer, journal = Writer(proxy.url, StorageSettings()), a_journal()
        await writer.connect()
        await writer.begin_journal(journal, "here", START)
        leaf = await writer.cover(MessageClass.CALL, TIME_US)
        batch = a_batch({leaf: leaf_rows(leaf, messages(leaf, 10))}, journal=journal)
        proxy.cut_answer_to = b"commit\0"

        with pytest.raises(DatabaseAway, match="COMMIT"):
            await writer.commit(batch, none)
        proxy.cut_answer_to = None
        await writer.connect()
        stored = await writer.load_position(journal, "here")

        assert proxy.cuts == 1
        assert stored.position == batch.end
        assert stored.outcomes[0] == 10
        assert await _count(database_url) == 10
        await writer.close()


async def test_backend_ended_by_the_operator_is_away(database_url: str) -> None:
    writer, journal = Writer(database_url, StorageSettings()), a_journal()
    await writer.connect()
    await writer.begin_journal(journal, "here", START)
    leaf = await writer.cover(MessageClass.CALL, TIME_US)
    operator = await asyncpg.connect(database_url)
    await operator.execute(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"
    )
    await operator.close()

    batch = a_batch({leaf: leaf_rows(leaf, messages(leaf, 10))}, journal=journal)
    with pytest.raises(DatabaseAway):
        await writer.commit(batch, none)
    await writer.connect()
    await writer.commit(batch, none)

    assert await _count(database_url) == 10
    await writer.close()


@pytest.fixture
def mortal() -> Iterator[PostgresServer]:
    """A server of this test's own, to be killed."""
    server = PostgresServer().start()
    upgrade(server.url)
    yield server
    server.stop()


def test_killed_server_has_the_synchronous_batch_and_whole_batches_only(mortal: PostgresServer) -> None:
    journal = a_journal()

    async def write() -> tuple[int, int]:
        writer = Writer(mortal.url, StorageSettings())
        await writer.connect()
        await writer.begin_journal(journal, "here", START)
        leaf = await writer.cover(MessageClass.CALL, TIME_US)
        batch = a_batch({leaf: leaf_rows(leaf, messages(leaf, 100))}, journal=journal, synchronous=True)
        await writer.commit(batch, none)
        durable = batch.end.number
        for _ in range(5):
            batch = a_batch({leaf: leaf_rows(leaf, messages(leaf, 100))}, journal=journal, start=batch.end)
            await writer.commit(batch, none)
        mortal.kill()
        following = a_batch({leaf: leaf_rows(leaf, messages(leaf, 100))}, journal=journal, start=batch.end)
        with pytest.raises(DatabaseAway):
            await writer.commit(following, none)
        await writer.close()
        return durable, batch.end.number

    async def read() -> tuple[int, int, int]:
        writer = Writer(mortal.url, StorageSettings())
        await writer.connect()
        position, outcomes = await writer.load_position(journal, "here")
        await writer.close()
        assert position is not None
        return position.number, outcomes[0], await _count(mortal.url)

    durable, last = run_elsewhere(write())
    mortal.start()
    number, written, count = run_elsewhere(read())

    assert durable <= number <= last
    assert (number - START.number, count) == (written, written)
