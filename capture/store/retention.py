"""Deletes what has been kept long enough, beside workers that write and searches that read.

A leaf goes in steps, each of them committed: it is marked, by a comment on both its tables; both are detached
concurrently, which makes them invisible to new searches and waits for those that still may read them; then
they are dropped. Whoever comes after a crash goes on from the marks. Locks that others may need are waited
for a third of a second at most, and what could not be had then is tried again in the next round.
"""

import time
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
"""Who waits for a lock here may hold up who makes a partition; and nobody may wait for a second."""
DETACH_TIMEOUT = "5s"
"""Longer than most searches: a detach waits for those that began before it, and holds nothing meanwhile."""
ROUND_S = 20.0
"""A round that has more to do goes on in the next one, so that its progress shows."""

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

_USED_BY_ITSELF = """
select exists (
    select from pg_locks of_leaf
    where of_leaf.relation = $1::text::regclass and of_leaf.pid <> pg_backend_pid()
        and not exists (
            select from pg_locks of_parent
            where of_parent.relation = $2::text::regclass and of_parent.pid = of_leaf.pid
        )
)
"""


class Round(NamedTuple):
    """What one round has come to."""

    dropped: int
    """Leaves that have gone, each a pair of tables."""
    left: int
    """Tables that are to go and could not yet."""
    error: str
    """What failed, in words; empty when all went well, though perhaps not all in this round."""


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
    begun = time.monotonic()
    dropped = 0
    for marked in await _read_marked(connection):
        if time.monotonic() - begun > ROUND_S:
            break
        if marked.parent is None or (not marked.detaching and await attempts.detach(marked)):
            dropped += await attempts.drop(marked.name)
    return Round(dropped, len(await _read_marked(connection)), attempts.first_error)


async def _read_marked(connection: Connection) -> list[_Marked]:
    """One that an operator has renamed is to stay, whatever it still bears."""
    marked = await connection.fetch(_Marked, _MARKED, MARK)
    return [each for each in marked if parse_leaf_name(each.name) is not None]


class _Attempts:
    """Statements that may fail for want of a lock, and are then left to the next round."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stuck: set[str] = set()
        self.first_error = ""

    async def detach(self, marked: _Marked) -> bool:
        """Detach a table that is attached; whether it is detached now."""
        parent, name = marked.parent, marked.name
        leaf = parse_leaf_name(name)
        if parent is None or leaf is None or leaf.key in self._stuck:
            return False
        ((used,),) = await self._connection.fetch(tuple[bool], _USED_BY_ITSELF, name, parent)
        if used:
            # Waiting for it would hold up whoever makes a partition.
            self._note(f"{name} is used by itself in another transaction")
            return False
        await self._connection.execute(f"set lock_timeout = '{DETACH_TIMEOUT}'")
        done = await self.run(f"alter table {parent} detach partition {name} concurrently")
        await self._connection.execute(f"set lock_timeout = '{SETTINGS['lock_timeout']}'")
        if not done:
            # It is most likely pending now, and a table has one such partition at a time.
            self._stuck.add(leaf.key)
        return done

    async def drop(self, name: str) -> bool:
        """Drop a detached table; whether a leaf's messages have gone by that."""
        leaf = parse_leaf_name(name)
        if leaf is None:
            return False
        forget = (
            f"delete from leaf_keying"  # noqa: S608 # words of our own
            f" where message_class = '{leaf.key}' and leaf = {leaf.number}"
        )
        return await self.run(f"drop table {name}", forget) and leaf.kind == "messages"

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
            self._note(f"{statements[0]}: {error}")
            return False
        return True

    def _note(self, error: str) -> None:
        self.first_error = self.first_error or error


def _quoted(name: str) -> str:
    """A partition that is not ours may be called anything."""
    return '"' + name.replace('"', '""') + '"'
