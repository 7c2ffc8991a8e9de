"""Who has sent packets in the last days, and when last: from what is stored, as nobody else remembers it.

Costs some ten milliseconds a class: the newest messages are read, and of older partitions only the distinct
names, by index. So of a sender that is not among the newest messages it is known in which partition it was
seen last, not when.
"""

from typing import NamedTuple

from capture.route import MessageClass
from capture.store import rotate
from capture.store.columns import keys_table, messages_table
from capture.store.connection import Connection
from capture.store.partitions import DAY_US, PartitionMap, leaves_of

NEWEST = 5000
"""Messages of a class that are looked at."""
LOOKED_BACK_US = 2 * DAY_US
"""How far older partitions are asked for names."""

_NEWEST = """
select coalesce(node_name, capture_id::text, ''), max(time_us), min(min(time_us)) over ()
from (select node_name, capture_id, time_us from {table} where time_us <= $1
      order by time_us desc, id desc limit $2) newest
group by 1
"""
# Jumps from name to name in the index, however many rows bear each.
_DISTINCT = """
with recursive sender as (
    (select node from {table} where bucket = $1 and node is not null order by node limit 1)
    union all
    select (select further.node from {table} further
            where further.bucket = $1 and further.node > sender.node order by further.node limit 1)
    from sender where sender.node is not null
)
select node from sender where node is not null
"""


class Sender(NamedTuple):
    """Who sends packets, by the name under which searches find it: node name, else capture id."""

    name: str
    after_us: int
    """It was seen last at this capture time or later."""
    before_us: int
    """And not after this one; equal to `after_us` when it is known exactly."""


async def read_senders(connection: Connection, now_us: int) -> list[Sender]:
    """Every sender of the last days, the longest silent first."""
    partitions = PartitionMap(leaves_of(await rotate.read_catalog(connection)))
    seen: dict[str, Sender] = {}
    for message_class in MessageClass:
        # By the parents: a partition that has been dropped meanwhile is then no error, only empty.
        query = _NEWEST.format(table=messages_table(message_class))
        newest = await connection.fetch(tuple[str, int, int], query, now_us, NEWEST)
        names = {name for name, _, _ in newest}
        down_to_us = min((oldest_us for _, _, oldest_us in newest), default=now_us)
        found = [Sender(name, last_us, last_us) for name, last_us, _ in newest]
        for leaf in partitions.leaves(message_class):
            if now_us - LOOKED_BACK_US < leaf.upper_us and leaf.lower_us < down_to_us:
                query = _DISTINCT.format(table=keys_table(message_class))
                older = await connection.fetch(tuple[str], query, leaf.lower_us)
                before_us = min(leaf.upper_us, down_to_us)
                found += [Sender(name, leaf.lower_us, before_us) for (name,) in older if name not in names]
        for sender in found:
            known = seen.get(sender.name)
            if known is None or known.after_us < sender.after_us:
                seen[sender.name] = sender
    return sorted(seen.values(), key=lambda sender: sender.after_us)
