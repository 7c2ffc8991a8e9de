"""The revisions: up, down, up again, twice at once, and what they add up to."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from capture.errors import DatabaseAway
from capture.route import MessageClass
from capture.settings import StorageSettings
from capture.store.writer import Writer
from migrations.models import TARGETS, is_described
from migrations.run import LOCK, downgrade, head_level, upgrade
from tests.support.database import run_elsewhere


def _differences(url: str) -> list[object]:
    async def compare() -> list[object]:
        engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url))
        async with engine.connect() as connection:
            differences = await connection.run_sync(_compare)
        await engine.dispose()
        return differences

    return run_elsewhere(compare())


def _compare(connection: Connection) -> list[object]:
    options = {"compare_server_default": True, "include_object": is_described, "target_metadata": TARGETS}
    context = MigrationContext.configure(connection, opts=options)
    return list(compare_metadata(context, TARGETS))  # type: ignore[arg-type]  # it takes a list too


def test_revisions_add_up_to_what_the_models_describe(database_url: str) -> None:
    assert _differences(database_url) == []


def test_schema_comes_back_the_same_after_it_was_taken_down(empty_database_url: str) -> None:
    upgrade(empty_database_url)
    downgrade(empty_database_url)
    upgrade(empty_database_url)

    assert _differences(empty_database_url) == []


def test_downgrade_leaves_nothing_behind(empty_database_url: str) -> None:
    upgrade(empty_database_url)
    downgrade(empty_database_url)

    assert _fetch(empty_database_url, _OUR_RELATIONS) == [("alembic_version",)]


def test_two_upgrades_at_once_both_end_well(empty_database_url: str) -> None:
    program = "import sys; from migrations.run import upgrade; upgrade(sys.argv[1])"
    command = [sys.executable, "-c", program, empty_database_url]
    root = Path(__file__).parents[2]

    running = [subprocess.Popen(command, cwd=root) for _ in range(2)]

    assert [process.wait(60) for process in running] == [0, 0]

    assert _differences(empty_database_url) == []


def test_second_upgrade_waits_for_the_first(empty_database_url: str) -> None:
    async def hold() -> bool:
        holder = await asyncpg.connect(empty_database_url)
        watcher = await asyncpg.connect(empty_database_url)
        await holder.execute("select pg_advisory_lock($1)", LOCK)
        upgrading = asyncio.create_task(asyncio.to_thread(upgrade, empty_database_url))
        async with asyncio.timeout(20):
            while not await watcher.fetchval(_WAITING):  # noqa: ASYNC110 # the server tells no other way
                await asyncio.sleep(0.01)
        untouched = await watcher.fetchval("select to_regclass('schema_level')") is None
        await holder.execute("select pg_advisory_unlock($1)", LOCK)
        await upgrading
        await holder.close()
        await watcher.close()
        return untouched

    assert run_elsewhere(hold())
    assert _differences(empty_database_url) == []


def test_upgrade_that_deadlocks_with_a_writer_is_tried_again(database_url: str) -> None:
    async def meet() -> None:
        writer = await asyncpg.connect(database_url)
        watcher = await asyncpg.connect(database_url)
        # It looks for deadlocks so late that the upgrade is the one to find this.
        await writer.execute("set deadlock_timeout = '60s'")
        await writer.execute("begin; lock table payload_dictionary in access share mode")
        upgrading = asyncio.create_task(asyncio.to_thread(upgrade, database_url))
        async with asyncio.timeout(20):
            while not await watcher.fetchval(_WAITING_FOR_A_TABLE):  # noqa: ASYNC110 # it tells no other way
                await asyncio.sleep(0.01)
        await writer.execute("select pg_advisory_xact_lock($1)", LOCK)
        await writer.execute("commit")
        await upgrading
        await writer.close()
        await watcher.close()

    downgrade(database_url, "0002")

    run_elsewhere(meet())

    assert _differences(database_url) == []


def test_level_is_the_newest_revision_and_follows_a_downgrade(empty_database_url: str) -> None:
    upgrade(empty_database_url)
    newest = _fetch(empty_database_url, "select level, oldest_code from schema_level")
    downgrade(empty_database_url, "0001")
    first = _fetch(empty_database_url, "select level, oldest_code from schema_level")

    assert newest == [(head_level(), 1)]
    assert first == [(1, 1)]


def test_newer_schema_is_left_alone(empty_database_url: str) -> None:
    upgrade(empty_database_url)
    _fetch(empty_database_url, "update schema_level set level = 99, oldest_code = 98")
    _fetch(empty_database_url, "update alembic_version set version_num = '0099'")

    upgrade(empty_database_url)

    assert _fetch(empty_database_url, "select level, oldest_code from schema_level") == [(99, 98)]


def test_revision_that_fails_takes_the_others_before_it_back(empty_database_url: str) -> None:
    _fetch(empty_database_url, "create table users (id int)")

    with pytest.raises(DatabaseAway, match="users"):
        upgrade(empty_database_url)

    assert _fetch(empty_database_url, _OUR_RELATIONS) == [("users",)]


def test_server_that_is_not_there_is_named_in_words() -> None:
    with pytest.raises(DatabaseAway, match="cannot be migrated"):
        upgrade("postgresql://nobody@127.0.0.1:1/none")


def test_leaves_are_no_difference(database_url: str) -> None:
    async def make() -> None:
        writer = Writer(database_url, StorageSettings())
        await writer.connect()
        await writer.cover(MessageClass.CALL, 1_790_000_000_000_000)
        await writer.close()

    run_elsewhere(make())

    assert _differences(database_url) == []


def test_difference_would_be_seen(database_url: str) -> None:
    _fetch(database_url, "alter table messages_1_call add column surprise text")
    _fetch(database_url, "drop index keys_1_call_node_idx")

    assert len(_differences(database_url)) == 2


_WAITING = """
select count(*) from pg_locks join pg_database d on d.oid = database
where datname = current_database() and locktype = 'advisory' and not granted
"""
_WAITING_FOR_A_TABLE = """
select count(*) from pg_locks join pg_database d on d.oid = database
where datname = current_database() and locktype = 'relation' and not granted
"""
_OUR_RELATIONS = """
select relname::text from pg_class
where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'S') order by 1
"""


def _fetch(url: str, query: str) -> list[tuple[Any, ...]]:
    async def fetch() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(url)
        records = await connection.fetch(query)
        await connection.close()
        return [tuple(record) for record in records]

    return run_elsewhere(fetch())
