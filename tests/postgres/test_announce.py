"""What a batch announces: once it is committed, to whoever listens, and so that its rows are found."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import pytest

from capture.errors import PositionMoved
from capture.journal.record import Position
from capture.route import MessageClass
from capture.settings import StorageSettings
from capture.store.announce import CHANNEL, MOST_IN_NOTICE, Stored, lines_of, read_notice
from capture.store.batch import LeafRows
from capture.store.partitions import Leaf
from capture.store.writer import Writer
from tests.support.rows import START, a_batch, a_journal, a_message, leaf_rows, messages, with_bad_text

pytestmark = pytest.mark.slow

NOW_US = 1_790_000_000_000_000
FIND = "select id, time_us from messages_1_call where time_us between $1 and $2 and xmin = $3::xid"


@asynccontextmanager
async def a_writer(database_url: str) -> AsyncIterator[Writer]:
    writer = Writer(database_url, StorageSettings(), lambda: NOW_US)
    await writer.connect()
    try:
        yield writer
    finally:
        await writer.close()


async def begun(writer: Writer) -> UUID:
    journal = a_journal()
    await writer.begin_journal(journal, "here", START)
    return journal


class Listener:
    """Another connection that hears what is announced."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.connection = connection
        self._heard: asyncio.Queue[str] = asyncio.Queue()

    def hear(self, connection: object, pid: int, channel: str, payload: object) -> None:
        self._heard.put_nowait(str(payload))

    async def next(self) -> list[Stored]:
        return list(read_notice(await asyncio.wait_for(self._heard.get(), 20)))

    def heard_nothing(self) -> bool:
        return self._heard.empty()


@asynccontextmanager
async def listening(database_url: str) -> AsyncIterator[Listener]:
    connection = await asyncpg.connect(database_url)
    listener = Listener(connection)
    await connection.add_listener(CHANNEL, listener.hear)
    try:
        yield listener
    finally:
        await connection.close()


async def test_batch_is_announced_so_that_its_rows_are_found(database_url: str) -> None:
    async with a_writer(database_url) as writer, listening(database_url) as listener:
        journal = await begun(writer)
        leaf = await writer.cover(MessageClass.CALL, NOW_US)
        first = a_batch({leaf: leaf_rows(leaf, messages(leaf, 3))}, journal=journal)
        second = a_batch({leaf: leaf_rows(leaf, messages(leaf, 5))}, journal=journal, start=first.end)

        await writer.commit(first, lambda *_: None)
        await writer.commit(second, lambda *_: None)

        (one,), (other,) = await listener.next(), await listener.next()
        assert one == (MessageClass.CALL, one.xid, leaf.lower_us, leaf.lower_us + 2, 3)
        assert (other.first_us, other.last_us, other.rows) == (leaf.lower_us, leaf.lower_us + 4, 5)
        ids = [
            {row[0] for row in await listener.connection.fetch(FIND, said.first_us, said.last_us, said.xid)}
            for said in (one, other)
        ]
        assert [len(each) for each in ids] == [3, 5]
        assert not ids[0] & ids[1]


async def test_batch_with_bad_rows_announces_the_good_ones(database_url: str) -> None:
    async with a_writer(database_url) as writer, listening(database_url) as listener:
        journal = await begun(writer)
        leaf = await writer.cover(MessageClass.CALL, NOW_US)
        good = messages(leaf, 6)
        rows = leaf_rows(leaf, [*good[:2], with_bad_text(leaf.lower_us + 9), *good[2:]])

        refused = await writer.commit(a_batch({leaf: rows}, journal=journal), lambda *_: None)

        assert refused == 1
        (said,) = await listener.next()
        assert said.rows == 6
        found = await listener.connection.fetch(FIND, said.first_us, said.last_us, said.xid)
        assert sorted(row[1] - leaf.lower_us for row in found) == [0, 1, 2, 3, 4, 5]


async def test_batch_that_is_rolled_back_announces_nothing(database_url: str) -> None:
    async with a_writer(database_url) as writer, listening(database_url) as listener:
        journal = await begun(writer)
        leaf = await writer.cover(MessageClass.CALL, NOW_US)
        rows = {leaf: leaf_rows(leaf, messages(leaf, 3))}

        with pytest.raises(PositionMoved):
            await writer.commit(a_batch(rows, journal=journal, start=Position(9, 9, 9)), lambda *_: None)
        await writer.commit(a_batch(rows, journal=journal), lambda *_: None)

        await listener.next()
        assert (await listener.connection.fetchval("select count(*) from messages_1_call")) == 3
        assert listener.heard_nothing()


async def test_batch_without_messages_moves_and_announces_nothing(database_url: str) -> None:
    async with a_writer(database_url) as writer, listening(database_url) as listener:
        journal = await begun(writer)
        leaf = await writer.cover(MessageClass.CALL, NOW_US)
        empty = a_batch({}, journal=journal, end=Position(1, 500, 5))

        await writer.commit(empty, lambda *_: None)
        await writer.commit(
            a_batch({leaf: leaf_rows(leaf, messages(leaf, 1))}, journal=journal, start=empty.end),
            lambda *_: None,
        )

        (said,) = await listener.next()
        assert said.rows == 1
        assert listener.heard_nothing()


def test_many_leaves_are_told_in_several_notices_that_fit() -> None:
    leaves = {
        Leaf(MessageClass.REGISTRATION, number, number * 10**15, (number + 1) * 10**15): LeafRows(
            [a_message(number * 10**15)], [0], [], []
        )
        for number in range(MOST_IN_NOTICE * 2 + 1)
    }

    lines = lines_of(leaves, {})

    assert len(lines) == 3
    assert max(map(len, lines)) < 7900
    said = [stored for line in lines for stored in read_notice(f"4294967295 {line}")]
    assert [stored.first_us for stored in said] == [leaf.lower_us for leaf in leaves]
