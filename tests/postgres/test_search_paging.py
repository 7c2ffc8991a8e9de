"""Pages beside a worker that stores: what was there before the first is on them once.

Pages are those of the searcher, which any route that has pages goes on with from a key; HTTP has none yet.
How much comes in meanwhile is a matter of the machine: it is printed, and `SEARCH_RATE=5000` demands so many
packets a second.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path

import asyncpg
import pytest

from api.search.query import EVERYTHING, And, Condition, Expression, Operator, Position, Query
from api.search.run import Searcher
from capture.route import MessageClass
from tests.support.feeding import LATE_US, feeding, number_of, time_of
from tests.support.searching import a_searcher
from tests.support.working import worker_process

FED = 7000
"""Packets that come in each second."""
WANTED = float(os.environ.get("SEARCH_RATE", "0"))
"""How many of them must be stored meanwhile."""
BEFORE = 8000
IN_WINDOW = 20_001
"""Numbers below are in the window searched, and so is what comes late."""
PAGE = 250
WAITING = 3
"""Before so many pages of each search, another batch has been committed since the page before."""
PATIENCE_S = 60.0

Expected = Callable[[int], bool]
"""Whether the message of a number matches."""


@pytest.fixture
async def database(database_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def until_stored(database: "asyncpg.Connection[asyncpg.Record]", packets: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await stored(database) < packets:  # noqa: ASYNC110 # the database tells no other way
            await asyncio.sleep(0.02)


async def stored(database: "asyncpg.Connection[asyncpg.Record]") -> int:
    return int(await database.fetchval("select coalesce(sum(written), 0) from journal_position"))


CALLER = Condition("from_user", Operator.LIKE, ("100%",))
INVITE = Condition("method", Operator.EQUAL, ("INVITE",))
QUESTIONS: dict[str, tuple[Expression, Expected]] = {
    "everything": (EVERYTHING, lambda number: True),
    "a column": (INVITE, lambda number: number % 6 == 0),
    "keys": (CALLER, lambda number: number // 6 < 1000),
    "both": (And((CALLER, INVITE)), lambda number: number // 6 < 1000 and number % 6 == 0),
    "payload": (
        Condition("raw", Operator.ILIKE, ("%x-number: 1%",)),
        lambda number: str(number).startswith("1"),
    ),
}


async def test_rows_committed_before_the_first_page_are_on_the_pages_once(
    database_url: str, database: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path
) -> None:
    base_us = time.time_ns() // 1000 - 2 * LATE_US

    with feeding(tmp_path, base_us, FED), worker_process(tmp_path, database_url):
        await until_stored(database, BEFORE)
        async with a_searcher(database_url) as searcher:
            began, before = time.monotonic(), await stored(database)
            for where, expected in QUESTIONS.values():
                pages = await _pages_hold_all(searcher, database, where, expected, base_us)
                assert pages > WAITING, "too few for batches between them"
            rate = (await stored(database) - before) / (time.monotonic() - began)

    print(f"{rate:.0f} packets a second were stored meanwhile")  # noqa: T201
    assert rate >= WANTED


async def _pages_hold_all(
    searcher: Searcher,
    database: "asyncpg.Connection[asyncpg.Record]",
    where: Expression,
    expected: Expected,
    base_us: int,
) -> int:
    """Ask page by page and look whether all is there; how many pages it were."""
    window_end_us = time_of(IN_WINDOW, base_us)
    rows = await database.fetch("select time_us from messages_1_call where time_us <= $1", window_end_us)
    committed = {number_of(time_us, base_us) for (time_us,) in rows}
    pages = [page async for page in _pages(searcher, database, where, window_end_us)]
    found = [number_of(time_us, base_us) for page in pages for time_us in page]

    assert len(found) == len(set(found)), "a row is on two pages"
    assert all(map(expected, found))
    missing = set(filter(expected, committed)).difference(found)
    assert not missing, f"{len(missing)} rows are on no page, such as number {min(missing)}"
    return len(pages)


async def _pages(
    searcher: Searcher, database: "asyncpg.Connection[asyncpg.Record]", where: Expression, to_us: int
) -> AsyncIterator[list[int]]:
    """The times on each page."""
    query = Query(MessageClass.CALL, 0, to_us, PAGE, where)
    after: Position | None = None
    before = 0
    for number in count():
        if 0 < number <= WAITING:
            await until_stored(database, before + 1)
        before = await stored(database)
        page = await searcher.page(query, after)
        yield [row.stored.time_us for row in page.rows]
        if page.incomplete is None:
            return
        assert page.next is not None
        after = page.next
