"""Partitions made on a real server: beside writers, beside each other, and never by half."""

import asyncio

import asyncpg
import pytest

from capture.errors import DatabaseAway, PartitionMissing
from capture.route import MessageClass
from capture.settings import StorageSettings
from capture.store import rotate
from capture.store.columns import MESSAGE_COLUMNS
from capture.store.connection import Connection
from capture.store.partitions import DAY_US, HOUR_US, Leaf
from capture.store.writer import Writer
from tests.support.database import fetch
from tests.support.leaves import NOW_US, STEP_US, a_writer
from tests.support.proxy import proxied
from tests.support.rows import START, a_batch, a_journal, leaf_rows, messages

PARENTS_AND_LEAVES = """
select c.relname::text from pg_class c where c.relname ~ '^(messages|keys)_1_call' and c.relkind in ('r', 'p')
"""


async def store(writer: Writer, leaf: Leaf, count: int) -> None:
    journal = a_journal()
    await writer.begin_journal(journal, "here", START)
    batch = a_batch({leaf: leaf_rows(leaf, messages(leaf, count))}, journal=journal)
    await writer.commit(batch, lambda leaf, origin, words: None)


async def test_missing_leaf_is_made_once_and_found_after(database_url: str) -> None:
    async with a_writer(database_url) as writer:
        made = await writer.cover(MessageClass.CALL, NOW_US)
        again = await writer.cover(MessageClass.CALL, NOW_US + 1)
        partitions = await writer.read_partitions()

    assert made == again
    assert (made.lower_us, made.upper_us) == (NOW_US - HOUR_US, NOW_US + HOUR_US)
    assert partitions.find(MessageClass.CALL, NOW_US) == made


async def test_leaf_has_what_its_parent_has(database_url: str) -> None:
    columns = """
    select attname::text, atttypid::regtype::text, attnotnull, attstorage, attcollation,
           pg_get_expr(adbin, adrelid)
    from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
    where attrelid = $1::text::regclass and attnum > 0 order by attnum
    """
    indexes = """
    select regexp_replace(pg_get_indexdef(indexrelid), '^.* USING', ''), indpred is not null,
           indexrelid in (select inhrelid from pg_inherits)
    from pg_index where indrelid = $1::text::regclass order by 1
    """
    async with a_writer(database_url) as writer:
        leaf = await writer.cover(MessageClass.CALL, NOW_US)

    for parent, table in (("messages_1_call", leaf.messages_table), ("keys_1_call", leaf.keys_table)):
        of_parent = await fetch(database_url, indexes, parent)
        of_leaf = await fetch(database_url, indexes, table)
        assert await fetch(database_url, columns, parent) == await fetch(database_url, columns, table)
        assert [row[:2] for row in of_parent] == [row[:2] for row in of_leaf]
        assert all(attached for *_, attached in of_leaf)
    storage = "select attstorage from pg_attribute where attrelid = $1::text::regclass and attname = 'raw'"
    assert await fetch(database_url, storage, leaf.messages_table) == [(b"e",)]


async def test_two_workers_at_once_make_one_leaf(database_url: str) -> None:
    async with a_writer(database_url) as first, a_writer(database_url) as second:
        leaves = await asyncio.gather(
            *(writer.cover(MessageClass.CALL, NOW_US + n) for n, writer in enumerate((first, second)))
        )

        assert leaves[0] == leaves[1]
        assert len(await fetch(database_url, PARENTS_AND_LEAVES)) == 4


async def test_creation_cut_off_at_any_statement_leaves_nothing(database_url: str) -> None:
    async with a_writer(database_url) as writer:
        await writer.cover(MessageClass.RTCP, NOW_US)  # so that every statement has been seen by the server
    for statement in (b"messages_1_call_p", b"attach partition messages", b"attach partition keys"):
        async with proxied(database_url) as proxy:
            connection = await Connection.open(proxy.url)
            proxy.cut_answer_to = statement

            with pytest.raises(DatabaseAway):
                await rotate.cover(connection, MessageClass.CALL, NOW_US, now_us=NOW_US, step_us=STEP_US)

            assert proxy.cuts == 1
            await connection.close()
        await no_other_sessions(database_url)
        assert len(await fetch(database_url, PARENTS_AND_LEAVES)) == 2

    async with a_writer(database_url) as writer:
        leaf = await writer.cover(MessageClass.CALL, NOW_US)
        await store(writer, leaf, 1)


async def no_other_sessions(url: str) -> None:
    """Until the server has noticed that its client has gone."""
    query = """
    select count(*) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
    """
    async with asyncio.timeout(10):
        while (await fetch(url, query))[0][0]:  # noqa: ASYNC110 # the server tells no other way
            await asyncio.sleep(0.01)


async def test_number_is_not_used_again_after_a_failure(database_url: str) -> None:
    async with a_writer(database_url) as writer:
        first = await writer.cover(MessageClass.CALL, NOW_US)
        await fetch(database_url, f"drop table {first.messages_table}, {first.keys_table}")
        second = await writer.cover(MessageClass.CALL, NOW_US)

    assert second.number > first.number
    assert second != first


async def test_new_leaf_is_clipped_between_neighbours_of_another_step(database_url: str) -> None:
    hourly = Writer(database_url, StorageSettings(partition_hours=1), clock_us=lambda: NOW_US)
    await hourly.connect()
    hour = await hourly.cover(MessageClass.CALL, NOW_US)
    await hourly.close()
    async with a_writer(database_url) as writer:
        before = await writer.cover(MessageClass.CALL, NOW_US - 1)

    assert (hour.lower_us, hour.upper_us) == (NOW_US, NOW_US + HOUR_US)
    assert (before.lower_us, before.upper_us) == (NOW_US - HOUR_US, NOW_US)


async def test_old_time_gets_one_leaf_for_its_month(database_url: str) -> None:
    async with a_writer(database_url) as writer:
        leaf = await writer.cover(MessageClass.CALL, NOW_US - 100 * DAY_US)
        same = await writer.cover(MessageClass.CALL, NOW_US - 101 * DAY_US)

    assert leaf == same
    assert leaf.upper_us - leaf.lower_us in (28 * DAY_US, 29 * DAY_US, 30 * DAY_US, 31 * DAY_US)


async def test_new_leaf_is_made_beside_an_open_batch(database_url: str) -> None:
    async with a_writer(database_url) as writer:
        leaf = await writer.cover(MessageClass.CALL, NOW_US)
        batch = await Connection.open(database_url)
        async with batch.transaction():
            await batch.copy(leaf.messages_table, MESSAGE_COLUMNS, messages(leaf, 1))
            # What an insert through the parents would hold.
            await batch.execute("lock table messages_1_call, keys_1_call in row exclusive mode")

            async with asyncio.timeout(5):
                following = await writer.cover(MessageClass.CALL, NOW_US + HOUR_US)
        await batch.close()

    assert following.lower_us == NOW_US + HOUR_US


async def test_classes_in_use_are_covered_ahead_of_time(database_url: str) -> None:
    near_the_end = NOW_US + HOUR_US - 60_000_000
    async with a_writer(database_url) as writer:
        call = await writer.cover(MessageClass.CALL, NOW_US)
        await writer.cover(MessageClass.REGISTRATION, NOW_US)
        await store(writer, call, 1)

        ahead = await writer.cover_ahead(near_the_end)

    assert [(leaf.message_class, leaf.lower_us) for leaf in ahead] == [(MessageClass.CALL, call.upper_us)]


async def test_class_unused_for_a_day_is_not_covered_ahead(database_url: str) -> None:
    async with a_writer(database_url) as writer:
        call = await writer.cover(MessageClass.CALL, NOW_US)
        await store(writer, call, 1)

        assert await writer.cover_ahead(call.lower_us + DAY_US + HOUR_US) == []


async def test_foreign_partition_is_left_alone_and_named(database_url: str) -> None:
    await fetch(
        database_url,
        f"create table archive partition of messages_1_call for values from ({NOW_US}) to ({NOW_US + 5})",
    )
    async with a_writer(database_url) as writer:
        with pytest.raises(PartitionMissing, match="1_call"):
            await writer.cover(MessageClass.CALL, NOW_US + 2)
        beside = await writer.cover(MessageClass.CALL, NOW_US + 5)

    assert beside.lower_us == NOW_US + 5


async def test_partition_dropped_while_the_catalog_is_read_is_no_leaf(database_url: str) -> None:
    waiting = "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    async with a_writer(database_url) as writer:
        dropped = await writer.cover(MessageClass.CALL, NOW_US)
        kept = await writer.cover(MessageClass.REGISTRATION, NOW_US)
        dropper = await Connection.open(database_url)
        async with dropper.transaction():
            await dropper.execute(f"drop table {dropped.messages_table}, {dropped.keys_table}")
            reading = asyncio.create_task(writer.read_partitions())
            # PostgreSQL before 17 does not wait for the drop here, and tells what was there before it.
            async with asyncio.timeout(5):
                while not reading.done() and not await fetch(database_url, waiting):
                    continue
        partitions = await reading
        await dropper.close()

    assert partitions.find(MessageClass.REGISTRATION, NOW_US) == kept


async def test_keys_are_found_by_prefix_through_their_index(database_url: str) -> None:
    async with a_writer(database_url) as writer:
        await writer.cover(MessageClass.CALL, NOW_US)
    connection = await asyncpg.connect(database_url)
    await connection.execute("set enable_seqscan = off; set enable_bitmapscan = off")

    plan = await connection.fetch("explain select call from keys_1_call where from_user like '4912%'")

    await connection.close()
    words = "\n".join(line for (line,) in plan)
    assert "from_user_idx" in words
    assert "from_user >= '4912'" in words
