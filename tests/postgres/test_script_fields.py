"""The names that scripts have given to headers and tags, against a real server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from capture.settings import StorageSettings
from capture.store.script_fields import MOST_NAMES
from capture.store.writer import Writer


@asynccontextmanager
async def a_writer(url: str) -> AsyncIterator[Writer]:
    writer = Writer(url, StorageSettings())
    await writer.connect()
    try:
        yield writer
    finally:
        await writer.close()


async def test_names_are_noted_once_and_stay(database_url: str) -> None:
    async with a_writer(database_url) as writer:
        none = await writer.script_fields()
        first = await writer.note_script_fields(["customer", "X-CID"])
        second = await writer.note_script_fields(["customer", "größe"])

    async with a_writer(database_url) as writer:
        later = await writer.script_fields()

    assert none == frozenset()
    assert first == {"customer", "X-CID"}
    assert second == later == {"customer", "X-CID", "größe"}


async def test_name_is_committed_when_it_is_answered(database_url: str) -> None:
    async with a_writer(database_url) as writer, a_writer(database_url) as other:
        await writer.note_script_fields(["customer"])

        assert await other.script_fields() == {"customer"}


async def test_names_beyond_the_limit_are_refused_whoever_brings_them(database_url: str) -> None:
    names = [f"name-{n:04d}" for n in range(MOST_NAMES + 20)]
    shares = names[::2], names[1::2]
    async with a_writer(database_url) as one, a_writer(database_url) as two:
        await asyncio.gather(one.note_script_fields(shares[0]), two.note_script_fields(shares[1]))
        told = await one.note_script_fields(["one more", shares[0][0]])
        known = await two.script_fields()

    assert told == known
    assert len(known) == MOST_NAMES
    assert "one more" not in known


async def test_searches_go_on_while_a_name_is_noted(database_url: str) -> None:
    reader = await asyncpg.connect(database_url)
    async with a_writer(database_url) as writer, reader.transaction(isolation="repeatable_read"):
        before = await reader.fetch("select name from script_fields")
        async with asyncio.timeout(10):
            await writer.note_script_fields(["customer"])
        after = await reader.fetch("select name from script_fields")
    await reader.close()

    assert before == after == []
