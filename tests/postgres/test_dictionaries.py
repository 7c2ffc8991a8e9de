"""Payload dictionaries in a real database: ids, which is used, and that none can go."""

import pytest

from capture.errors import DatabaseAway
from capture.store.codec import Dictionary, shipped_dictionary
from capture.store.dictionaries import (
    ListedDictionary,
    Standing,
    Trained,
    all_dictionaries,
    dictionary_to_write_with,
    keep_trained,
    listed_dictionaries,
    shipped,
    standing,
)
from tests.support.database import connected
from tests.support.stored import a_packet, store

TIME_US = 1_790_000_000_000_000
OPTIONS = b"OPTIONS sip:b@example.com SIP/2.0\r\nCall-ID: %d\r\nCSeq: 1 OPTIONS\r\n\r\n"


async def test_dictionary_keeps_its_id(database_url: str) -> None:
    async with connected(database_url) as connection:
        first = await shipped(connection)
        trained = await keep_trained(connection, b"trained", Trained(10, 1000, 200))

        assert await shipped(connection) == first
        assert await keep_trained(connection, b"trained", Trained(99, 1, 1)) == trained
        assert await all_dictionaries(connection) == {
            first.id: shipped_dictionary(),
            trained.id: b"trained",
        }


async def test_newest_trained_dictionary_is_written_with_and_the_shipped_one_before(
    database_url: str,
) -> None:
    async with connected(database_url) as connection:
        untrained = await dictionary_to_write_with(connection)
        for content in (b"first", b"second"):
            await keep_trained(connection, content, Trained(10, 1000, 200))
        # As a later release would bring its own.
        await connection.execute("insert into payload_dictionary (content) values ('of a later release')")

        assert untrained.content == shipped_dictionary()
        assert (await dictionary_to_write_with(connection)).content == b"second"


async def test_standing_counts_sip_until_there_is_enough_or_a_dictionary(database_url: str) -> None:
    sip = [a_packet(TIME_US + n, OPTIONS % n) for n in range(7)]
    rtcp = [a_packet(TIME_US + n, b'{"ssrc":1}', protocol_type=5) for n in range(5)]
    await store(database_url, [*sip, *rtcp])

    async with connected(database_url) as connection:
        assert await standing(connection, 100) == Standing(None, 0.0, 7)
        assert await standing(connection, 3) == Standing(None, 0.0, 3)
        made = await keep_trained(connection, b"trained", Trained(10, 1000, 200))
        await connection.execute("alter table payload_dictionary disable trigger all")
        await connection.execute("update payload_dictionary set created_at = now() - interval '2 hours'")

        newest, age_s, counted = await standing(connection, 100)

    assert (newest, counted) == (made.id, 0)
    assert 7200 <= age_s < 7300


async def test_dictionaries_are_listed_with_what_they_were_trained_on(database_url: str) -> None:
    async with connected(database_url) as connection:
        first = await shipped(connection)
        trained = await keep_trained(connection, b"trained", Trained(10, 1000, 200))

        of_release, of_training = await listed_dictionaries(connection)

    assert of_release == ListedDictionary(first.id, None, None, None, of_release.created_at)
    assert of_training == ListedDictionary(trained.id, 10, 1000, 200, of_training.created_at)
    assert len(of_training.created_at) == len("2026-11-24 12:00:00")


@pytest.mark.parametrize(
    "statement",
    [
        "update payload_dictionary set content = 'other'",
        "delete from payload_dictionary",
        "truncate payload_dictionary",
    ],
)
async def test_dictionary_can_be_neither_changed_nor_deleted(database_url: str, statement: str) -> None:
    async with connected(database_url) as connection:
        kept = await keep_trained(connection, b"trained", Trained(10, 1000, 200))

        with pytest.raises(DatabaseAway, match="never changed or deleted"):
            await connection.execute(statement)

        assert await dictionary_to_write_with(connection) == Dictionary(kept.id, b"trained")
