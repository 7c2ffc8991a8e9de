"""Batches against a real server: what is stored, what is refused, and where the position stands after."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from capture.errors import BatchRefused, DatabaseAway, PartitionMissing, PositionMoved, SchemaMismatch
from capture.journal.record import Position
from capture.route import MessageClass
from capture.settings import StorageSettings
from capture.store.batch import Batch
from capture.store.partitions import Leaf
from capture.store.writer import Writer
from tests.support.rows import (
    PAYLOAD,
    START,
    a_batch,
    a_journal,
    a_key,
    a_message,
    leaf_rows,
    messages,
    with_bad_text,
)

NOW_US = 1_790_000_000_000_000
NO_OUTCOMES = [0] * 6


def nothing_refused(leaf: Leaf, origin: int, words: str) -> None:
    raise AssertionError(f"row {origin} refused: {words}")


@dataclass
class Ready:
    """A connected writer, a journal that it knows, and a leaf of calls."""

    writer: Writer
    journal: UUID
    leaf: Leaf
    url: str

    async def fetch(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(self.url)
        try:
            return [tuple(record) for record in await connection.fetch(query, *arguments)]
        finally:
            await connection.close()

    async def execute(self, statements: str) -> None:
        connection = await asyncpg.connect(self.url)
        try:
            await connection.execute(statements)
        finally:
            await connection.close()

    async def count(self, table: str = "messages_1_call") -> int:
        return int((await self.fetch(f"select count(*) from {table}"))[0][0])

    async def position(self) -> Position | None:
        return (await self.writer.load_position(self.journal, "here")).position

    async def outcomes(self) -> list[int]:
        return (await self.writer.load_position(self.journal, "here")).outcomes


@asynccontextmanager
async def ready(url: str) -> AsyncIterator[Ready]:
    writer = Writer(url, StorageSettings(), clock_us=lambda: NOW_US)
    await writer.connect()
    journal = a_journal()
    await writer.begin_journal(journal, "here", START)
    leaf = await writer.cover(MessageClass.CALL, NOW_US)
    try:
        yield Ready(writer, journal, leaf, url)
    finally:
        await writer.close()


async def test_rows_keys_and_position_of_a_batch_are_stored(database_url: str) -> None:
    async with ready(database_url) as at:
        rows = leaf_rows(at.leaf, messages(at.leaf, 3), [a_key(at.leaf, 7, "call-1")], call=7)

        refused = await at.writer.commit(a_batch({at.leaf: rows}, journal=at.journal), nothing_refused)

        assert refused == 0
        assert await at.position() == Position(1, 1064, 4)
        assert await at.outcomes() == [3, 0, 0, 0, 0, 0]
        assert await at.fetch("select bucket, call, sid, cut from keys_1_call") == [
            (at.leaf.lower_us, 7, "call-1", None)
        ]
        stored = await at.fetch("select time_us, method, raw, host(source) from messages_1_call order by id")
        assert stored == [(at.leaf.lower_us + n, "INVITE", PAYLOAD, "192.0.2.1") for n in range(3)]


async def test_rows_of_several_leaves_commit_together(database_url: str) -> None:
    async with ready(database_url) as at:
        other = await at.writer.cover(MessageClass.REGISTRATION, NOW_US)
        rows = {leaf: leaf_rows(leaf, messages(leaf, 2)) for leaf in (at.leaf, other)}

        await at.writer.commit(a_batch(rows, journal=at.journal), nothing_refused)

        assert await at.count() == 2
        assert await at.count("messages_1_registration") == 2


async def test_ids_are_given_by_one_sequence_below_2_to_53(database_url: str) -> None:
    async with ready(database_url) as at:
        other = await at.writer.cover(MessageClass.RTCP, NOW_US)
        rows = {leaf: leaf_rows(leaf, messages(leaf, 2)) for leaf in (at.leaf, other)}

        await at.writer.commit(a_batch(rows, journal=at.journal), nothing_refused)

        ids = await at.fetch("select id from messages_1_call union all select id from messages_5_default")
        assert len(set(ids)) == 4
        assert all(0 < number < 2**53 for (number,) in ids)


async def test_batch_without_rows_moves_the_position(database_url: str) -> None:
    async with ready(database_url) as at:
        batch = Batch(at.journal, START, Position(1, 200, 5), [0, 4, 0, 0, 0, 0], {}, synchronous=True)

        await at.writer.commit(batch, nothing_refused)

        assert await at.position() == Position(1, 200, 5)
        assert await at.outcomes() == [0, 4, 0, 0, 0, 0]


async def test_unknown_journal_has_no_position(database_url: str) -> None:
    async with ready(database_url) as at:
        stored = await at.writer.load_position(a_journal(), "there")

        assert stored == (None, NO_OUTCOMES)


async def test_journal_is_begun_once(database_url: str) -> None:
    async with ready(database_url) as at:
        with pytest.raises(PositionMoved):
            await at.writer.begin_journal(at.journal, "there", Position(9, 9, 9))

        assert await at.position() == START


async def test_second_writer_of_the_same_batch_stores_nothing(database_url: str) -> None:
    async with ready(database_url) as at, ready(database_url) as other:
        batch = a_batch({at.leaf: leaf_rows(at.leaf, messages(at.leaf, 3))}, journal=at.journal)
        await at.writer.commit(batch, nothing_refused)

        with pytest.raises(PositionMoved):
            await other.writer.commit(batch, nothing_refused)

        assert await at.count() == 3
        assert await at.outcomes() == [3, 0, 0, 0, 0, 0]


async def test_commit_is_synchronous_only_when_asked(database_url: str) -> None:
    async with ready(database_url) as at:
        seen: list[str] = []
        trigger = """
        create table seen (setting text);
        create function note() returns trigger language plpgsql as $$
        begin insert into seen values (current_setting('synchronous_commit')); return new; end $$;
        create trigger note before update on journal_position for each row execute function note();
        """
        connection = await asyncpg.connect(database_url)
        await connection.execute(trigger)
        await connection.close()
        middle, end = Position(1, 100, 1), Position(2, 64, 1)

        await at.writer.commit(a_batch({}, journal=at.journal, end=middle), nothing_refused)
        durable = a_batch({}, journal=at.journal, start=middle, end=end, synchronous=True)
        await at.writer.commit(durable, nothing_refused)

        seen = [setting for (setting,) in await at.fetch("select setting from seen")]
        assert seen == ["off", "on"]


async def test_bad_message_in_the_middle_alone_is_failed(database_url: str) -> None:
    async with ready(database_url) as at:
        rows = messages(at.leaf, 100)
        rows[41] = with_bad_text(at.leaf.lower_us + 41)
        refused: list[tuple[Leaf, int, str]] = []

        count = await at.writer.commit(
            a_batch({at.leaf: leaf_rows(at.leaf, rows)}, journal=at.journal),
            lambda leaf, origin, words: refused.append((leaf, origin, words)),
        )

        assert count == 1
        assert [(leaf, origin) for leaf, origin, _ in refused] == [(at.leaf, 41)]
        assert "22021" in refused[0][2]
        assert await at.outcomes() == [99, 0, 0, 0, 0, 1]
        stored = await at.fetch("select time_us from messages_1_call order by time_us")
        assert [time - at.leaf.lower_us for (time,) in stored] == [n for n in range(100) if n != 41]


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda row: b"\x00\x05" + row[2:], id="wrong number of fields"),
        pytest.param(lambda row: row[:2] + b"\xff\xff\xff\xff" + row[14:], id="null time"),
        pytest.param(lambda row: row.replace(b"INVITE", b"IN\0ITE"), id="NUL in text"),
        pytest.param(lambda row: row.replace(b'{"a":1,', b'{"a":1]'), id="broken json"),
        pytest.param(lambda row: row.replace(b'"a12345"', b'"\\u0000"'), id="NUL in json"),
        pytest.param(lambda row: row.replace(b"\x02\x20\x00\x04", b"\x02\x7f\x00\x04"), id="no address"),
    ],
)
async def test_bad_row_of_any_kind_is_found(database_url: str, spoil: Any) -> None:
    async with ready(database_url) as at:
        row = a_message(at.leaf.lower_us, extra={"a": 1, "b": "a12345"})
        rows = [*messages(at.leaf, 3), spoil(row), *messages(at.leaf, 3)]
        refused: list[int] = []

        await at.writer.commit(
            a_batch({at.leaf: leaf_rows(at.leaf, rows)}, journal=at.journal),
            lambda leaf, origin, words: refused.append(origin),
        )

        assert refused == [3]
        assert await at.count() == 6


async def test_refused_is_told_before_anything_is_committed(database_url: str) -> None:
    async with ready(database_url) as at:
        rows = [*messages(at.leaf, 3), with_bad_text(at.leaf.lower_us)]

        def fail(leaf: Leaf, origin: int, words: str) -> None:
            raise OSError("no room to set it aside")

        with pytest.raises(OSError, match="no room"):
            await at.writer.commit(a_batch({at.leaf: leaf_rows(at.leaf, rows)}, journal=at.journal), fail)

        await at.writer.connect()
        assert await at.count() == 0
        assert await at.position() == START


async def test_refused_key_is_replaced_by_a_marked_one(database_url: str) -> None:
    async with ready(database_url) as at:
        bad = a_key(at.leaf, 5, "xxxx").replace(b"xxxx", b"\xff\xfe\xfd\xfc")
        keys = [a_key(at.leaf, 5, "good"), bad]

        refused = await at.writer.commit(
            a_batch({at.leaf: leaf_rows(at.leaf, messages(at.leaf, 1), keys, call=5)}, journal=at.journal),
            nothing_refused,
        )

        assert refused == 0
        assert await at.fetch("select bucket, call, sid, cut from keys_1_call order by sid nulls last") == [
            (at.leaf.lower_us, 5, "good", None),
            (at.leaf.lower_us, 5, None, True),
        ]
        assert await at.outcomes() == [1, 0, 0, 0, 0, 0]


async def test_ten_bad_rows_are_theirs_and_eleven_are_ours(database_url: str) -> None:
    async with ready(database_url) as at:
        bad = with_bad_text(at.leaf.lower_us)
        ten = a_batch({at.leaf: leaf_rows(at.leaf, [*messages(at.leaf, 5), *[bad] * 10])}, journal=at.journal)
        eleven = a_batch(
            {at.leaf: leaf_rows(at.leaf, [*messages(at.leaf, 5), *[bad] * 11])},
            journal=at.journal,
            start=ten.end,
        )

        refused = await at.writer.commit(ten, lambda leaf, origin, words: None)
        with pytest.raises(BatchRefused, match="22021"):
            await at.writer.commit(eleven, lambda leaf, origin, words: None)

        assert refused == 10
        assert await at.position() == ten.end
        assert await at.outcomes() == [5, 0, 0, 0, 0, 10]
        assert await at.count() == 5


async def test_nothing_is_told_of_a_batch_that_is_rolled_back_after_all(database_url: str) -> None:
    """What is told is set aside, and would be stored once more when that is replayed."""
    async with ready(database_url) as at:
        other = await at.writer.cover(MessageClass.REGISTRATION, at.leaf.lower_us)
        bad = with_bad_text(at.leaf.lower_us)
        rows = {leaf: leaf_rows(leaf, [bad] * 6) for leaf in (at.leaf, other)}

        with pytest.raises(BatchRefused):
            await at.writer.commit(a_batch(rows, journal=at.journal), nothing_refused)

        assert await at.position() == START


async def test_time_outside_the_leaf_names_the_partition_and_refuses_no_row(database_url: str) -> None:
    async with ready(database_url) as at:
        rows = [*messages(at.leaf, 2), a_message(at.leaf.upper_us)]

        with pytest.raises(PartitionMissing, match="23514"):
            await at.writer.commit(
                a_batch({at.leaf: leaf_rows(at.leaf, rows)}, journal=at.journal), nothing_refused
            )

        assert await at.count() == 0
        assert await at.position() == START


async def test_dropped_leaf_is_missing_and_comes_back_as_another(database_url: str) -> None:
    async with ready(database_url) as at:
        await at.fetch(f"drop table {at.leaf.messages_table}, {at.leaf.keys_table}")
        batch = a_batch({at.leaf: leaf_rows(at.leaf, messages(at.leaf, 2))}, journal=at.journal)

        with pytest.raises(PartitionMissing, match="42P01"):
            await at.writer.commit(batch, nothing_refused)
        known = await at.writer.read_partitions()
        again = await at.writer.cover(MessageClass.CALL, NOW_US)

        assert known.find(MessageClass.CALL, NOW_US) is None
        assert (again.lower_us, again.upper_us) == (at.leaf.lower_us, at.leaf.upper_us)
        assert again.number > at.leaf.number
        await at.writer.commit(
            a_batch({again: leaf_rows(again, messages(again, 2))}, journal=at.journal), nothing_refused
        )
        assert await at.count() == 2


async def test_read_only_database_is_away_and_refuses_no_row(database_url: str) -> None:
    async with ready(database_url) as at:
        name = database_url.split("?")[0].rpartition("/")[2]
        await at.fetch(f'alter database "{name}" set default_transaction_read_only = on')
        writer = Writer(database_url, StorageSettings())
        await writer.connect()

        with pytest.raises(DatabaseAway, match="read-only"):
            await writer.commit(
                a_batch({at.leaf: leaf_rows(at.leaf, messages(at.leaf, 2))}, journal=at.journal),
                nothing_refused,
            )

        await writer.close()


NO_ROOM = """
create function no_room() returns trigger language plpgsql as $$
begin raise exception 'no space left on device' using errcode = '53100'; end $$;
create trigger no_room before insert on {table} for each row
    when (new.time_us = {time_us}) execute function no_room();
"""


async def test_trouble_of_the_database_in_mid_copy_refuses_no_row(database_url: str) -> None:
    async with ready(database_url) as at:
        rows = {at.leaf: leaf_rows(at.leaf, messages(at.leaf, 100))}
        batch = a_batch(rows, journal=at.journal)
        await at.execute(NO_ROOM.format(table=at.leaf.messages_table, time_us=at.leaf.lower_us + 41))

        with pytest.raises(DatabaseAway, match="no space left"):
            await at.writer.commit(batch, nothing_refused)

        assert await at.position() == START
        await at.execute(f"drop trigger no_room on {at.leaf.messages_table}")
        await at.writer.commit(batch, nothing_refused)
        assert await at.outcomes() == [100, 0, 0, 0, 0, 0]


async def test_writer_goes_on_after_a_rolled_back_batch(database_url: str) -> None:
    async with ready(database_url) as at:
        moved = a_batch(
            {at.leaf: leaf_rows(at.leaf, messages(at.leaf, 2))}, journal=at.journal, start=Position(5, 5, 5)
        )
        good = a_batch({at.leaf: leaf_rows(at.leaf, messages(at.leaf, 2))}, journal=at.journal)

        with pytest.raises(PositionMoved):
            await at.writer.commit(moved, nothing_refused)
        await at.writer.commit(good, nothing_refused)

        assert await at.count() == 2


async def test_database_without_our_schema_is_refused_in_words(empty_database_url: str) -> None:
    writer = Writer(empty_database_url, StorageSettings())

    with pytest.raises(SchemaMismatch, match="rhapsode migrate"):
        await writer.connect()

    await writer.close()


async def test_database_that_is_not_there_is_away(database_url: str) -> None:
    writer = Writer("postgresql://nobody@127.0.0.1:1/none", StorageSettings())

    with pytest.raises(DatabaseAway):
        await writer.connect()
    with pytest.raises(DatabaseAway, match="not connected"):
        await writer.load_position(a_journal(), "here")


async def test_keying_versions_are_numbered_by_their_rules(database_url: str) -> None:
    async with ready(database_url) as at:
        first = await at.writer.keying_version({"sid": 1, "custom:X-Id": 1})
        same = await at.writer.keying_version({"custom:X-Id": 1, "sid": 1})
        other = await at.writer.keying_version({"sid": 2})
        await at.writer.note_keying(at.leaf, first)
        await at.writer.note_keying(at.leaf, first)

        assert first == same
        assert other != first
        assert await at.fetch("select message_class, leaf, version from leaf_keying") == [
            ("1_call", at.leaf.number, first)
        ]
