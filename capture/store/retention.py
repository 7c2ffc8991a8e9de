"""Deletes what has been kept long enough, beside workers that write and searches that read.

A leaf goes in steps, each of them committed: it is marked, by a comment on both its tables; both are detached
concurrently, which makes them invisible to new searches and waits for those that still may read them; then
they are dropped. Whoever comes after a crash goes on from the marks. Locks are waited for a third of a second
at most, and what could not be had then is tried again in the next round.
"""

from typing import NamedTuple

from capture.errors import StoreError
from capture.settings import RetentionSettings
from capture.store import rotate
from capture.store.connection import Connection
from capture.store.expiry import KeptSince, expired_leaves, kept_since
from capture.store.partitions import PartitionMap, leaves_of, parse_leaf_name

LOCK = 0x52484150_52455445
"""Key of the advisory lock that the one who deletes holds: "RHAPRETE"."""
SETTINGS = {"lock_timeout": "300ms"}
"""A detach holds up whoever makes a partition while it waits for a lock; nobody may wait for a second."""

MARK = "rhapsode: kept long enough, to be dropped"
"""The comment on tables that are to go. A table that an operator has detached does not bear it, and stays."""

_NOW = "select least($1::bigint, (extract(epoch from clock_timestamp()) * 1000000)::bigint)"
_MARKED = """
select leaf.relname::text, parent.relname::text, coalesce(i.inhdetachpending, false)
from pg_class leaf
left join pg_inherits i on i.inhrelid = leaf.oid
left join pg_class parent on parent.oid = i.inhparent
where leaf.relkind = 'r' and pg_table_is_visible(leaf.oid)
    and obj_description(leaf.oid, 'pg_class') = $1
order by leaf.oid
"""


class Round(NamedTuple):
    """What one round has come to."""

    dropped: int
    """Leaves that have gone, each a pair of tables."""
    left: int
    """Tables that are to go and could not yet."""
    error: str
    """Why, in words; empty when nothing is left."""


class _Marked(NamedTuple):
    """A table that is to go."""

    name: str
    parent: str | None
    """None once it is detached."""
    detaching: bool
    """A concurrent detach has begun and was not finished."""


async def agreed_now_us(connection: Connection, own_us: int) -> int:
    """The earlier of our clock and the database's: one that is fast deletes nothing by itself."""
    ((now_us,),) = await connection.fetch(tuple[int], _NOW, own_us)
    return now_us


async def run_round(connection: Connection, retention: RetentionSettings, own_us: int) -> Round | None:
    """Delete what has expired by our clock and the database's; None when another is at it.

    The connection is opened with `SETTINGS` and closed after the round: the lock goes with it.
    """
    ((ours,),) = await connection.fetch(tuple[bool], "select pg_try_advisory_lock($1)", LOCK)
    if not ours:
        return None
    return await drop_expired(connection, kept_since(retention, await agreed_now_us(connection, own_us)))


async def drop_expired(connection: Connection, since: KeptSince) -> Round:
    """Delete the leaves that are past their time, and what earlier rounds have left; holding the lock."""
    catalog = await rotate.read_catalog(connection)
    attempts = _Attempts(connection)
    for entry in catalog:
        # Whoever began it: no other partition of that table can be detached before.
        if entry.detaching:
            await attempts.run(f"alter table {entry.parent} detach partition {_quoted(entry.name)} finalize")
    for leaf in expired_leaves(PartitionMap(leaves_of(catalog)), since):
        await attempts.run(*(f"comment on table {table} is '{MARK}'" for table in leaf.tables))
    waiting: set[str] = set()
    for marked in await _read_marked(connection):
        parent = marked.parent
        if parent is None or marked.detaching or parent in waiting:
            continue
        if not await attempts.run(f"alter table {parent} detach partition {marked.name} concurrently"):
            # It is most likely pending now, and a table has one such partition at a time.
            waiting.add(parent)
    dropped = 0
    for marked in await _read_marked(connection):
        leaf_name = parse_leaf_name(marked.name)
        if marked.parent is None and leaf_name is not None:
            forget = (
                f"delete from leaf_keying"  # noqa: S608 # words of our own
                f" where message_class = '{leaf_name.key}' and leaf = {leaf_name.number}"
            )
            gone = await attempts.run(f"drop table {marked.name}", forget)
            dropped += gone and leaf_name.kind == "messages"
    left = await _read_marked(connection)
    return Round(dropped, len(left), attempts.first_error if left else "")


async def _read_marked(connection: Connection) -> list[_Marked]:
    return await connection.fetch(_Marked, _MARKED, MARK)


class _Attempts:
    """Statements that may fail for want of a lock, and are then left to the next round."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.first_error = ""

    async def run(self, *statements: str) -> bool:
        """Whether it was done: one statement by itself, several together or not at all.

        StoreError when the connection is lost.
        """
        connection = self._connection
        try:
            if len(statements) == 1:
                # By itself, because PostgreSQL detaches concurrently outside a transaction only.
                await connection.execute(statements[0])
            else:
                async with connection.transaction():
                    for statement in statements:
                        await connection.execute(statement)
        except StoreError as error:
            if connection.closed:
                raise
            self.first_error = self.first_error or f"{statements[0]}: {error}"
            return False
        return True


def _quoted(name: str) -> str:
    """A partition that is not ours may be called anything."""
    return '"' + name.replace('"', '""') + '"'
