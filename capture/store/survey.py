"""What is stored: how old, how large, class by class. Reads only; sizes are asked of the file system, not
of the rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from capture.route import MessageClass
from capture.store import rotate
from capture.store.columns import messages_table
from capture.store.connection import Connection
from capture.store.partitions import DAY_US, Leaf, PartitionMap, leaves_of

_SIZES = """
select relname::text, pg_total_relation_size(oid)
from pg_class
where relname = any($1::text[]) and relkind = 'r' and pg_table_is_visible(oid)
"""


class StoredClass(NamedTuple):
    """What is stored of one class."""

    oldest_us: int | None
    """Capture time of its oldest message; None when there is none."""
    bytes: int
    """On disk: rows, payloads, keys and indexes."""
    recent_bytes: int
    """Of these, what belongs to capture times of about the last day."""
    recent_us: int
    """How long that time is, up to now, whether anything came in or not; 0 when nothing is stored."""


async def survey(connection: Connection, now_us: int) -> dict[MessageClass, StoredClass]:
    """What every class has. Takes about a millisecond a leaf; holds up nobody."""
    partitions = PartitionMap(leaves_of(await rotate.read_catalog(connection)))
    leaves = {message_class: partitions.leaves(message_class) for message_class in MessageClass}
    tables = [table for of_class in leaves.values() for leaf in of_class for table in leaf.tables]
    sizes = dict(await connection.fetch(tuple[str, int | None], _SIZES, tables))
    return {c: await _survey_class(connection, leaves[c], sizes, now_us) for c in MessageClass}


async def _survey_class(
    connection: Connection, leaves: Sequence[Leaf], sizes: Mapping[str, int | None], now_us: int
) -> StoredClass:
    oldest_us = await _oldest_us(connection, leaves)
    if oldest_us is None:
        return StoredClass(None, _bytes(leaves, sizes), 0, 0)
    day_ago_us = now_us - DAY_US
    recent = [leaf for leaf in leaves if day_ago_us < leaf.upper_us and leaf.lower_us <= now_us]
    # Where nothing came in for hours, those hours belong to the day all the same.
    since_us = min([day_ago_us, *(leaf.lower_us for leaf in recent)])
    return StoredClass(
        oldest_us, _bytes(leaves, sizes), _bytes(recent, sizes), max(0, now_us - max(oldest_us, since_us))
    )


async def _oldest_us(connection: Connection, leaves: Iterable[Leaf]) -> int | None:
    """A leaf made ahead of time, or of which all rows were refused, is empty: then the next one tells."""
    for leaf in leaves:
        # By the parent: a leaf that has been dropped meanwhile is then no error, only empty.
        table = messages_table(leaf.message_class)
        query = f"select min(time_us) from {table} where time_us >= $1 and time_us < $2"  # noqa: S608 # our name
        ((oldest_us,),) = await connection.fetch(tuple[int | None], query, leaf.lower_us, leaf.upper_us)
        if oldest_us is not None:
            return oldest_us
    return None


def _bytes(leaves: Iterable[Leaf], sizes: Mapping[str, int | None]) -> int:
    """A table dropped meanwhile has none."""
    return sum(sizes.get(table) or 0 for leaf in leaves for table in leaf.tables)
