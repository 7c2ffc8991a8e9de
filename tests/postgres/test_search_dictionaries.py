"""Readers and payload dictionaries: one that is new to them, one that is missing, one that is another."""

import os

import msgspec
import pytest

from api.search.query import Condition, Operator
from api.search.walk import NEAR_ROWS
from capture.store.connection import Connection
from capture.store.trainer import Order, Report, train_once
from tests.postgres.test_search_walk import START_US, a_searcher, execute, query, sip, store_many
from tests.support import sender
from tests.support.stored import a_packet, store

BEFORE_US = START_US - 50_000_000
"""Within the hour before, so that what is stored here is the oldest of all."""
MESSAGES = [sip(f"call-{n}", more=f"X-Line: {n * n % 977}\r\n") for n in range(400)]


async def trained(url: str, payloads: list[bytes]) -> Report:
    await store(url, [a_packet(BEFORE_US + n, payload) for n, payload in enumerate(payloads)])
    report = await train_once(Order(url, 3, os.getpid(), None))
    assert report.outcome == "trained"
    return report


async def codecs(url: str) -> set[int]:
    connection = await Connection.open(url)
    try:
        rows = await connection.fetch(tuple[int], "select distinct raw_codec from messages_1_call")
    finally:
        await connection.close()
    return {codec for (codec,) in rows}


async def test_reader_that_runs_meets_a_new_dictionary_and_shows_the_exact_bytes(database_url: str) -> None:
    async with a_searcher(database_url) as searcher:
        await store(database_url, [a_packet(START_US, MESSAGES[0])])
        first = await searcher.page(query())
        await trained(database_url, MESSAGES)
        await store(database_url, [a_packet(START_US + 1, MESSAGES[1])])

        second = await searcher.page(query())

    assert len(await codecs(database_url)) == 2
    assert [found.stored.payload for found in first.rows] == [MESSAGES[0]]
    assert [found.stored.payload for found in second.rows] == [MESSAGES[1], MESSAGES[0]]
    assert [found.note for found in second.rows] == [None, None]


async def test_scanner_that_runs_meets_a_new_dictionary(database_url: str) -> None:
    wanted = Condition("raw", Operator.ILIKE, ("%x-number: 7\r%",))
    await store_many(database_url, NEAR_ROWS + 9000)

    async with a_searcher(database_url) as searcher:
        without = await searcher.page(query(wanted))
        await trained(database_url, MESSAGES)
        # Older than all the others, so that only the scanner, in the middle of its work, comes to them.
        await store(database_url, [a_packet(START_US - n, sender.payload(n)) for n in (1, 2, 3, 7)])
        page = await searcher.page(msgspec.structs.replace(query(wanted), from_us=START_US - 100))

    assert without.rows == []
    assert [found.stored.payload for found in page.rows] == [sender.payload(7)]
    assert page.rows[0].note is None


@pytest.mark.parametrize("long_scan", [False, True])
async def test_message_whose_dictionary_is_gone_is_shown_with_the_error_and_without_payload(
    database_url: str, *, long_scan: bool
) -> None:
    if long_scan:
        await store_many(database_url, NEAR_ROWS + 9000)
    report = await trained(database_url, MESSAGES)
    await store(database_url, [a_packet(START_US - 1, MESSAGES[3])])
    await execute(database_url, "alter table payload_dictionary disable trigger all")
    await execute(database_url, "delete from payload_dictionary where id = $1", report.dictionary)
    # Without a value that a payload must hold, so that a message without one is not left out.
    wanted = (
        Condition("raw", Operator.ILIKE, ("",))
        if long_scan
        else Condition("sid", Operator.EQUAL, ("call-3",))
    )

    async with a_searcher(database_url) as searcher:
        page = await searcher.page(msgspec.structs.replace(query(wanted), from_us=START_US - 100))

    assert [found.stored.payload for found in page.rows] == [b""]
    assert f"dictionary {report.dictionary} is not known" in str(page.rows[0].note)
    assert page.rows[0].fields["raw"] == ""


async def test_message_whose_dictionary_is_another_is_shown_with_an_error_and_never_with_other_bytes(
    database_url: str,
) -> None:
    report = await trained(database_url, MESSAGES)
    await store(database_url, [a_packet(START_US, MESSAGES[3])])
    await execute(database_url, "alter table payload_dictionary disable trigger all")
    await execute(
        database_url,
        "update payload_dictionary d set content = other.content || '\\x00'"
        " from payload_dictionary other where d.id = $1 and other.id <> $1",
        report.dictionary,
    )

    async with a_searcher(database_url) as searcher:
        page = await searcher.page(query())

    assert [found.stored.payload for found in page.rows] == [b""]
    assert "cannot be read" in str(page.rows[0].note)
