"""One REPEATABLE READ, read-only transaction, and what a search asks in it: partitions, keys, candidates."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from sqlalchemy import (
    Select,
    Text,
    any_,
    bindparam,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.search.binds import bind_number, bind_numbers
from api.search.candidate import Candidate, candidate_columns
from api.search.narrow import Buckets, Narrowing
from api.search.query import Position
from capture.keys import keyed_rules
from capture.route import MessageClass
from capture.store.partitions import CatalogEntry, Leaf, leaves_of
from capture.store.tables import KEYS, MESSAGES, keying, leaf_keying, payload_dictionary

MAX_CALLS = 400
"""With more, a walk by time is cheaper than one index look-up a call and bucket."""
MAX_CALL_KEYS = 8 * MAX_CALLS
"""Key rows looked at to know that: a call may stand in several."""
MAX_CALL_MESSAGES = 20_000
"""Messages of few calls: a telephone registers under one Call-ID for months."""
MAX_GROUP = 32
"""Buckets asked at once: locks and planning grow with partitions."""

_CATALOG = text(
    """
    select parent.relname::text, leaf.relname::text,
        pg_get_expr(leaf.relpartbound, leaf.oid), i.inhdetachpending
    from pg_inherits i
    join pg_class parent on parent.oid = i.inhparent
    join pg_class leaf on leaf.oid = i.inhrelid
    where parent.relname = any(:parents) and parent.relkind = 'p' and pg_table_is_visible(parent.oid)
    """
).bindparams(bindparam("parents", type_=ARRAY(Text)))

# Retention waits for whoever holds these before it takes a partition away. So they come before the snapshot,
# which a lock does not take and any query does: what the catalog shows then stays to the end.
_HOLD = text(
    "lock table "
    + ", ".join(f"only {table.name}" for table in (*MESSAGES.values(), *KEYS.values()))
    + " in access share mode"
)

# The third argument makes it count for this transaction only.
_TIMEOUT = text("select set_config('statement_timeout', :limit_ms, true)")


class Head(NamedTuple):
    """Where a candidate is, without its payload."""

    time_us: int
    id: int
    call: int


class Snapshot:
    """All statements of a page: they see the same rows and the same partitions."""

    def __init__(self, connection: AsyncConnection, custom_headers: Sequence[str]) -> None:
        self._connection = connection
        self._rules = keyed_rules(custom_headers)

    async def buckets(
        self, message_classes: Iterable[MessageClass], from_us: int, to_us: int
    ) -> dict[MessageClass, list[Buckets]]:
        """For each class the partitions that hold times of the window, newest first, one by one."""
        classes = list(message_classes)
        parents = [table[c].name for c in classes for table in (MESSAGES, KEYS)]
        catalog = await self._connection.execute(_CATALOG, {"parents": parents})
        leaves = [
            leaf
            for leaf in leaves_of(CatalogEntry(*row) for row in catalog)
            if leaf.lower_us <= to_us and leaf.upper_us > from_us
        ]
        keyed = await self._keyed(leaves) if leaves else {}
        newest_first = sorted(leaves, key=lambda leaf: leaf.lower_us, reverse=True)
        return {
            c: [_bucket(leaf, keyed) for leaf in newest_first if leaf.message_class is c] for c in classes
        }

    async def _keyed(self, leaves: Sequence[Leaf]) -> dict[int, frozenset[str]]:
        """By leaf number: what all versions that have written there key by today's rule."""
        noted = await self._connection.execute(
            select(leaf_keying.c.leaf, keying.c.rules)
            .join_from(leaf_keying, keying)
            .where(leaf_keying.c.leaf == any_(bind_numbers([leaf.number for leaf in leaves])))
        )
        keyed: dict[int, frozenset[str]] = {}
        for number, rules in noted:
            same = frozenset(name for name, rule in self._rules.items() if rules.get(name) == rule)
            keyed[number] = keyed[number] & same if number in keyed else same
        return keyed

    async def few_calls(self, narrowing: Narrowing) -> list[int] | None:
        """The calls among which all matches are, or None when they are many or not known."""
        if narrowing.given is not None and len(narrowing.given) <= MAX_CALLS:
            return list(narrowing.given)
        for calls in narrowing.calls:
            found = await self._connection.execute(_probe(calls))
            listed = [row.call for row in found]
            if len(listed) < MAX_CALL_KEYS and len(distinct := set(listed)) <= MAX_CALLS:
                return list(distinct)
        return None

    async def by_calls(
        self, message_class: MessageClass, narrowing: Narrowing, calls: Sequence[int], most: int
    ) -> list[Candidate] | None:
        """All rows of these calls, newest first, or None when they are more than `most`."""
        messages = MESSAGES[message_class]
        of_calls = messages.c.call == any_(bind_numbers(calls))
        statement = select(*candidate_columns(messages)).where(of_calls, narrowing.columns).limit(most + 1)
        rows = await self._candidates(statement)
        return None if len(rows) > most else rows

    async def heads(
        self, message_class: MessageClass, narrowing: Narrowing, calls: Sequence[int]
    ) -> list[Head] | None:
        """Where the rows of these calls are, newest first, or None when they are too many.

        Sorted here: an ORDER BY with LIMIT would tempt the planner onto the time index.
        """
        columns = MESSAGES[message_class].c
        of_calls = columns.call == any_(bind_numbers(calls))
        found = await self._connection.execute(
            select(columns.time_us, columns.id, columns.call)
            .where(of_calls, narrowing.columns)
            .limit(MAX_CALL_MESSAGES + 1)
        )
        heads = [Head(*row) for row in found]
        return None if len(heads) > MAX_CALL_MESSAGES else sorted(heads, reverse=True)

    async def by_heads(self, message_class: MessageClass, heads: Sequence[Head]) -> list[Candidate]:
        """The rows at these places, newest first."""
        messages = MESSAGES[message_class]
        times = [head.time_us for head in heads]
        return await self._candidates(
            select(*candidate_columns(messages)).where(
                messages.c.call == any_(bind_numbers({head.call for head in heads})),
                messages.c.id == any_(bind_numbers(head.id for head in heads)),
                messages.c.time_us.between(bind_number(min(times)), bind_number(max(times))),
            ),
        )

    async def by_time(
        self, message_class: MessageClass, narrowing: Narrowing, before: Position | None, rows: int
    ) -> list[Candidate]:
        """The newest rows before a position, newest first."""
        return await self._candidates(by_time(message_class, narrowing, before, rows))

    async def _candidates(self, statement: Select[Any]) -> list[Candidate]:
        found = await self._connection.execute(statement)
        return sorted((Candidate(*row) for row in found), key=lambda row: (row.time_us, row.id), reverse=True)

    async def dictionaries(self, numbers: Iterable[int]) -> Mapping[int, bytes]:
        """Payload dictionaries by id."""
        found = await self._connection.execute(
            select(payload_dictionary.c.id, payload_dictionary.c.content).where(
                payload_dictionary.c.id == any_(bind_numbers(numbers))
            )
        )
        return {row.id: row.content for row in found}


@asynccontextmanager
async def open_snapshot(
    engine: AsyncEngine, custom_headers: Sequence[str], statement_timeout_s: float
) -> AsyncIterator[Snapshot]:
    """A snapshot for one page; DatabaseError when there is none to be had."""
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        async with connection.begin():
            await connection.execute(_HOLD)
            limit_ms = str(max(1, int(statement_timeout_s * 1000)))
            await connection.execute(_TIMEOUT, {"limit_ms": limit_ms})
            yield Snapshot(connection, custom_headers)


def by_time(
    message_class: MessageClass, narrowing: Narrowing, before: Position | None, rows: int
) -> Select[Any]:
    """The statement of a walk by time."""
    messages = MESSAGES[message_class]
    place = messages.c.time_us, messages.c.id
    statement = select(*candidate_columns(messages)).where(narrowing.rows)
    if before is not None:
        at_us, at_id = bind_number(before.time_us), bind_number(before.id)
        # The first condition prunes partitions, which a comparison of rows does not.
        statement = statement.where(messages.c.time_us <= at_us, tuple_(*place) < tuple_(at_us, at_id))
    return statement.order_by(*(column.desc() for column in place)).limit(rows)


def _probe(calls: Select[tuple[int]]) -> Select[tuple[int]]:
    return calls.limit(MAX_CALL_KEYS)


def _bucket(leaf: Leaf, keyed: Mapping[int, frozenset[str]]) -> Buckets:
    # A leaf that no version is noted for keys nothing that can be relied on.
    return Buckets((leaf.lower_us,), leaf.lower_us, leaf.upper_us, keyed.get(leaf.number, frozenset()))


def grouped(buckets: Sequence[Buckets], first: int = 1) -> Iterator[Buckets]:
    """Neighbours in which the same is keyed, as one: `first` of them, then twice as many, then four times."""
    most, start = min(first, MAX_GROUP), 0
    while start < len(buckets):
        end = start + 1
        while end < len(buckets) and end - start < most and buckets[end].keyed == buckets[start].keyed:
            end += 1
        run = buckets[start:end]
        lowers = tuple(bucket.lower_us for bucket in run)
        yield Buckets(lowers, run[-1].lower_us, run[0].upper_us, run[0].keyed)
        start, most = end, min(most * 2, MAX_GROUP)
