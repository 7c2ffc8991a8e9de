"""Searches beside a round of retention: an answer is what was there when it began, or what is there after."""

from api.search.query import EVERYTHING, Condition, Expression, Operator, Query
from capture.route import MessageClass
from capture.settings import RetentionSettings
from capture.store.connection import Connection
from capture.store.partitions import HOUR_US
from capture.store.retention import SETTINGS, Round, run_round
from tests.support.searching import a_searcher
from tests.support.stored import a_packet, store

STEP_US = 2 * HOUR_US
NOW_US = 1_790_000_000_000_000 // STEP_US * STEP_US + HOUR_US
AGES_H = (0, 3, 9, 12)
BY_KEY = Condition("from_user", Operator.EQUAL, ("alice",))


def sip(call_id: str) -> bytes:
    return (
        "INVITE sip:b@x SIP/2.0\r\nFrom: <sip:alice@x>;tag=1\r\nTo: <sip:bob@x>\r\n"
        f"Call-ID: {call_id}\r\nCSeq: 1 INVITE\r\n\r\n"
    ).encode()


def query(where: Expression, message_class: MessageClass = MessageClass.CALL) -> Query:
    return Query(message_class, NOW_US - 100 * HOUR_US, NOW_US, 200, where)


async def stored(url: str) -> None:
    """A call of each age, two of them older than six hours."""
    await store(url, [a_packet(NOW_US - age_h * HOUR_US, sip(f"{age_h} h")) for age_h in AGES_H])


async def a_round(url: str) -> Round | None:
    connection = await Connection.open(url, SETTINGS)
    try:
        return await run_round(connection, RetentionSettings(call="6h"), NOW_US)
    finally:
        await connection.close()


async def test_search_under_way_finds_what_was_there_when_it_began(database_url: str) -> None:
    await stored(database_url)
    async with a_searcher(database_url) as searcher:
        async with searcher.session() as session:
            # So far it has looked at none of the tables that are to lose partitions.
            await session.find([query(EVERYTHING, MessageClass.LOG)], 200)
            during = await a_round(database_url)
            (by_key,) = await session.find([query(BY_KEY)], 200)
            (by_time,) = await session.find([query(EVERYTHING)], 200)
        meanwhile = await searcher.page(query(BY_KEY))
        after = await a_round(database_url)
        later = await searcher.page(query(EVERYTHING))

    assert during is not None
    assert (during.dropped, during.left > 0) == (0, True)
    assert len(by_key.found) == len(by_time.found) == 4
    assert after == Round(2, 0, "")
    assert len(later.rows) == 2
    # Of what is going, a new search sees all of a leaf or nothing.
    assert len(meanwhile.rows) in (2, 3)


async def test_search_that_begins_while_a_leaf_is_going_sees_it_by_key_and_by_time_or_not_at_all(
    database_url: str,
) -> None:
    await stored(database_url)
    reader = await Connection.open(database_url)
    await reader.execute("begin")
    await reader.execute("lock table only keys_1_call in access share mode")
    # The messages are detached, the keys are not: somebody may still read them.
    await a_round(database_url)
    async with a_searcher(database_url) as searcher:
        by_key = await searcher.page(query(BY_KEY))
        by_time = await searcher.page(query(EVERYTHING))
    await reader.close()

    assert [row.stored.time_us for row in by_key.rows] == [row.stored.time_us for row in by_time.rows]
    assert len(by_key.rows) < 4
