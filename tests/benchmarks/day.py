"""A day of the main mix in a database, loaded by the code that a worker runs: pipeline, keys, COPY, position.

Only the journal is left out. Several processes share the day, each with a stretch of it in the order of time.
"""

import asyncio
import gc
import time
import uuid
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple

import asyncpg

from capture.journal.record import Position
from capture.route import MessageClass
from capture.settings import StorageSettings
from capture.stats import Outcome
from capture.store.batch import Batch
from capture.store.bridge import LoopThread
from capture.store.tables import KEYS, MESSAGES
from capture.store.writer import Writer
from tests.benchmarks import mix
from tests.benchmarks.rows import RowMaker

HOURS = 24
MESSAGES_PER_CALL = 7.8
PROCESSES = 2


class Day(NamedTuple):
    """What was loaded: calls 0 to `calls` - 1 of the main mix, evenly over the time."""

    calls: int
    from_us: int
    to_us: int
    messages: int
    seconds: float


def load(database_url: str, messages: int, processes: int = PROCESSES, hours: int = HOURS) -> Day:
    """Fill the last hours; then what autovacuum would do in its time is done at once."""
    started = time.monotonic()
    calls = max(1, int(messages / MESSAGES_PER_CALL))
    to_us = time.time_ns() // 1000 - 600_000_000
    from_us = to_us - hours * 3_600_000_000
    spacing_us = (to_us - from_us) / calls
    share = -(-calls // processes)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        stretches = [(first, min(share, calls - first)) for first in range(0, calls, share)]
        loading = [
            pool.submit(
                _load_stretch, database_url, first, count, from_us + int(first * spacing_us), spacing_us
            )
            for first, count in stretches
        ]
        stored = sum(future.result() for future in loading)
    asyncio.run(_settle(database_url))
    return Day(calls, from_us, to_us, stored, time.monotonic() - started)


def _load_stretch(database_url: str, first: int, calls: int, start_us: int, spacing_us: float) -> int:
    """One process's part; how many messages it stored."""
    gc.set_threshold(50_000, 20, 100)
    storage = StorageSettings()
    writer = Writer(database_url, storage)
    journal, position, stored = uuid.uuid4(), Position(1, 0, 1), 0
    with LoopThread("store") as loop:
        loop.call(writer.connect())
        loop.call(writer.begin_journal(journal, "benchmark", position))
        maker = RowMaker(writer, loop, storage)
        committing = None
        for rows in maker.batches(mix.calls(first, start_us, spacing_us, number=calls)):
            if committing is not None:
                stored -= committing.result()
            messages = sum(rows.outcomes)
            end = Position(1, position.offset + 1, position.number + messages)
            batch = Batch(journal, position, end, rows.outcomes, rows.leaves, synchronous=False)
            committing = loop.submit(writer.commit(batch, _refused))
            stored += rows.outcomes[Outcome.WRITTEN]
            position = end
        if committing is not None:
            stored -= committing.result()
        loop.call(writer.close())
    return stored


def _refused(leaf: object, origin: int, error: str) -> None:
    raise AssertionError(f"a row of the benchmark was refused: {error}")


async def _settle(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        tables = [table[MessageClass.CALL].name for table in (MESSAGES, KEYS)]
        await connection.execute(f"vacuum (analyze) {', '.join(tables)}")
        await connection.execute("checkpoint")
    finally:
        await connection.close()


async def warm(database_url: str) -> None:
    """Read into PostgreSQL's memory what a server that has stored it has there."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("create extension if not exists pg_prewarm")
        await connection.execute(
            "select pg_prewarm(oid::regclass) from pg_class"
            " where relname ~ '^(messages|keys)_1_call_p' and relkind in ('r', 'i') order by relname"
        )
    finally:
        await connection.close()
