"""Deleting on a real server: what goes, what stays, and what a crash or a lock leaves to the next round."""

import asyncio
import time
from collections.abc import Sequence

import asyncpg
import pytest

from capture.errors import DatabaseAway
from capture.route import MessageClass
from capture.settings import RetentionSettings
from capture.store.columns import KEY_COLUMNS, MESSAGE_COLUMNS
from capture.store.connection import Connection
from capture.store.expiry import SLACK_US
from capture.store.partitions import HOUR_US, Leaf
from capture.store.retention import LOCK, MARK, SETTINGS, Round, run_round
from tests.support.database import fetch
from tests.support.leaves import NOW_US, a_writer
from tests.support.proxy import proxied
from tests.support.rows import a_key, messages

SIX_HOURS = RetentionSettings(call="6h", registration="6h", rtcp="0")
OURS = "select relname::text from pg_class where relname ~ '_p[0-9]+$' and relkind = 'r' order by 1"


async def tables(url: str) -> set[str]:
    return {name for (name,) in await fetch(url, OURS)}


async def filled(
    url: str, ages_h: Sequence[int], message_class: MessageClass = MessageClass.CALL
) -> list[Leaf]:
    """A leaf with two messages and a key row for each age, in hours before now; oldest first."""
    leaves = []
    async with a_writer(url) as writer:
        version = await writer.keying_version({"sid": 1})
        connection = await Connection.open(url)
        for age_h in sorted(ages_h, reverse=True):
            leaf = await writer.cover(message_class, NOW_US - age_h * HOUR_US)
            await writer.note_keying(leaf, version)
            await connection.copy(leaf.keys_table, KEY_COLUMNS, [a_key(leaf, 1)])
            await connection.copy(leaf.messages_table, MESSAGE_COLUMNS, messages(leaf, 2))
            leaves.append(leaf)
        await connection.close()
    return leaves


async def a_round(url: str, retention: RetentionSettings = SIX_HOURS, now_us: int = NOW_US) -> Round | None:
    connection = await Connection.open(url, SETTINGS)
    try:
        return await run_round(connection, retention, now_us)
    finally:
        await connection.close()


def names(leaves: Sequence[Leaf]) -> set[str]:
    return {table for leaf in leaves for table in leaf.tables}


async def test_leaves_past_their_class_s_retention_go_and_all_others_stay(database_url: str) -> None:
    calls = await filled(database_url, [0, 4, 8, 10, 12])
    for_ever = await filled(database_url, [0, 100], MessageClass.RTCP)
    fortnight = await filled(database_url, [0, 100], MessageClass.LOG)

    done = await a_round(database_url)

    # 8 hours ago lies in the step that ended exactly 7 hours ago, 7 being more than 6 and the slack.
    assert done == Round(dropped=3, left=0, error="")
    assert await tables(database_url) == names(calls[3:] + for_ever + fortnight)
    noted = await fetch(database_url, "select leaf from leaf_keying where message_class = '1_call'")
    assert {number for (number,) in noted} == {leaf.number for leaf in calls[3:]}


async def test_leaf_stays_for_the_slack_and_goes_then(database_url: str) -> None:
    (leaf,) = await filled(database_url, [8])
    past_us = leaf.upper_us + 6 * HOUR_US

    early = await a_round(database_url, now_us=past_us + SLACK_US - 1)
    still_there = await tables(database_url)
    await a_round(database_url, now_us=past_us + SLACK_US)

    assert early == Round(0, 0, "")
    assert still_there == names([leaf])
    assert await tables(database_url) == set()


async def test_clock_that_is_fast_deletes_nothing(database_url: str) -> None:
    now_us = await database_now_us(database_url)
    async with a_writer(database_url) as writer:
        leaf = await writer.cover(MessageClass.CALL, now_us)

    done = await a_round(database_url, now_us=now_us + 10_000 * HOUR_US)

    assert done == Round(0, 0, "")
    assert await tables(database_url) == names([leaf])


async def database_now_us(url: str) -> int:
    ((now_us,),) = await fetch(url, "select (extract(epoch from now()) * 1000000)::bigint")
    return int(now_us)


async def test_one_at_a_time(database_url: str) -> None:
    leaves = await filled(database_url, [10])
    other = await Connection.open(database_url)
    await other.execute("select pg_advisory_lock($1)", LOCK)

    beside = await a_round(database_url)
    await other.close()

    assert beside is None
    assert await tables(database_url) == names(leaves)
    assert await a_round(database_url) == Round(1, 0, "")


async def test_what_a_reader_keeps_is_left_to_the_next_round(database_url: str) -> None:
    expired = await filled(database_url, [10, 12])
    reader = await Connection.open(database_url)
    await reader.execute("begin isolation level repeatable read")
    await reader.execute("lock table only messages_1_call, only keys_1_call in access share mode")
    await reader.fetch(tuple[int], "select 1")  # from here on it sees what is there now
    query = "select count(*) from messages_1_call where time_us between $1 and $2"

    during = await a_round(database_url)
    seen = await reader.fetch(tuple[int], query, expired[0].lower_us, expired[-1].upper_us)
    await reader.execute("commit")
    await reader.close()
    after = await a_round(database_url)

    assert during is not None
    assert during.dropped == 0
    assert during.left == 4
    assert "lock timeout" in during.error
    assert seen == [(4,)], "what it could see at first it sees to its end"
    assert after == Round(2, 0, "")
    assert await tables(database_url) == set()


async def test_partitions_are_made_beside_a_detach_that_is_pending(database_url: str) -> None:
    await filled(database_url, [10])
    reader = await Connection.open(database_url)
    await reader.execute("begin isolation level repeatable read")
    await reader.execute("lock table only messages_1_call, only keys_1_call in access share mode")
    await a_round(database_url)

    async with a_writer(database_url) as writer, asyncio.timeout(5):
        leaf = await writer.cover(MessageClass.CALL, NOW_US)
        partitions = await writer.read_partitions()
    await reader.close()

    assert list(partitions.leaves(MessageClass.CALL)) == [leaf]


@pytest.mark.parametrize(
    "statement",
    [
        b"comment on table keys",
        b"alter table messages_1_call detach",
        b"alter table keys_1_call detach",
        b"drop table messages",
        b"drop table keys",
        b"delete from leaf_keying",
    ],
)
async def test_round_cut_off_at_any_statement_is_finished_by_the_next(
    database_url: str, statement: bytes
) -> None:
    kept = await filled(database_url, [0])
    await filled(database_url, [10, 12])
    async with proxied(database_url) as proxy:
        proxy.cut_answer_to = statement

        with pytest.raises(DatabaseAway):
            await a_round(proxy.url)

        assert proxy.cuts == 1
    await no_other_sessions(database_url)

    await a_round(database_url)

    assert await tables(database_url) == names(kept)
    assert await fetch(database_url, "select count(*) from leaf_keying") == [(1,)]


async def no_other_sessions(url: str) -> None:
    """Until the server has noticed that its client has gone."""
    query = """
    select count(*) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
    """
    async with asyncio.timeout(10):
        while (await fetch(url, query))[0][0]:  # noqa: ASYNC110 # the server tells no other way
            await asyncio.sleep(0.01)


async def test_what_an_operator_made_or_detached_is_left_alone(database_url: str) -> None:
    (detached,) = await filled(database_url, [12])
    await fetch(database_url, f"alter table messages_1_call detach partition {detached.messages_table}")
    await fetch(database_url, "create table archive partition of messages_1_call for values from (1) to (2)")
    await filled(database_url, [10])

    done = await a_round(database_url)

    assert done == Round(1, 0, "")
    assert await tables(database_url) == names([detached])
    assert await fetch(database_url, "select count(*) from archive") == [(0,)]


async def test_detach_that_an_operator_has_broken_off_is_finished(database_url: str) -> None:
    (leaf,) = await filled(database_url, [0])
    reader = await Connection.open(database_url)
    await reader.execute("begin")
    await reader.execute("lock table only messages_1_call in access share mode")
    operator = await asyncpg.connect(database_url)
    await operator.execute("set lock_timeout = 100")
    with pytest.raises(asyncpg.LockNotAvailableError):
        await operator.execute(
            f"alter table messages_1_call detach partition {leaf.messages_table} concurrently"
        )
    await operator.close()
    await reader.close()

    done = await a_round(database_url)

    assert done == Round(0, 0, "")
    assert await tables(database_url) == names([leaf]), "detached as was asked, not dropped"
    assert await fetch(database_url, "select count(*) from pg_inherits where inhdetachpending") == [(0,)]


async def test_table_used_by_itself_holds_up_nobody_and_is_left_to_the_next_round(database_url: str) -> None:
    first, second = await filled(database_url, [12, 10])
    user = await Connection.open(database_url)
    await user.execute("begin")
    await user.execute(f"lock table {first.messages_table} in access share mode")

    began = time.monotonic()
    during = await a_round(database_url)
    took_s = time.monotonic() - began
    await user.close()

    assert during is not None
    assert during.dropped == 1
    assert "is used by itself" in during.error
    assert took_s < 3, "it was not waited for"
    assert second.messages_table not in await tables(database_url)
    assert await a_round(database_url) == Round(1, 0, "")


async def test_search_that_ends_within_seconds_is_waited_for_while_partitions_are_made(
    database_url: str,
) -> None:
    (expired,) = await filled(database_url, [12])
    reader = await Connection.open(database_url)
    await reader.execute("begin")
    await reader.execute("lock table only messages_1_call in access share mode")

    round_ = asyncio.create_task(a_round(database_url))
    await pending(database_url)
    async with a_writer(database_url) as writer, asyncio.timeout(1):
        await writer.cover(MessageClass.CALL, NOW_US)
    await reader.close()

    assert await round_ == Round(1, 0, "")
    assert expired.messages_table not in await tables(database_url)


async def pending(url: str) -> None:
    """Until a detach waits for others to end."""
    async with asyncio.timeout(10):
        while (await fetch(url, "select count(*) from pg_inherits where inhdetachpending"))[0][0] == 0:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_marked_table_that_was_renamed_stays_and_is_no_work_left(database_url: str) -> None:
    (leaf,) = await filled(database_url, [10])
    messages_table = leaf.messages_table
    connection = await asyncpg.connect(database_url)
    try:
        parent = messages_table.rpartition("_p")[0]
        await connection.execute(f"comment on table {messages_table} is '{MARK}'")
        await connection.execute(f"alter table {parent} detach partition {messages_table}")
        await connection.execute(f"alter table {messages_table} rename to saved")
    finally:
        await connection.close()

    done = await a_round(database_url)

    assert done is not None
    assert (done.left, done.error) == (0, "")
    assert await fetch(database_url, "select count(*) from saved") == [(2,)]
