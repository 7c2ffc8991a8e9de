"""Which stored messages a dictionary is trained on: of all classes, over the last day, few of any one call.

Blocks of the leaves are picked at random by PostgreSQL, so that a sample costs the same whatever is stored.
What a call's messages have in common (Call-ID, tags, numbers) is of no use to the next call: of two messages
of each, training brings 145 bytes a message where whole calls bring 154.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from capture.errors import PayloadCorrupt
from capture.store.codec import PayloadCodec
from capture.store.connection import Connection
from capture.store.dictionaries import all_dictionaries
from capture.store.partitions import DAY_US, Leaf, leaves_of
from capture.store.rotate import read_catalog

BLOCKS = 400
"""Blocks of 8 KiB read, and so the most that is held: some 10,000 messages."""
LEAST_BLOCKS = 16
"""Of each leaf, so that a class with few messages has its part."""
MOST_OF_CALL = 2
MOST_MESSAGES = 5000
MOST_BYTES = 4 * 1024 * 1024
"""Twice as much of either brings nothing."""
LONGEST_ROW = 1900
"""Longer values lie elsewhere, each in blocks of its own."""
JUDGED = 5
"""One call in so many is kept out of training, to judge by."""

_SIZES = """
select relname::text, (pg_relation_size(oid) / current_setting('block_size')::int)::int
from pg_class where relname = any($1::text[]) and pg_table_is_visible(oid)
"""


class StoredPayload(NamedTuple):
    """A message as far as training needs it."""

    call: int
    codec: int
    raw: bytes


class Sample(NamedTuple):
    """Payloads to train on, and others, of other calls, to judge the result by."""

    training: list[bytes]
    judging: list[bytes]


async def read_sample(connection: Connection) -> Sample:
    """Some thousands of messages of the last day that has any; fewer where fewer are stored."""
    dictionaries = await all_dictionaries(connection)
    codec = PayloadCodec()
    for number, content in dictionaries.items():
        codec.add(number, content)
    rows: list[StoredPayload] = []
    for leaf, percent in await _shares(connection):
        # Each leaf on its own: a lock on it is held for one statement only.
        query = (
            f"select call, raw_codec, raw from {leaf.messages_table} tablesample system ($1)"  # noqa: S608 # ours
            " where octet_length(raw) <= $2"
        )
        rows += await connection.fetch(StoredPayload, query, percent, LONGEST_ROW)
    return choose(rows, codec)


def choose(rows: Iterable[StoredPayload], codec: PayloadCodec, seed: int = 1) -> Sample:
    """At most MOST_OF_CALL payloads of each call, MOST_MESSAGES and MOST_BYTES in all.

    Which ones is left to chance, so that every class and hour keeps its share.
    """
    shuffled = list(rows)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 # nothing secret is drawn
    taken: dict[int, int] = defaultdict(int)
    sample, room = Sample([], []), MOST_BYTES
    for row in shuffled:
        if taken[row.call] == MOST_OF_CALL:
            continue
        try:
            payload = codec.decode(row.codec, row.raw)
        except PayloadCorrupt:
            continue
        room -= len(payload)
        if room < 0 or len(sample.training) + len(sample.judging) == MOST_MESSAGES:
            break
        taken[row.call] += 1
        (sample.training if row.call % JUDGED else sample.judging).append(payload)
    return sample


async def _shares(connection: Connection) -> list[tuple[Leaf, float]]:
    """The leaves of the last day that has messages, and the percentage of blocks to read of each."""
    leaves = leaves_of(await read_catalog(connection))
    names = [leaf.messages_table for leaf in leaves]
    sizes = dict(await connection.fetch(tuple[str, int | None], _SIZES, names))
    # A table dropped meanwhile has none.
    return shares([(leaf, sizes.get(leaf.messages_table) or 0) for leaf in leaves])


def shares(sizes: Sequence[tuple[Leaf, int]]) -> list[tuple[Leaf, float]]:
    """From each leaf's blocks, the percentage to read of those that belong to the last day."""
    filled = [(leaf, blocks) for leaf, blocks in sizes if blocks]
    newest_us = max((leaf.upper_us for leaf, _ in filled), default=0)
    recent = [(leaf, blocks) for leaf, blocks in filled if leaf.upper_us > newest_us - DAY_US]
    total = sum(blocks for _, blocks in recent)
    return [(leaf, min(100.0, 100 * max(LEAST_BLOCKS / blocks, BLOCKS / total))) for leaf, blocks in recent]
