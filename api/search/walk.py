"""One class walked from the newest candidate to the oldest, until enough match.

Buckets are asked in groups. Where few calls can match, their messages are looked up by call; otherwise the
rows are walked by time in slices. Near candidates are decided here, a few ms at a time; a search that goes on
and finds little is a long scan, and a scanner process decides while the next slice is fetched.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from time import perf_counter

from api.search.buckets import CALL_GROUP, MAX_GROUP, Buckets, grouped
from api.search.candidate import Candidate
from api.search.decide import Found, Judge
from api.search.narrow import Narrowing, narrow
from api.search.query import And, Condition, Expression, Operator, Or, Position, Query
from api.search.scanner import Task
from api.search.scanners import ScannerGone, Scanners
from api.search.snapshot import CallAt, Head, Snapshot
from capture.route import MessageClass
from capture.store.codec import PayloadCodec

SLICE_S = 0.003
"""Decoding for so long, then others have their turn."""
NEAR_ROWS = 4000
"""Candidates decided here before a search that finds fewer than one in four becomes a long scan."""
FIRST_ROWS, MOST_ROWS = 256, 4096
SPARE_ROWS = 8
SPARE_CALL_ROWS = 20
LONG_CHARS = 6
"""So much of a number's beginning is no whole country or area."""
_WILDCARD = re.compile("[%_]")
_CALL_FIELDS = frozenset(["sid", "call_id", "correlation_id"])
SLICE_BYTES = 4 * 1024 * 1024
"""Stored payload fetched at once, as far as the slice before tells; two such slices are held."""
HELD_BYTES = 128 * 1024 * 1024
"""Payload of the matches of one session: past that its walks end as if their limit were reached."""


class Payloads:
    """The payload codec of this process, with every dictionary that was met, also for other processes."""

    def __init__(self) -> None:
        self.codec = PayloadCodec()
        self.dictionaries: dict[int, bytes] = {}

    async def learn(self, snapshot: Snapshot, rows: Sequence[Candidate]) -> None:
        """Ask the database for the dictionaries of these rows that are not known yet."""
        unknown = {row.raw_codec for row in rows if not self.codec.knows(row.raw_codec)}
        if unknown:
            self._add(await snapshot.dictionaries(unknown))

    def _add(self, dictionaries: Mapping[int, bytes]) -> None:
        for number, content in dictionaries.items():
            self.codec.add(number, content)
            self.dictionaries[number] = content


class Held:
    """What all walks of a session have found so far, each message once, and how much payload that is."""

    def __init__(self, most: int = HELD_BYTES) -> None:
        self._room = most
        self._found: dict[tuple[MessageClass, int], Found] = {}

    def of(self, message_class: MessageClass, number: int) -> Found | None:
        """A message that has been found and could be read, by its id."""
        found = self._found.get((message_class, number))
        return found if found is not None and found.note is None else None

    def keep(self, found: Found) -> Found:
        """The message, as it is held already if another walk has found it too."""
        stored = found.stored
        held = self._found.setdefault((stored.message_class, stored.id), found)
        if held is found:
            self._room -= len(stored.payload)
        return held

    @property
    def is_full(self) -> bool:
        """Whether it is more than there was room for."""
        return self._room < 0


class Walk:
    """The way of one query through one class."""

    def __init__(
        self,
        snapshot: Snapshot,
        query: Query,
        buckets: Sequence[Buckets],
        *,
        payloads: Payloads,
        scanners: Scanners,
        held: Held,
        custom_headers: Sequence[str] = (),
        after: Position | None = None,
        node: str = "",
        first_group: int = 1,
    ) -> None:
        self._snapshot = snapshot
        self._query = query
        self._buckets = buckets
        self._payloads = payloads
        self._scanners = scanners
        self._held = held
        self._node = node
        # What names a value is likely to ask for few rows, wherever they are.
        self._first_group = max(first_group, _likely_group(query.where))
        self._task = Task(query.message_class, query.where, tuple(custom_headers))
        self._judge = Judge(query.message_class, query.where, custom_headers, payloads.codec)
        self._rows = FIRST_ROWS
        self._wanted = FIRST_ROWS
        self._decided = 0
        self.found: list[Found] = []
        """Newest first."""
        self.reached = after
        """The last candidate decided on, wherever the walk is broken off: what matches down to it is in
        `found`, and nothing behind it. Not kept up once the walk is full."""
        self.full = False
        """More may match than was wanted or could be held."""

    async def run(self, wanted: int) -> None:
        """Walk until `wanted` matches are found or nothing is left."""
        self._wanted = wanted
        async with aclosing(self._slices()) as slices:
            async for rows in slices:
                await self._payloads.learn(self._snapshot, rows)
                await self._decide(rows, wanted)
                if self.full:
                    return
                self._reach(rows[-1])
                if self._decided >= NEAR_ROWS > 4 * len(self.found):
                    await self._scan(slices, wanted)
                    return

    async def _decide(self, rows: Sequence[Candidate], wanted: int) -> None:
        since = perf_counter()
        message_class = self._query.message_class
        for row in rows:
            # The look-ups of a transaction find the same messages again.
            held = self._held.of(message_class, row.id)
            found = self._judge.find(row) if held is None else self._judge.fits(held)
            if found is not None:
                self.found.append(self._held.keep(found) if held is None else held)
                if len(self.found) >= wanted or self._held.is_full:
                    self.full = True
                    return
            if perf_counter() - since > SLICE_S:
                self._reach(row)
                await asyncio.sleep(0)
                since = perf_counter()
        self._decided += len(rows)

    def _reach(self, row: Candidate) -> None:
        self.reached = Position(row.time_us, row.id, self._node)

    async def _scan(self, slices: AsyncGenerator[list[Candidate], None], wanted: int) -> None:
        """The rest of the way with a scanner process, which decides while the next slice is fetched."""
        asked: tuple[list[Candidate], asyncio.Task[list[int]]] | None = None
        async with self._scanners.borrow() as scanner:
            try:
                async for rows in slices:
                    await self._payloads.learn(self._snapshot, rows)
                    if asked is not None:
                        await self._take(*asked, wanted)
                        if self.full:
                            return
                    places = scanner.places(self._task, rows, self._payloads.dictionaries)
                    asked = rows, asyncio.create_task(places)
                if asked is not None:
                    await self._take(*asked, wanted)
            finally:
                if asked is not None:
                    asked[1].cancel()
                    await asyncio.gather(asked[1], return_exceptions=True)

    async def _take(self, rows: list[Candidate], answer: asyncio.Task[list[int]], wanted: int) -> None:
        try:
            likely = [rows[place] for place in await answer]
        except ScannerGone:
            likely = rows
        await self._decide(likely, wanted)
        if not self.full:
            self._reach(rows[-1])

    async def _slices(self) -> AsyncGenerator[list[Candidate], None]:
        """Candidates, newest first."""
        groups = list(grouped(self._buckets, self._first_group))
        while groups:
            group = groups.pop(0)
            if self.reached is not None and group.lower_us > self.reached.time_us:
                continue
            narrowing = narrow(self._query, group)
            calls = await self._snapshot.few_calls(narrowing)
            if calls is None and self._first_group > 1 < len(group.lowers):
                # Many, so that the newest are likely to do.
                self._first_group = 1
                ahead = [bucket for bucket in self._buckets if bucket.lower_us < group.upper_us]
                groups = list(grouped(ahead))
                continue
            parts = self._by_time(narrowing) if calls is None else self._by_calls(narrowing, calls)
            async with aclosing(parts):
                async for rows in parts:
                    self._resize(rows)
                    yield rows

    async def _by_calls(
        self, narrowing: Narrowing, calls: Sequence[CallAt]
    ) -> AsyncGenerator[list[Candidate], None]:
        """The rows of these calls: the newest at once, the others from where they are; by time when they are
        too many.
        """
        if not calls:
            return
        message_class, before = self._query.message_class, self.reached
        # Nearly all messages of such calls match, and each row that nobody asks for costs as it comes.
        most = min(FIRST_ROWS, self._wanted + max(SPARE_CALL_ROWS, self._wanted // 10))
        found = await self._snapshot.newest_of_calls(message_class, narrowing, calls, most)
        if found is not None:
            rows, are_all = found
            rest = [row for row in rows if _is_ahead(row, before)]
            if rest:
                yield rest
                # A long scan has not decided on them yet as it asks for more.
                before = Position(rest[-1].time_us, rest[-1].id)
            if are_all:
                return
        heads = await self._snapshot.heads(message_class, narrowing, calls)
        parts = self._by_time(narrowing) if heads is None else self._by_heads(heads, before)
        async with aclosing(parts):
            async for rows in parts:
                yield rows

    async def _by_heads(
        self, heads: Sequence[Head], before: Position | None
    ) -> AsyncGenerator[list[Candidate], None]:
        rest = [head for head in heads if _is_ahead(head, before)]
        start = 0
        while start < len(rest):
            end = start + self._slice_rows()
            yield await self._snapshot.by_heads(self._query.message_class, rest[start:end])
            start = end

    async def _by_time(self, narrowing: Narrowing) -> AsyncGenerator[list[Candidate], None]:
        before = self.reached
        while True:
            asked = self._slice_rows()
            rows = await self._snapshot.by_time(self._query.message_class, narrowing, before, asked)
            if rows:
                before = Position(rows[-1].time_us, rows[-1].id)
                yield rows
            if len(rows) < asked:
                return

    def _slice_rows(self) -> int:
        """How many candidates to ask for now: where most of them match, hardly more than are missing."""
        if not self._decided:
            return min(self._rows, self._wanted)
        share = len(self.found) / self._decided
        if share < 0.25:
            return self._rows
        return min(self._rows, SPARE_ROWS + int(1.2 * (self._wanted - len(self.found)) / share))

    def _resize(self, rows: Sequence[Candidate]) -> None:
        """The next slice is larger, as far as its payloads are likely to fit."""
        mean_bytes = sum(len(row.raw) for row in rows) // len(rows) + 1
        self._rows = max(1, min(2 * self._rows, MOST_ROWS, SLICE_BYTES // mean_bytes))


def _is_ahead(place: Candidate | Head, before: Position | None) -> bool:
    return before is None or (place.time_us, place.id) < (before.time_us, before.id)


def _likely_group(expression: Expression) -> int:
    """How many buckets to ask at once."""
    if _names_calls(expression):
        return CALL_GROUP
    return MAX_GROUP if _names_a_value(expression) else 1


def _names_calls(expression: Expression) -> bool:
    """Whether all matches are of a few calls that the question names."""
    match expression:
        case Condition(field=field, operator=Operator.EQUAL, values=values):
            return field in _CALL_FIELDS and all(isinstance(value, str) for value in values)
        case And(parts=parts):
            return any(map(_names_calls, parts))
        case Or(parts=parts):
            return bool(parts) and all(map(_names_calls, parts))
        case _:
            return False


def _names_a_value(expression: Expression) -> bool:
    """Whether all matches have one value of a field, given whole or by a long beginning."""
    match expression:
        case Condition(operator=Operator.EQUAL, values=values):
            return any(isinstance(value, str) for value in values)
        case Condition(operator=Operator.LIKE, values=values):
            return all(_is_long_beginning(str(value)) for value in values)
        case And(parts=parts):
            return any(map(_names_a_value, parts))
        case _:
            return False


def _is_long_beginning(pattern: str) -> bool:
    return len(_WILDCARD.split(pattern, 1)[0]) >= LONG_CHARS
