"""Traffic stored by real workers under all that happens to them, for searches to be held against.

Three workers with journals and key memories of their own, which forget; batches that are rolled back;
restarts; another width of buckets and another version of what is keyed from round to round; buckets dropped
and made again; scripts that change and drop messages.
"""

import asyncio
import re
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import asyncpg

from capture.journal.log import JournalWriter
from capture.settings import JournalSettings
from tests.support.search_filters import TAGS, Scripting, Scripts
from tests.support.search_messages import Sent
from tests.support.search_traffic import HOUR_US, LATE_HOURS
from tests.support.working import append, working

WORKERS = 3
CUSTOM = ("X-CID", "X-Late")
"""All headers that are searchable in the end."""
PATIENCE_S = 60.0

Connection = asyncpg.Connection


class Round(NamedTuple):
    """How the messages of a round are stored."""

    custom_headers: tuple[str, ...]
    storage: dict[str, Any]
    restarts: bool
    """New workers, or those of the round before."""


_FORGETFUL = {"key_memory_calls": 100, "batch_delay_ms": 5, "train_dictionary": False}
ROUNDS = (
    Round((), {"partition_hours": 1, "batch_rows": 29}, restarts=True),
    Round(("X-CID",), {"partition_hours": 2, "batch_rows": 37, "payload": "plain"}, restarts=True),
    Round(("X-CID",), {}, restarts=False),
    Round(CUSTOM, {"partition_hours": 3, "batch_rows": 61}, restarts=True),
)
DROPPED_BEFORE = 2
"""The round before which buckets are dropped, while its workers are running."""

# Every seventh batch or so comes to grief once: a sequence is not rolled back.
_TROUBLE = """
create sequence moves;
create function come_to_grief() returns trigger language plpgsql as $$
declare n bigint := nextval('moves');
begin
    if n % 7 = 4 then
        raise exception 'trouble' using errcode = (array['40001', '53300', '57014', '55P03'])[1 + n / 7 % 4];
    end if;
    return new;
end $$;
create trigger come_to_grief before update of number on journal_position
    for each row execute function come_to_grief();
"""


async def store_traffic(
    url: str, directory: Path, traffic: list[Sent], base_us: int, random: Random
) -> list[Sent]:
    """Store everything round by round; what is there in the end, its fields as they are then."""
    connection = await asyncpg.connect(url)
    await connection.execute(_TROUBLE)
    journals = [JournalWriter.open(directory / f"{n:04d}", JournalSettings()) for n in range(WORKERS)]
    for message in traffic:
        message.fields = dict.fromkeys(f"data_header.{name}" for name in TAGS) | message.fields
    scripting = Scripting(random, [message.time_us for message in traffic])
    stored: list[Sent] = []
    appended = 0
    with ExitStack() as opened:
        for journal in journals:
            opened.callback(journal.close)
        workers = opened.enter_context(ExitStack())
        for number, plan in enumerate(ROUNDS):
            if number == DROPPED_BEFORE:
                dropped = await _drop_buckets(connection, base_us)
                left = [message for message in stored if not _is_in(dropped, message)]
                assert len(left) < len(stored) - 10, "nothing was in the buckets that were dropped"
                again = sum(_is_in(dropped, message) for message in traffic if message.round == number)
                assert again > 3, "hardly anything comes into the buckets that are made again"
                stored = left
            if plan.restarts:
                workers.close()
                _start(workers, directory, url, plan, scripting.scripts)
            sent = [message for message in traffic if message.round == number]
            packets = [message.packet() for message in sent]
            kept = scripting.let_at(sent, plan.custom_headers)
            for packet in random.sample(packets, len(packets)):
                # Any worker may see any packet of a call: only cost rests on which.
                append(random.choice(journals), [packet])
            appended += len(kept)
            await _until_stored(connection, appended)
            stored += kept
            if number == 0:
                await _age(connection)
        workers.close()
    assert await connection.fetchval("select last_value from moves") > 14, "no batch came to grief"
    names = await connection.fetch("select name from script_fields")
    assert {name for (name,) in names} == set(TAGS)
    await _read_back(connection, stored)
    await connection.close()
    return sorted(stored, key=lambda message: message.time_us)


def _start(workers: ExitStack, directory: Path, url: str, plan: Round, scripts: Scripts) -> None:
    for number in range(WORKERS):
        journal, storage = directory / f"{number:04d}", _FORGETFUL | plan.storage
        worker = working(journal, url, custom_headers=plan.custom_headers, script=scripts.run, **storage)
        workers.enter_context(worker)


async def _until_stored(connection: Connection, count: int) -> None:
    query = "select coalesce(sum(written), 0) from journal_position"
    async with asyncio.timeout(PATIENCE_S):
        while await connection.fetchval(query) < count:  # noqa: ASYNC110 # the database tells no other way
            await asyncio.sleep(0.02)
    assert await connection.fetchval(query) == count


async def _age(connection: Connection) -> None:
    """As if what is stored so far had been keyed by an older rule for `to_user`."""
    await connection.execute("update keying set rules = rules || '{\"to_user\": 0}'")
    for key in ("1_call", "1_registration", "1_default"):
        await connection.execute(f"update keys_{key} set to_user = null")


async def _drop_buckets(connection: Connection, base_us: int) -> list[tuple[str, "Leaf"]]:
    """Some of them; class and bounds of each."""
    dropped = []
    for key, hours in (
        ("1_call", 0.5),
        ("1_call", LATE_HOURS[0] + 0.5),
        ("1_default", 1.5),
        ("100_default", 0.5),
    ):
        # Of a class of which a seed sends little there may be none.
        for leaf in await _leaves(connection, key, base_us + int(hours * HOUR_US)):
            await connection.execute(f"drop table messages_{leaf.name}, keys_{leaf.name}")
            dropped.append((key, leaf))
    return dropped


def _is_in(leaves: list[tuple[str, "Leaf"]], message: Sent) -> bool:
    return any(
        message.key == key and leaf.lower_us <= message.time_us < leaf.upper_us for key, leaf in leaves
    )


class Leaf(NamedTuple):
    name: str
    lower_us: int
    upper_us: int


async def _leaves(connection: Connection, key: str, time_us: int) -> list[Leaf]:
    """The one that covers a time, if any."""
    rows = await connection.fetch(
        "select relname::text, pg_get_expr(relpartbound, oid) from pg_class"
        " where relispartition and relkind = 'r' and relname like $1",
        f"messages_{key}_p%",
    )
    leaves = [
        Leaf(name.removeprefix("messages_"), *map(int, re.findall(r"'(\d+)'", bounds)))
        for name, bounds in rows
    ]
    return [leaf for leaf in leaves if leaf.lower_us <= time_us < leaf.upper_us]


async def _read_back(connection: Connection, stored: list[Sent]) -> None:
    """What only the tables say: ids, and why a message is not well-formed."""
    for key in {message.key for message in stored}:
        rows = await connection.fetch(
            f"select time_us, min(id), min(parse_error), count(*) from messages_{key} group by 1"
        )
        found = {time_us: (number, error, count) for time_us, number, error, count in rows}
        for message in stored:
            if message.key == key:
                number, error, count = found[message.time_us]
                message.fields["data_header.parse_error"] = error
                if count == 1:
                    message.fields["id"] = number
