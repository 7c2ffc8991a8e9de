"""What narrowing must not leave out, each in the smallest traffic that shows it."""

import asyncpg
import pytest

from api.database import connect
from api.search.query import And, Condition, Expression, Not, Operator, Or, Query
from api.search.run import Searcher
from capture.route import MessageClass
from capture.settings import StorageSettings
from tests.support.stored import a_packet, store

HOUR_US = 3_600_000_000
START_US = 1_765_000_800_000_000 // (2 * HOUR_US) * (2 * HOUR_US)
"""The lower bound of a bucket of two hours."""


def sip(call_id: str = "a", from_user: str = "alice", to_user: str = "bob", method: str = "INVITE") -> bytes:
    at = "@" if from_user else ""
    return (
        f"{method} sip:b@x SIP/2.0\r\nFrom: <sip:{from_user}{at}x>;tag=1\r\nTo: <sip:{to_user}@x>\r\n"
        f"Call-ID: {call_id}\r\nCSeq: 1 {method}\r\n\r\n"
    ).encode()


def equal(field: str, *values: str | int) -> Condition:
    return Condition(field, Operator.EQUAL, values)


def like(field: str, pattern: str) -> Condition:
    return Condition(field, Operator.LIKE, (pattern,))


async def places(database_url: str, *asked: Expression) -> list[list[int]]:
    """For each question how many µs after the start its matches lie, oldest first."""
    engine = connect(database_url)
    searcher = Searcher(engine)
    found = []
    for where in asked:
        query = Query(MessageClass.CALL, START_US - HOUR_US, START_US + 24 * HOUR_US, 1000, where)
        page = await searcher.page(query)
        found.append(sorted(row.stored.time_us - START_US for row in page.rows))
    await searcher.close()
    await engine.dispose()
    return found


async def store_all(database_url: str, *payloads: bytes) -> None:
    """One bucket, a microsecond apart."""
    await store(database_url, [a_packet(START_US + n, payload) for n, payload in enumerate(payloads)])


async def test_values_of_one_message_that_stand_in_two_key_rows_are_found_together(database_url: str) -> None:
    users = [("A", "X"), ("C", "B"), ("A", "B")]
    await store_all(database_url, *(sip(from_user=a, to_user=b) for a, b in users))

    found = await places(database_url, And((equal("from_user", "A"), equal("to_user", "B"))))

    assert found == [[2]]


async def test_empty_value_of_a_call_whose_key_rows_are_full_is_found(database_url: str) -> None:
    await store_all(database_url, sip(), sip(from_user=""))

    found = await places(
        database_url,
        Condition("from_user", Operator.EMPTY),
        Not(equal("from_user", "alice")),
        equal("from_user", ""),
        like("from_user", "%"),
    )

    assert found == [[1], [1], [1], [0, 1]]


async def test_bucket_clipped_by_one_of_another_step_is_searched(database_url: str) -> None:
    await store(database_url, [a_packet(START_US + 1, sip())], storage=StorageSettings(partition_hours=1))
    # Two hours from here on: the next bucket begins where that of one hour ends, not at a multiple of two.
    other = a_packet(START_US + HOUR_US + 1, sip("b", "carol"))
    await store(database_url, [other], storage=StorageSettings(partition_hours=2))

    found = await places(database_url, equal("from_user", "alice"), equal("from_user", "carol"))

    assert found == [[1], [HOUR_US + 1]]


@pytest.mark.parametrize("field", ["from_user", "to_user", "sid"])
async def test_pattern_finds_what_lies_behind_the_cut_of_a_long_value(database_url: str, field: str) -> None:
    long = "x" * 250 + "needle" + "y" * 44
    values = {"sid": "call_id"}.get(field, field)
    await store_all(database_url, sip(**{values: long}), sip("other"))

    found = await places(
        database_url, like(field, "%needle%"), like(field, "x%y"), like(field, "%y"), equal(field, long)
    )

    assert found == [[0]] * 4


async def test_or_of_a_key_and_a_column_finds_what_has_either(database_url: str) -> None:
    await store_all(database_url, sip(), sip("b", "carol"), sip("c", "dave", method="BYE"))

    found = await places(
        database_url,
        Or((equal("from_user", "carol"), equal("method", "BYE"))),
        And((equal("to_user", "bob"), Or((equal("from_user", "carol"), equal("method", "BYE"))))),
    )

    assert found == [[1, 2], [1, 2]]


async def test_refused_key_row_hides_no_message(database_url: str) -> None:
    await store_all(database_url, sip(), sip("b", "carol"))
    connection = await asyncpg.connect(database_url)
    # What the writer leaves in place of a key row that PostgreSQL did not take.
    await connection.execute(
        "update keys_1_call set cut = true, sid = null, from_user = null, to_user = null where sid = 'b'"
    )
    await connection.close()

    found = await places(database_url, equal("from_user", "carol"), like("to_user", "b%"), like("sid", "b"))

    assert found == [[1], [0, 1], [1]]
