"""Makes partitions: reads the catalog and carries out the plan of `partitions`, beside writers and others.

A messages leaf and its keys leaf are made together, in one transaction under an advisory lock, by CREATE
TABLE (LIKE …) and ATTACH PARTITION: unlike PARTITION OF, that blocks no insert.
"""

from capture.errors import PartitionMissing
from capture.route import MessageClass
from capture.store.columns import keys_table, messages_table
from capture.store.connection import Connection
from capture.store.partitions import (
    DAY_US,
    HOUR_US,
    Bounds,
    CatalogEntry,
    Leaf,
    PartitionMap,
    leaves_of,
    occupied,
    plan,
)

LOCK = 0x52484150_50415254
"""Key of the advisory lock that whoever makes or drops partitions holds: "RHAPPART"."""

AHEAD_US = HOUR_US // 2
"""How long before a partition's first moment it is made, for classes in use."""

_CATALOG = """
select parent.relname::text, leaf.relname::text, pg_get_expr(leaf.relpartbound, leaf.oid), i.inhdetachpending
from pg_inherits i
join pg_class parent on parent.oid = i.inhparent
join pg_class leaf on leaf.oid = i.inhrelid
where parent.relname = any($1::text[]) and parent.relkind = 'p' and pg_table_is_visible(parent.oid)
"""
_PARENTS = [name(message_class) for name in (messages_table, keys_table) for message_class in MessageClass]


async def read_catalog(connection: Connection) -> list[CatalogEntry]:
    """Every partition of every messages and keys table, ours or not."""
    return await connection.fetch(CatalogEntry, _CATALOG, _PARENTS)


async def cover(
    connection: Connection, message_class: MessageClass, time_us: int, *, now_us: int, step_us: int
) -> Leaf:
    """The leaf that takes `time_us`, made when there is none.

    PartitionMissing when something that is not ours, or is being detached, covers that time.
    """
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", LOCK)
        catalog = await read_catalog(connection)
        found = PartitionMap(leaves_of(catalog)).find(message_class, time_us)
        if found is not None:
            return found
        bounds = plan(time_us, now_us, step_us, occupied(catalog, message_class))
        if bounds is None:
            raise PartitionMissing(
                f"{time_us} of {message_class.key} is covered by a partition that takes no rows of ours"
            )
        return await _create(connection, message_class, bounds)


async def cover_ahead(connection: Connection, *, now_us: int, step_us: int) -> list[Leaf]:
    """Make what the classes in use will need soon; the leaves that take that time, old and new."""
    return [
        await cover(connection, message_class, now_us + AHEAD_US, now_us=now_us, step_us=step_us)
        for message_class in MessageClass
        if await _in_use(connection, message_class, now_us)
    ]


async def _in_use(connection: Connection, message_class: MessageClass, now_us: int) -> bool:
    """Whether a packet of the last day is stored. The leaf made ahead of time is no sign of one."""
    name = messages_table(message_class)
    query = f"select exists (select from {name} where time_us > $1 and time_us <= $2)"  # noqa: S608  # our name
    ((found,),) = await connection.fetch(tuple[bool], query, now_us - DAY_US, now_us)
    return found


async def _create(connection: Connection, message_class: MessageClass, bounds: Bounds) -> Leaf:
    ((number,),) = await connection.fetch(tuple[int], "select nextval('leaf_number')")
    leaf = Leaf(message_class, number, bounds.lower_us, bounds.upper_us)
    for parent, name in (
        (messages_table(message_class), leaf.messages_table),
        (keys_table(message_class), leaf.keys_table),
    ):
        await connection.execute(
            f"create table {name}"
            f" (like {parent} including defaults including indexes including storage including comments)"
        )
        await connection.execute(
            f"alter table {parent} attach partition {name}"
            f" for values from ({bounds.lower_us}) to ({bounds.upper_us})"
        )
    return leaf
