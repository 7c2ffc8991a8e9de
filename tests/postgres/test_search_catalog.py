"""What a searcher remembers of the catalog holds no longer than it is true."""

import json

from api.search.query import Condition, Expression, Operator, Query
from api.search.run import Searcher
from capture.route import MessageClass
from capture.store.partitions import HOUR_US
from tests.support.database import execute
from tests.support.searching import a_searcher
from tests.support.stored import a_packet, store

START_US = 1_765_000_800_000_000
BY_KEY = Condition("from_user", Operator.EQUAL, ("alice",))


def sip(call_id: str = "a", from_user: str = "alice") -> bytes:
    return (
        f"INVITE sip:b@x SIP/2.0\r\nFrom: <sip:{from_user}@x>;tag=1\r\nTo: <sip:bob@x>\r\n"
        f"Call-ID: {call_id}\r\nCSeq: 1 INVITE\r\n\r\n"
    ).encode()


async def times(searcher: Searcher, where: Expression = BY_KEY) -> list[int]:
    """Hours after the start of what is found."""
    query = Query(MessageClass.CALL, START_US - 24 * HOUR_US, START_US + 24 * HOUR_US, 100, where)
    page = await searcher.page(query)
    return sorted((found.stored.time_us - START_US) // HOUR_US for found in page.rows)


async def test_message_in_a_partition_made_since_the_last_search_is_found(database_url: str) -> None:
    await store(database_url, [a_packet(START_US, sip())])

    async with a_searcher(database_url) as searcher:
        before = await times(searcher)
        await store(database_url, [a_packet(START_US + 6 * HOUR_US, sip("b"))])
        after = await times(searcher)

    assert (before, after) == ([0], [0, 6])


async def test_message_whose_values_a_version_noted_since_does_not_key_is_found(database_url: str) -> None:
    await store(database_url, [a_packet(START_US, sip()), a_packet(START_US + HOUR_US, sip("b", "carol"))])

    async with a_searcher(database_url) as searcher:
        before = await times(searcher)
        # A worker of another version, which keys no users, writes into every bucket.
        await execute(
            database_url,
            f"insert into keying (rules) values ('{json.dumps({'sid': 1})}')",
            "insert into leaf_keying select message_class, leaf, (select max(version) from keying)"
            " from leaf_keying",
            "update keys_1_call set from_user = null",
        )
        after = await times(searcher)

    assert (before, after) == ([0], [0])


async def test_rule_changed_since_the_last_search_narrows_nothing(database_url: str) -> None:
    await store(database_url, [a_packet(START_US, sip())])

    async with a_searcher(database_url) as searcher:
        before = await times(searcher)
        await execute(
            database_url,
            "update keying set rules = rules || '{\"from_user\": 0}'",
            "update keys_1_call set from_user = null",
        )
        after = await times(searcher)

    assert (before, after) == ([0], [0])


async def test_partition_attached_again_with_other_bounds_is_searched_within_them(database_url: str) -> None:
    await store(database_url, [a_packet(START_US, sip())])

    async with a_searcher(database_url) as searcher:
        before = await times(searcher)
        await execute(
            database_url,
            *(
                f"alter table {kind}_1_call detach partition {kind}_1_call_p1;"
                f"update {kind}_1_call_p1 set {column} = {column} - {8 * HOUR_US};"
                f"alter table {kind}_1_call attach partition {kind}_1_call_p1 for values"
                f" from ({START_US - 8 * HOUR_US - 2 * HOUR_US}) to ({START_US - 4 * HOUR_US})"
                for kind, column in (("messages", "time_us"), ("keys", "bucket"))
            ),
            f"update keys_1_call_p1 set bucket = {START_US - 10 * HOUR_US}",
        )
        after = await times(searcher)

    assert (before, after) == ([0], [-8])
