"""One REPEATABLE READ, read-only transaction, and what a search asks in it: partitions, keys, candidates."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from api.database import PLANNED_ONCE, Reading, read_only
from api.search.buckets import Buckets
from api.search.candidate import CANDIDATE_COLUMNS, Candidate
from api.search.catalog import Catalog
from api.search.narrow import Narrowing
from api.search.query import Position
from api.search.sql import TRUE, Part, Sql, all_of, number, numbers, render, sql
from capture.route import MessageClass
from capture.store.columns import keys_table, messages_table

MAX_CALLS = 400
"""With more, a walk by time is cheaper than one index look-up a call and bucket."""
MAX_CALL_KEYS = 3 * MAX_CALLS
"""Key rows looked at to know that: a call may stand in several."""
MAX_CALL_MESSAGES = 20_000
"""Messages of few calls: a telephone registers under one Call-ID for months."""
MAX_SORTED_MESSAGES = 4_000
"""With payload: so many are gathered in one statement, of which only the newest are sent."""
_HELD = tuple(table(c) for table in (messages_table, keys_table) for c in MessageClass)
"""Retention waits for whoever has locked these before it takes a partition away."""


class CallAt(NamedTuple):
    """A call, and the bucket in which its messages are looked for."""

    call: int
    bucket: int | None
    """Its lower bound; None: all that are asked."""


class Head(NamedTuple):
    """Where a candidate is, without its payload."""

    time_us: int
    id: int
    call: int


class Snapshot:
    """All statements of a page: they see the same rows and the same partitions."""

    def __init__(self, reading: Reading, catalog: Catalog) -> None:
        self._reading = reading
        self._catalog = catalog
        self._buckets: dict[MessageClass, Sequence[Buckets]] = {}
        self._last: tuple[tuple[str, list[object]], Sequence[Sequence[Any]]] | None = None

    async def buckets(
        self, message_classes: Iterable[MessageClass], from_us: int, to_us: int
    ) -> dict[MessageClass, list[Buckets]]:
        """For each class the partitions that hold times of the window, newest first, one by one."""
        wanted = frozenset(message_classes)
        if unknown := wanted - self._buckets.keys():
            self._buckets |= await self._catalog.buckets(self._reading, unknown)
        return {
            message_class: [
                bucket
                for bucket in self._buckets[message_class]
                if bucket.lower_us <= to_us and bucket.upper_us > from_us
            ]
            for message_class in wanted
        }

    async def few_calls(self, narrowing: Narrowing) -> list[CallAt] | None:
        """The calls among which all matches are, or None when they are many or not known.

        A bucket holds all messages of a call that its key rows tell of, so that none is looked for elsewhere.
        """
        if (
            narrowing.given is not None
            and (everything := await self._told(narrowing, narrowing.given)) is not None
        ):
            return [CallAt(call, None) for call in everything]
        for told, places in narrowing.calls:
            rows = [] if places is None else await self._fetch(probe(places))
            if len(rows) < MAX_CALL_KEYS:
                listed = {CallAt(*row) for row in rows} | {CallAt(call, None) for call in told}
                if len({call for call, _ in listed}) <= MAX_CALLS:
                    return list(listed)
        return None

    async def _told(self, narrowing: Narrowing, given: Sequence[int]) -> list[int] | None:
        """The calls that the question names, and those that may be named all the same; None when too many."""
        told = list(given)
        if narrowing.apart is not None and len(told) <= MAX_CALLS:
            # A limit as a value would have it planned anew each time.
            told += [row[0] for row in await self._fetch(sql(narrowing.apart, f" limit {MAX_CALLS + 1}"))]
        return list(set(told)) if len(told) <= MAX_CALLS else None

    async def newest_of_calls(
        self, message_class: MessageClass, narrowing: Narrowing, calls: Sequence[CallAt], most: int
    ) -> tuple[list[Candidate], bool] | None:
        """The newest rows of these calls, `most` or fewer, newest first, and whether these are all; None when
        the calls have too many to say which are the newest.
        """
        found = await self._fetch_again(newest_of_calls(message_class, narrowing, calls, most))
        if not found:
            return [], True
        total = found[0][-1]
        if total > MAX_SORTED_MESSAGES:
            return None
        first_us, last_us = narrowing.window
        rows = [Candidate(*row[:-1]) for row in found]
        return [row for row in rows if first_us <= row.time_us <= last_us], len(found) == total

    async def heads(
        self, message_class: MessageClass, narrowing: Narrowing, calls: Sequence[CallAt]
    ) -> list[Head] | None:
        """Where the rows of these calls are, newest first, or None when they are too many.

        Sorted here: an ORDER BY with LIMIT would tempt the planner onto the time index.
        """
        found = await self._fetch(
            of_calls("m.time_us, m.id, m.call", message_class, narrowing, calls, MAX_CALL_MESSAGES + 1)
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

    async def _fetch_again(self, statement: Sql) -> Sequence[Sequence[Any]]:
        """The same, if it was the last one too: a snapshot answers it as before.

        What belongs to a call is mostly looked for among the messages of that call alone.
        """
        asked = render(statement)
        if self._last is None or self._last[0] != asked:
            self._last = asked, await self._fetch(statement)
        return self._last[1]

    async def _fetch(self, statement: Sql) -> Sequence[Sequence[Any]]:
        words, values = render(statement)
        return await self._reading.fetch(words, *values, planned_once=statement.planned_once)


@asynccontextmanager
async def open_snapshot(
    engine: AsyncEngine, catalog: Catalog, statement_timeout_s: float
) -> AsyncIterator[Snapshot]:
    """A snapshot for one page; DatabaseError when there is none to be had."""
    async with read_only(engine, statement_timeout_s, _HELD, PLANNED_ONCE) as reading:
        yield Snapshot(reading, catalog)


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


def newest_of_calls(
    message_class: MessageClass, narrowing: Narrowing, calls: Sequence[CallAt], rows: int
) -> Sql:
    """The statement for the newest messages of these calls, also those outside of the window; each row ends
    with how many there are.

    They are gathered before they are sorted: an ORDER BY with LIMIT would tempt the planner onto the time
    index. Hardly a call goes on beyond the window, and without it the rules of a transaction, which have
    windows of their own, ask for the same calls in the same words.
    """
    buckets = narrowing.buckets
    narrowing = narrowing._replace(window=(buckets.lower_us, buckets.upper_us - 1))
    held = of_calls(CANDIDATE_COLUMNS, message_class, narrowing, calls, MAX_SORTED_MESSAGES + 1)
    return sql(
        *("with held as materialized (", held, ") select *, (select count(*) from held) from held"),
        f" order by time_us desc, id desc limit {rows}",
    )._replace(planned_once=True)


def of_calls(
    columns: str, message_class: MessageClass, narrowing: Narrowing, calls: Sequence[CallAt], rows: int
) -> Sql:
    """The statement for the messages of these calls, each once.

    Planned once for a group of buckets, whose bounds are numbers of ours instead of values: planning these
    partitions takes ten times as long as looking into them. Everything else is kept from the planner, which
    would begin with what it takes for few messages and go through the calls for each of them.
    """
    select = _select(columns, message_class)
    lower_us, upper_us = narrowing.buckets.lower_us, narrowing.buckets.upper_us
    where = [_pruned(lower_us, upper_us - 1)]
    if narrowing.untimed != TRUE:
        where.append(sql("coalesce(", narrowing.untimed, ", false)"))
    if all(place.bucket is not None for place in calls):
        # Each is looked for in the partition of its bucket alone. Without OFFSET the planner may go through
        # all messages while they are few, and look for the call of each.
        shown, of_call = _shown(calls, narrowing)
        found = sql("select m.* from ", shown, ", lateral (", select, " where ", all_of([of_call, *where]))
        return sql(found, f" offset 0) m limit {rows}")._replace(planned_once=True)
    found = sql(select, " where ", all_of([_of_any_bucket(calls, narrowing), *where]))
    return sql(found, f" limit {rows}")._replace(planned_once=True)


def _of_any_bucket(calls: Sequence[CallAt], narrowing: Narrowing) -> Sql:
    first_us, last_us = narrowing.window
    listed = sorted({place.call for place in calls})
    in_window = sql("m.time_us + 0 between ", number(first_us), " and ", number(last_us))
    of_call = sql("m.call = any (", numbers(listed), ")")
    return all_of([of_call, _rare(number(listed[0]), number(listed[-1])), in_window])


def _shown(calls: Sequence[CallAt], narrowing: Narrowing) -> tuple[Sql, Sql]:
    """Calls with the times of their buckets, as a table, and the condition for messages of one of them."""
    uppers, (first_us, last_us) = narrowing.buckets.uppers, narrowing.window
    lowers = [place.bucket for place in calls if place.bucket is not None]
    shown = sql(
        *("unnest(", numbers(place.call for place in calls), ", "),
        *(numbers(max(lower, first_us) for lower in lowers), ", "),
        *(numbers(min(uppers[lower] - 1, last_us) for lower in lowers), ")"),
        " as shown (call, first_us, last_us)",
    )
    in_bucket = _pruned("shown.first_us", "shown.last_us")
    return shown, all_of([sql("m.call = shown.call"), _rare("shown.call", "shown.call"), in_bucket])


def _rare(first: Part, last: Part) -> Sql:
    """What holds anyway of calls between these, so that the planner takes messages of one for very few.

    Of a new partition, whose values nobody has counted, it would take them for one in two hundred, and go
    through all messages of a time, or combine indexes, to find these.
    """
    return sql("m.call between ", first, " and ", last)


def _pruned(first_us: int | str, last_us: int | str) -> Sql:
    """`m.time_us` between both, put so that partitions are told by it, but no message is looked up by it."""
    return sql(
        f"(m.time_us > {first_us} or m.time_us = {first_us})"
        f" and (m.time_us < {last_us} or m.time_us = {last_us})"
    )


def probe(calls: Sql) -> Sql:
    """The statement that finds out how many calls there are."""
    # A number of ours: of a value the planner would think that a few rows will do, and read all for them.
    return sql(calls, f" limit {MAX_CALL_KEYS}")._replace(planned_once=calls.planned_once)


def _select(columns: str, message_class: MessageClass) -> str:
    return f"select {columns} from {messages_table(message_class)} m"  # noqa: S608 (names of our own)
