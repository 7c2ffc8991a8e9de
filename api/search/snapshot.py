"""One REPEATABLE READ, read-only transaction, and what a search asks in it: partitions, keys, candidates."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from api.database import Reading, read_only
from api.search.candidate import CANDIDATE_COLUMNS, Candidate
from api.search.narrow import Buckets, Narrowing
from api.search.query import Position
from api.search.sql import Sql, all_of, number, numbers, render, sql
from capture.keys import keyed_rules
from capture.route import MessageClass
from capture.store.columns import keys_table, messages_table
from capture.store.partitions import CatalogEntry, Leaf, leaves_of

MAX_CALLS = 400
"""With more, a walk by time is cheaper than one index look-up a call and bucket."""
MAX_CALL_KEYS = 3 * MAX_CALLS
"""Key rows looked at to know that: a call may stand in several."""
MAX_CALL_MESSAGES = 20_000
"""Messages of few calls: a telephone registers under one Call-ID for months."""
MAX_GROUP = 32
"""Buckets asked at once: locks and planning grow with partitions."""

_CATALOG = """
select parent.relname::text, leaf.relname::text, pg_get_expr(leaf.relpartbound, leaf.oid), i.inhdetachpending,
    case when parent.relname like 'messages%' then array(
        select keying.rules::text from leaf_keying join keying using (version)
        where leaf_keying.message_class = substr(parent.relname, length('messages_') + 1)
            and leaf_keying.leaf = substring(leaf.relname from '_p([0-9]+)$')::bigint
    ) end
from pg_inherits i
join pg_class parent on parent.oid = i.inhparent
join pg_class leaf on leaf.oid = i.inhrelid
where parent.relname = any ($1::text[]) and parent.relkind = 'p' and pg_table_is_visible(parent.oid)
"""
"""Each leaf, and with a leaf of messages the rules of every version that has written there."""

_HELD = tuple(table(c) for table in (messages_table, keys_table) for c in MessageClass)
"""Retention waits for whoever has locked these before it takes a partition away."""


class Head(NamedTuple):
    """Where a candidate is, without its payload."""

    time_us: int
    id: int
    call: int


class Snapshot:
    """All statements of a page: they see the same rows and the same partitions."""

    def __init__(self, reading: Reading, custom_headers: Sequence[str]) -> None:
        self._reading = reading
        self._custom_headers = tuple(custom_headers)

    async def buckets(
        self, message_classes: Iterable[MessageClass], from_us: int, to_us: int
    ) -> dict[MessageClass, list[Buckets]]:
        """For each class the partitions that hold times of the window, newest first, one by one."""
        classes = list(message_classes)
        parents = [table(c) for c in classes for table in (messages_table, keys_table)]
        catalog = await self._reading.fetch(_CATALOG, parents)
        noted = {name: rules for _, name, _, _, rules in catalog if rules is not None}
        leaves = [
            leaf
            for leaf in leaves_of(CatalogEntry(*entry) for *entry, _ in catalog)
            if leaf.lower_us <= to_us and leaf.upper_us > from_us
        ]
        leaves.sort(key=lambda leaf: leaf.lower_us, reverse=True)
        return {
            c: [self._bucket(leaf, noted[leaf.messages_table]) for leaf in leaves if leaf.message_class is c]
            for c in classes
        }

    def _bucket(self, leaf: Leaf, noted: Sequence[str]) -> Buckets:
        # A leaf that no version is noted for keys nothing that can be relied on.
        rules = [_same_rules(version, self._custom_headers) for version in noted]
        keyed = frozenset.intersection(*rules) if rules else frozenset()
        return Buckets((leaf.lower_us,), leaf.lower_us, leaf.upper_us, keyed)

    async def few_calls(self, narrowing: Narrowing) -> list[int] | None:
        """The calls among which all matches are, or None when they are many or not known."""
        if narrowing.given is not None and (told := await self._told(narrowing, narrowing.given)) is not None:
            return told
        for calls in narrowing.calls:
            listed = [row[0] for row in await self._fetch(probe(calls))]
            if len(listed) < MAX_CALL_KEYS and len(distinct := set(listed)) <= MAX_CALLS:
                return list(distinct)
        return None

    async def _told(self, narrowing: Narrowing, given: Sequence[int]) -> list[int] | None:
        """The calls that the question names, and those that may be named all the same; None when too many."""
        told = list(given)
        if narrowing.apart is not None and len(told) <= MAX_CALLS:
            # A limit as a value would have it planned anew each time.
            told += [row[0] for row in await self._fetch(sql(narrowing.apart, f" limit {MAX_CALLS + 1}"))]
        return list(set(told)) if len(told) <= MAX_CALLS else None

    async def by_calls(
        self, message_class: MessageClass, narrowing: Narrowing, calls: Sequence[int], most: int
    ) -> list[Candidate] | None:
        """All rows of these calls, newest first, or None when they are more than `most`."""
        rows = await self._candidates(
            sql(
                _select(CANDIDATE_COLUMNS, message_class),
                *(" where m.call = any (", numbers(calls), ") and ", narrowing.columns),
                *(" limit ", number(most + 1)),
            )
        )
        return None if len(rows) > most else rows

    async def heads(
        self, message_class: MessageClass, narrowing: Narrowing, calls: Sequence[int]
    ) -> list[Head] | None:
        """Where the rows of these calls are, newest first, or None when they are too many.

        Sorted here: an ORDER BY with LIMIT would tempt the planner onto the time index.
        """
        found = await self._fetch(
            sql(
                _select("m.time_us, m.id, m.call", message_class),
                *(" where m.call = any (", numbers(calls), ") and ", narrowing.columns),
                *(" limit ", number(MAX_CALL_MESSAGES + 1)),
            )
        )
        heads = [Head(*row) for row in found]
        return None if len(heads) > MAX_CALL_MESSAGES else sorted(heads, reverse=True)

    async def by_heads(self, message_class: MessageClass, heads: Sequence[Head]) -> list[Candidate]:
        """The rows at these places, newest first."""
        # By time alone: to look for each pair of time and id takes some versions the square of their number.
        return await self._candidates(
            sql(
                _select(CANDIDATE_COLUMNS, message_class),
                *(" where m.time_us = any (", numbers({head.time_us for head in heads}), ")"),
                *(" and m.id + 0 = any (", numbers(head.id for head in heads), ")"),
            )
        )

    async def by_time(
        self, message_class: MessageClass, narrowing: Narrowing, before: Position | None, rows: int
    ) -> list[Candidate]:
        """The newest rows before a position, newest first."""
        return await self._candidates(by_time(message_class, narrowing, before, rows))

    async def _candidates(self, statement: Sql) -> list[Candidate]:
        rows = [Candidate(*row) for row in await self._fetch(statement)]
        rows.sort(key=lambda row: (row.time_us, row.id), reverse=True)
        return rows

    async def dictionaries(self, wanted: Iterable[int]) -> Mapping[int, bytes]:
        """Payload dictionaries by id."""
        found = await self._fetch(
            sql("select id, content from payload_dictionary where id = any (", numbers(wanted), ")")
        )
        return {row[0]: row[1] for row in found}

    async def _fetch(self, statement: Sql) -> Sequence[Sequence[Any]]:
        words, values = render(statement)
        return await self._reading.fetch(words, *values)


@asynccontextmanager
async def open_snapshot(
    engine: AsyncEngine, custom_headers: Sequence[str], statement_timeout_s: float
) -> AsyncIterator[Snapshot]:
    """A snapshot for one page; DatabaseError when there is none to be had."""
    async with read_only(engine, statement_timeout_s, held=_HELD) as reading:
        yield Snapshot(reading, custom_headers)


def by_time(message_class: MessageClass, narrowing: Narrowing, before: Position | None, rows: int) -> Sql:
    """The statement of a walk by time."""
    where = [narrowing.rows]
    if before is not None:
        at_us, at_id = number(before.time_us), number(before.id)
        # The first condition prunes partitions, which a comparison of rows does not.
        where += [sql("m.time_us <= ", at_us), sql("(m.time_us, m.id) < (", at_us, ", ", at_id, ")")]
    return sql(
        _select(CANDIDATE_COLUMNS, message_class),
        *(" where ", all_of(where), " order by m.time_us desc, m.id desc limit ", number(rows)),
    )


def probe(calls: Sql) -> Sql:
    """The statement that finds out how many calls there are."""
    return sql(calls, " limit ", number(MAX_CALL_KEYS))


def _select(columns: str, message_class: MessageClass) -> str:
    return f"select {columns} from {messages_table(message_class)} m"  # noqa: S608 (names of our own)


@lru_cache(maxsize=256)
def _same_rules(version: str, custom_headers: tuple[str, ...]) -> frozenset[str]:
    """What a version of what is keyed, JSON as the database has it, keys by today's rule."""
    noted = msgspec.json.decode(version)
    return frozenset(name for name, rule in keyed_rules(custom_headers).items() if noted.get(name) == rule)


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
