"""How a search walks: long scans, deadlines, rows that a filter has changed."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from api.database import connect
from api.errors import DatabaseTimeout
from api.search.query import EVERYTHING, And, Condition, Expression, Not, Operator, Or, Position, Query
from api.search.run import Searcher
from api.search.snapshot import MAX_CALLS, MAX_SORTED_MESSAGES
from api.search.walk import FIRST_ROWS, NEAR_ROWS, Held
from api.settings import SearchSettings
from capture.route import MessageClass
from capture.settings import StorageSettings
from capture.sip.ids import call_hash
from tests.support.stored import a_packet, store

START_US = 1_765_000_800_000_000
END_US = START_US + 3_600_000_000


def sip(call_id: str = "a", from_user: str = "alice", to_user: str = "bob", more: str = "") -> bytes:
    return (
        f"INVITE sip:b@x SIP/2.0\r\nFrom: <sip:{from_user}@x>;tag=1\r\nTo: <sip:{to_user}@x>\r\n"
        f"Call-ID: {call_id}\r\nCSeq: 1 INVITE\r\n{more}\r\n"
    ).encode()


def equal(field: str, *values: str | int) -> Condition:
    return Condition(field, Operator.EQUAL, values)


def query(where: Expression = EVERYTHING, limit: int = 200) -> Query:
    return Query(MessageClass.CALL, START_US, END_US, limit, where)


@asynccontextmanager
async def a_searcher(database_url: str, **settings: float) -> AsyncIterator[Searcher]:
    engine = connect(database_url)
    searcher = Searcher(engine, SearchSettings(**settings))
    try:
        yield searcher
    finally:
        await searcher.close()
        await engine.dispose()


async def execute(database_url: str, statement: str, *values: object) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(statement, *values)
    finally:
        await connection.close()


async def store_many(database_url: str, count: int) -> None:
    """So many messages of one call, as like as eggs but for the first, which says where it is."""
    await store(database_url, [a_packet(START_US, sip(more="Subject: needle\r\n"))])
    await store(database_url, [a_packet(START_US + 1, sip())])
    await execute(
        database_url,
        """insert into messages_1_call (time_us, delay_us, call, flags, protocol_type, raw_codec, raw, method)
        select time_us + n, delay_us, call, flags, protocol_type, raw_codec, raw, method
        from messages_1_call, generate_series(1, $2) n where time_us = $1""",
        START_US + 1,
        count,
    )


async def test_long_scan_finds_what_a_near_one_would(database_url: str):
    await store_many(database_url, NEAR_ROWS + 9000)

    async with a_searcher(database_url) as searcher:
        page = await searcher.page(query(Condition("raw", Operator.ILIKE, ("%NEEDLE%",))))
        again = await searcher.page(query(Condition("raw", Operator.ILIKE, ("%subject: needle%",))))

    assert [found.stored.time_us for found in page.rows] == [START_US]
    assert page.incomplete is None
    assert [found.stored.time_us for found in again.rows] == [START_US]


async def test_long_scan_finds_the_messages_of_a_long_call_once(database_url: str):
    hour_us, count = END_US - START_US, FIRST_ROWS + 40
    packets = [a_packet(START_US + i, sip("long", more="Subject: needle\r\n")) for i in range(count)]
    packets += [
        a_packet(START_US + hour_us + i, sip(f"c{i % (MAX_CALLS + 1)}")) for i in range(NEAR_ROWS + 100)
    ]
    await store(database_url, packets, storage=StorageSettings(partition_hours=1))
    # In the newer partition so many calls have such a user, and no payload matches, that a long scan begins.
    where = And(
        (Condition("from_user", Operator.LIKE, ("a%",)), Condition("raw", Operator.ILIKE, ("%needle%",)))
    )
    asked = Query(MessageClass.CALL, START_US, END_US + hour_us, count, where)

    async with a_searcher(database_url) as searcher:
        page = await searcher.page(asked)

    assert [found.stored.time_us - START_US for found in page.rows] == list(reversed(range(count)))
    assert page.incomplete is None


async def test_scanner_that_dies_costs_no_match(database_url: str):
    await store_many(database_url, NEAR_ROWS + 9000)
    where = Condition("raw", Operator.ILIKE, ("%needle%",))

    async with a_searcher(database_url) as searcher:
        async with searcher.scanners.borrow() as scanner:
            pass
        scanner.kill()
        page = await searcher.page(query(where))

    assert len(page.rows) == 1


def test_scanner_ends_with_its_input():
    ended = subprocess.run(
        [sys.executable, "-m", "api.search.scanner"], input=b"\0\0", timeout=30, check=False
    )

    assert ended.returncode == 0


async def test_deadline_cuts_the_search_and_the_next_page_goes_on(database_url: str):
    await store_many(database_url, NEAR_ROWS + 20_000)
    where = Condition("raw", Operator.ILIKE, ("%needle%",))
    pages = 0
    after: Position | None = None

    async with a_searcher(database_url, deadline_s=0.2) as searcher:
        while True:
            try:
                page = await searcher.page(query(where), after)
            except DatabaseTimeout:
                # No walk had begun: the first one opens the connection, and this machine may be busy.
                continue
            pages += 1
            if page.rows or page.incomplete is None:
                break
            assert page.incomplete == "time"
            after = page.next

    assert pages > 1
    assert [found.stored.time_us for found in page.rows] == [START_US]


async def test_deadline_amid_a_slice_neither_doubles_nor_loses_a_match(database_url: str):
    await store(database_url, [a_packet(START_US + i, sip()) for i in range(12_000)])
    ids: list[int] = []
    pages = 0
    after: Position | None = None

    async with a_searcher(database_url, deadline_s=0.1) as searcher:
        while True:
            try:
                page = await searcher.page(query(equal("from_user", "alice"), limit=15_000), after)
            except DatabaseTimeout:
                # No walk had begun: the first one opens the connection, and this machine may be busy.
                continue
            pages += 1
            ids += [found.stored.id for found in page.rows]
            if page.incomplete is None:
                break
            after = page.next

    assert pages > 1
    assert len(ids) == len(set(ids)) == 12_000


async def test_deadline_before_the_first_walk_is_an_error_not_an_empty_answer(database_url: str):
    await store(database_url, [a_packet(START_US, sip())])
    blocker = await asyncpg.connect(database_url)
    transaction = blocker.transaction()
    await transaction.start()
    await blocker.execute("lock table leaf_keying in access exclusive mode")

    async with a_searcher(database_url, deadline_s=0.2) as searcher:
        with pytest.raises(DatabaseTimeout):
            await searcher.page(query())

    await transaction.rollback()
    await blocker.close()


async def test_deadline_before_a_connection_is_free_is_an_error(database_url: str):
    engine = connect(database_url, SearchSettings(pool_size=1))
    searcher = Searcher(engine, SearchSettings(deadline_s=0.2))

    async with engine.connect():
        with pytest.raises(DatabaseTimeout):
            await searcher.page(query())

    await searcher.close()
    await engine.dispose()


async def test_payload_held_is_bounded_for_all_walks_of_a_session(database_url: str):
    await store(database_url, [a_packet(START_US + i, sip()) for i in range(5)])
    room = Held(3 * len(sip()))

    async with a_searcher(database_url) as searcher, searcher.session() as session:
        session.held = room
        await session.find([query()], 200)
        await session.find([query()], 200)

    assert [len(walk.found) for walk in session.walks] == [4, 1]
    assert session.page(200).incomplete == "limit"


async def test_slow_statement_is_a_cut_answer_not_an_error(database_url: str):
    await store(database_url, [a_packet(START_US, sip())])
    blocker = await asyncpg.connect(database_url)
    transaction = blocker.transaction()
    await transaction.start()
    # Its partitions it finds at once; what it reads of the messages has to wait.
    await blocker.execute("lock table payload_dictionary in access exclusive mode")

    async with a_searcher(database_url, statement_timeout_s=0.2) as searcher:
        page = await searcher.page(query())

    await transaction.rollback()
    await blocker.close()
    assert page == ([], "time", None)


async def test_fields_that_a_filter_has_set_decide(database_url: str):
    await store(database_url, [a_packet(START_US + i, sip(call_id=f"c{i}")) for i in range(4)])
    # Of what has a column the column is changed, of what has none the overlay.
    columns = "update messages_1_call set method = 'MAGIC', source_port = 7 where time_us = $1"
    await execute(database_url, columns, START_US)
    changes: list[Mapping[str, Any]] = [{"call_id": "moved"}, {"from_user": None}]
    for place, fields in enumerate(changes, 1):
        statement = "update messages_1_call set extra = $2 where time_us = $1"
        await execute(database_url, statement, START_US + place, json.dumps({"fields": fields}))
    key = "insert into keys_1_call (bucket, call, extra) select min(bucket), $1, $2 from keys_1_call"
    await execute(database_url, key, call_hash("c1"), json.dumps({"call_id": ["moved"]}))

    async with a_searcher(database_url) as searcher:

        async def places(where: Expression) -> list[int]:
            page = await searcher.page(query(where))
            return sorted(found.stored.time_us - START_US for found in page.rows)

        assert await places(equal("method", "MAGIC")) == [0]
        assert await places(Not(equal("method", "INVITE"))) == [0]
        assert await places(equal("source_port", 5060)) == [1, 2, 3]
        assert await places(equal("call_id", "moved")) == [1]
        assert await places(equal("call_id", "c1")) == []
        assert await places(Condition("call_id", Operator.LIKE, ("mo%",))) == [1]
        assert await places(Condition("from_user", Operator.NULL)) == [2]
        assert await places(Or((equal("method", "MAGIC"), equal("call_id", "c3")))) == [0, 3]


async def test_busy_telephone_is_walked_by_time(database_url: str):
    await store_many(database_url, 21_000)

    async with a_searcher(database_url) as searcher:
        page = await searcher.page(query(equal("call_id", "a"), limit=10))

    times = [found.stored.time_us for found in page.rows]
    assert times == [START_US + 1 + 21_000 - index for index in range(10)]
    assert page.incomplete == "limit"


@pytest.mark.parametrize(
    "count",
    [FIRST_ROWS - 1, FIRST_ROWS, FIRST_ROWS + 1, MAX_SORTED_MESSAGES, MAX_SORTED_MESSAGES + 1],
)
async def test_whole_call_is_found_however_long_it_is(database_url: str, count: int):
    await store_many(database_url, count - 2)

    async with a_searcher(database_url) as searcher:
        page = await searcher.page(query(equal("sid", "a"), limit=count))
        oldest = await searcher.page(query(And((equal("sid", "a"), equal("time_us", START_US)))))

    times = [found.stored.time_us for found in page.rows]
    assert times == sorted(set(times), reverse=True)
    assert len(times) == count
    assert page.incomplete is None
    assert [found.stored.time_us for found in oldest.rows] == [START_US]


async def test_window_is_kept_where_a_long_call_goes_on_behind_it(database_url: str):
    await store_many(database_url, 3 * FIRST_ROWS)
    until_us = START_US + 50

    async with a_searcher(database_url) as searcher:
        page = await searcher.page(Query(MessageClass.CALL, START_US, until_us, 200, equal("sid", "a")))

    assert [found.stored.time_us for found in page.rows] == list(range(until_us, START_US - 1, -1))
    assert page.incomplete is None


async def test_pages_hold_each_message_once_though_many_share_a_moment(database_url: str):
    await store(database_url, [a_packet(START_US, sip(call_id=f"c{i % 3}")) for i in range(25)])
    ids: list[int] = []
    after = None

    async with a_searcher(database_url) as searcher:
        while True:
            page = await searcher.page(query(limit=7), after)
            ids += [found.stored.id for found in page.rows]
            if page.incomplete is None:
                break
            after = page.next

    assert ids == sorted(set(ids), reverse=True)
    assert len(ids) == 25


@pytest.mark.parametrize("make", [lambda: query(limit=0), lambda: query(Or(()))])
async def test_question_for_nothing_asks_nothing(database_url: str, make: Callable[[], Query]):
    await store(database_url, [a_packet(START_US, sip())])

    async with a_searcher(database_url) as searcher:
        assert await searcher.page(make()) == ([], None, None)


async def test_message_that_several_walks_find_is_held_once(database_url: str):
    packets = [a_packet(START_US + number, sip()) for number in range(3)]
    await store(database_url, packets)

    async with a_searcher(database_url) as searcher, searcher.session() as session:
        session.held = Held(sum(len(packet.payload) for packet in packets))
        first, again = [await session.find([query(equal("from_user", "alice"))], 200) for _ in range(2)]
        page = session.page(200)

    assert page.incomplete is None
    assert len(page.rows) == 3
    assert all(one is other for one, other in zip(first[0].found, again[0].found, strict=True))
