"""What PostgreSQL alone takes: binary COPY of rows made in advance, on one connection, in batches of 2,000.

The same rows that a worker would write, message and key rows into the same leaf tables with the same indexes,
`synchronous_commit` off; only the making of the rows is left out, and the journal's position.
"""

import time
from collections.abc import Iterable
from typing import NamedTuple

import psutil

from capture.pipeline import Rows
from capture.settings import StorageSettings
from capture.store.bridge import LoopThread
from capture.store.connection import Connection
from capture.store.copying import CopyOnce
from capture.store.writer import Writer
from tests.benchmarks.mix import Timed
from tests.benchmarks.rows import RowMaker


class Copied(NamedTuple):
    """What COPY came to."""

    messages_a_second: float
    backend_us: float
    """Processor time of the backend, a message."""
    client_us: float
    key_rows: float
    """A message."""


def measure(database_url: str, packets: Iterable[Timed]) -> Copied:
    """Make the rows of these packets, then copy them."""
    storage = StorageSettings()
    writer = Writer(database_url, storage)
    with LoopThread("store") as loop:
        loop.call(writer.connect())
        batches = list(RowMaker(writer, loop, storage).batches(packets))
        connection = loop.call(Connection.open(database_url, {"synchronous_commit": "off"}))
        ((pid,),) = loop.call(connection.fetch(tuple[int], "select pg_backend_pid()"))
        backend = psutil.Process(pid)
        before, client_before, started = backend.cpu_times(), time.process_time(), time.perf_counter()
        loop.call(_copy(connection, batches))
        seconds = time.perf_counter() - started
        client_s, after = time.process_time() - client_before, backend.cpu_times()
        loop.call(connection.close())
        loop.call(writer.close())
    messages = sum(sum(rows.outcomes) for rows in batches)
    keys = sum(len(of_leaf.keys) for rows in batches for of_leaf in rows.leaves.values())
    backend_s = after.user + after.system - before.user - before.system
    return Copied(messages / seconds, backend_s / messages * 1e6, client_s / messages * 1e6, keys / messages)


async def _copy(connection: Connection, batches: Iterable[Rows]) -> None:
    copying = CopyOnce(connection)
    for rows in batches:
        async with connection.transaction():
            for leaf, of_leaf in rows.leaves.items():
                await copying.copy_keys(leaf, of_leaf.keys, of_leaf.key_calls)
                await copying.copy_messages(leaf, of_leaf.messages, of_leaf.origins)
