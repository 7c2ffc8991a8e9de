"""The names that scripts have given to headers and tags, against a real server."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import asyncpg

from capture.draft import Draft
from capture.imported import LABEL
from capture.journal.log import JournalWriter
from capture.script_report_files import filters_directory, read_report
from capture.settings import JournalSettings, StorageSettings
from capture.store.script_fields import MOST_NAMES
from capture.store.writer import Writer
from tests.support.database import execute
from tests.support.sender import hep3
from tests.support.working import append, working


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


async def test_message_whose_tag_is_refused_is_stored_without_it(tmp_path: Path, database_url: str) -> None:
    def script(draft: Draft) -> None:
        draft.write("custom:known", b"1")
        draft.write("custom:one more", b"2")

    await execute(
        database_url,
        f"insert into script_fields select 'name-' || n from generate_series(2, {MOST_NAMES}) as names (n)",
    )
    with closing(JournalWriter.open(tmp_path, JournalSettings())) as journal:
        append(journal, [hep3(b"OPTIONS sip:a@b SIP/2.0\r\nCall-ID: c\r\n\r\n", time.time_ns() // 1000)])
        with working(tmp_path, database_url, script=script):
            extra = await _first_extra(database_url)

    assert json.loads(extra)["fields"] == {"custom:known": "1"}


async def test_name_that_found_no_room_is_told_with_what_else_is_wrong_with_scripts(
    tmp_path: Path, database_url: str
) -> None:
    directory, scripts = tmp_path / "journal" / "0000", tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "a.lua").write_text('function on_sip(message) tag("one more", 1) end\n')
    await execute(
        database_url,
        f"insert into script_fields select 'name-' || n from generate_series(1, {MOST_NAMES}) as names (n)",
    )
    with closing(JournalWriter.open(directory, JournalSettings())) as journal:
        append(journal, [hep3(b"OPTIONS sip:a@b SIP/2.0\r\nCall-ID: c\r\n\r\n", time.time_ns() // 1000)])
        with working(directory, database_url, lua_dir=scripts):
            extra = await _first_extra(database_url)

    report = read_report(filters_directory(directory), "0000")
    assert extra == "None"
    assert report is not None
    (problem,) = report.problems
    assert problem.words.startswith(f"scripts have set headers and tags of {MOST_NAMES} names, ")


async def _first_extra(url: str) -> str:
    connection = await asyncpg.connect(url)
    async with asyncio.timeout(30):
        query = "select extra from messages_1_default"
        while not (rows := await connection.fetch(query)):  # noqa: ASYNC110 # the database tells no other way
            await asyncio.sleep(0.02)
    await connection.close()
    return str(rows[0][0])


async def test_name_of_our_own_is_noted_beside_as_many_of_scripts_as_there_may_be(database_url: str) -> None:
    names = [f"name-{number:04}" for number in range(MOST_NAMES)]

    async with a_writer(database_url) as writer:
        await writer.note_script_fields([*names[1:], LABEL])
        full = await writer.note_script_fields(names)
        again = await writer.note_script_fields([LABEL, "one more"])

    assert len(full) == MOST_NAMES + 1
    assert again == {*names, LABEL}
