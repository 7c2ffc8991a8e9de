"""Packets from the sender's socket into the database, through the real command: how many, and at what cost.

A rate is *sustained* when everything sent at it for ten seconds is stored, the kernel dropped nothing, and
what the journal still held when the last packet was sent was stored within a tenth of the time that sending
took. At a higher rate nothing is lost either, as long as the journal has room, but the backlog grows.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import asyncpg

from tests.benchmarks.flood import Flood
from tests.benchmarks.system import System

RATES = (10_000, 15_000, 17_500, 20_000, 22_500, 25_000, 27_500, 30_000, 35_000, 40_000, 45_000, 50_000)
DRAINED_WITHIN = 0.1
"""Of the time that sending took."""
_DRAIN_S = 180.0
_WARM_UP_S = 2.0


class Stored(NamedTuple):
    """One flood, sent and stored."""

    sent_rate: float
    stored_rate: float
    """Packets a second from the first one sent until the last one was committed."""
    packets: int
    lost: int
    """Sent, and not stored: dropped by the kernel, by intake for want of room, or failed."""
    drain_s: float
    """From the last packet sent to the last commit."""
    sustained: bool
    cpu_us: dict[str, float]
    """Processor time a packet, by role."""
    wal_bytes: float
    """A packet."""


def flood_once(running: System, flood: Flood, packets: Path, rate: float, seconds: float) -> Stored:
    """Send for so long at a rate, then wait until all is stored."""
    count = int(rate * seconds)
    before, cpu_before, wal_before = running.progress(), running.cpu_s(), wal_position(running.database_url)
    started = time.monotonic()
    sent = flood.send(running.hep_port, packets, rate, count)
    drain_s = running.wait_until_drained(_DRAIN_S)
    took_s = time.monotonic() - started
    cpu_after, after = running.cpu_s(), running.progress()
    stored = after.written - before.written
    lost = sent.packets - stored
    return Stored(
        sent.rate,
        stored / took_s,
        sent.packets,
        lost,
        drain_s,
        not lost and drain_s <= DRAINED_WITHIN * sent.seconds,
        {role: (cpu_after[role] - cpu_before[role]) / sent.packets * 1e6 for role in cpu_after},
        (wal_position(running.database_url) - wal_before) / sent.packets,
    )


def warm_up(running: System, flood: Flood, packets: Path) -> None:
    """Partitions made, caches filled, the dictionary trained if one will be."""
    flood.send(running.hep_port, packets, 5_000, int(5_000 * _WARM_UP_S))
    running.wait_until_drained(_DRAIN_S)


def rising(
    running: System, flood: Flood, packets: Path, seconds: float, rates: Sequence[int] = RATES
) -> Iterator[Stored]:
    """Rising rates, each drained before the next, until one is not sustained twice: other machines' work can
    slow down a virtual one for seconds."""
    for rate in rates:
        for _ in range(2):
            stored = flood_once(running, flood, packets, rate, seconds)
            yield stored
            if stored.sustained:
                break
        else:
            return


class Space(NamedTuple):
    """What a stored message takes on disk, with its share of keys, in bytes."""

    messages: int
    message_heap: float
    message_indexes: float
    key_heap: float
    key_indexes: float
    payload: float
    """Mean stored payload: a part of `message_heap`."""
    by_dictionary: dict[int, tuple[int, float]]
    """Dictionary id → messages, mean stored payload."""

    @property
    def total(self) -> float:
        return self.message_heap + self.message_indexes + self.key_heap + self.key_indexes

    def with_dictionary(self, number: int) -> float:
        """The total if all payloads were as long as those with this dictionary."""
        return self.total - self.payload + self.by_dictionary[number][1]


def space(database_url: str) -> Space:
    """Of everything that the calls' tables hold now."""
    return asyncio.run(_space(database_url))


async def _space(database_url: str) -> Space:
    connection = await asyncpg.connect(database_url)
    try:
        sizes = await connection.fetchrow(
            """
            select sum(pg_table_size(oid)) filter (where relname like 'messages%') message_heap,
                sum(pg_indexes_size(oid)) filter (where relname like 'messages%') message_indexes,
                sum(pg_table_size(oid)) filter (where relname like 'keys%') key_heap,
                sum(pg_indexes_size(oid)) filter (where relname like 'keys%') key_indexes
            from pg_class where relkind = 'r' and relname ~ '^(messages|keys)_\\d+_[a-z]+_p'
            """
        )
        codecs = await connection.fetch(
            "select raw_codec, count(*), avg(length(raw))::float from messages_1_call group by raw_codec"
        )
        total = await connection.fetchval("select sum(written) from journal_position")
    finally:
        await connection.close()
    by_dictionary = {codec: (count, mean) for codec, count, mean in codecs}
    calls = sum(count for count, _ in by_dictionary.values())
    payload = sum(count * mean for count, mean in by_dictionary.values()) / calls
    parts = (
        float(sizes[name]) / int(total)
        for name in ("message_heap", "message_indexes", "key_heap", "key_indexes")
    )
    return Space(int(total), *parts, payload, by_dictionary)


def wal_position(database_url: str) -> int:
    """Bytes of WAL written since the cluster was made."""

    async def ask() -> int:
        connection = await asyncpg.connect(database_url)
        try:
            return int(await connection.fetchval("select pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))
        finally:
            await connection.close()

    return asyncio.run(ask())
