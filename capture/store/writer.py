"""The writer: batches of encoded rows into leaf tables, and the journal position that commits with them.

What makes every packet stored exactly once is the last statement of a batch: the position moves only from
where the batch began, its row count is seen before COMMIT is sent, and rows and position commit together or
not at all.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple
from uuid import UUID

import msgspec

from capture.errors import DatabaseAway, PositionMoved
from capture.journal.record import Position
from capture.route import MessageClass
from capture.settings import RetentionSettings, StorageSettings
from capture.stats import WORKER_OUTCOMES, Outcome
from capture.steady_clock import CLOCK
from capture.store import announce, dictionaries, rotate, script_fields
from capture.store.batch import Batch
from capture.store.codec import Dictionary
from capture.store.connection import Connection, RowsRefused
from capture.store.copying import CopyOnce, CopyWithout
from capture.store.expiry import KeptSince, kept_since
from capture.store.partitions import HOUR_US, Leaf, PartitionMap, leaves_of
from capture.store.retention import agreed_now_us
from capture.store.schema import check_schema

_OUTCOMES = [outcome.name.lower() for outcome in WORKER_OUTCOMES]
_WRITTEN = WORKER_OUTCOMES.index(Outcome.WRITTEN)
_FAILED = WORKER_OUTCOMES.index(Outcome.FAILED)

_LOAD = f"""
select segment, byte_offset, number, {", ".join(_OUTCOMES)}
from journal_position where journal = $1 for update
"""  # noqa: S608 # column names of our own
_BEGIN = """
insert into journal_position (journal, place, segment, byte_offset, number) values ($1, $2, $3, $4, $5)
on conflict (journal) do nothing
"""
_MOVE = f"""
with told as materialized (
    select count(pg_notify('{announce.CHANNEL}', pg_current_xact_id()::xid || ' ' || line)::text)
    from unnest(${7 + len(_OUTCOMES)}::text[]) as line
)
update journal_position
set segment = $4, byte_offset = $5, number = $6, updated_at = now(),
    {", ".join(f"{name} = {name} + ${index}" for index, name in enumerate(_OUTCOMES, 7))}
from told where journal = $1 and segment = $2 and byte_offset = $3
"""  # noqa: S608 # column names of our own


class StoredPosition(NamedTuple):
    """Where a journal's next batch begins, and what its records have come to so far."""

    position: Position | None
    """None: the database does not know this journal."""
    outcomes: list[int]


OnRefused = Callable[[Leaf, int, str], None]
"""Called for each refused message, before COMMIT, with leaf, origin and PostgreSQL's words."""


class Writer:
    """Two connections: one for batches, one for partitions and all that must be committed before a batch.

    Every method may raise DatabaseAway: then `connect` again and go on from `load_position`.
    """

    def __init__(
        self, database_url: str, storage: StorageSettings, clock_us: Callable[[], int] = CLOCK.now_us
    ) -> None:
        self._url = database_url
        self._step_us = storage.partition_hours * HOUR_US
        self._clock_us = clock_us
        self._batches: Connection | None = None
        self._partitions: Connection | None = None

    async def connect(self) -> None:
        """Open what is not open. SchemaMismatch when this code may not use the database."""
        if self._batches is None or self._batches.closed:
            self._batches = await Connection.open(self._url, {"synchronous_commit": "off"})
            await check_schema(self._batches)
        if self._partitions is None or self._partitions.closed:
            self._partitions = await Connection.open(self._url)

    async def close(self) -> None:
        for connection in (self._batches, self._partitions):
            if connection is not None:
                await connection.close()
        self._batches = self._partitions = None

    def check(self) -> None:
        """DatabaseAway when a connection is known to be lost; asks nobody, and any thread may call it."""
        _open(self._batches)
        _open(self._partitions)

    async def load_position(self, journal: UUID, place: str) -> StoredPosition:
        """Where to go on, and note `place` (host and directory, for people).

        Waits for the row's lock, for a dead predecessor's commit may still be under way.
        """
        connection = _open(self._batches)
        async with connection.transaction():
            rows = await connection.fetch(tuple[int, ...], _LOAD, journal)
            await connection.execute(
                "update journal_position set place = $2 where journal = $1 and place <> $2", journal, place
            )
        if not rows:
            return StoredPosition(None, [0] * len(_OUTCOMES))
        segment, byte_offset, number, *outcomes = rows[0]
        return StoredPosition(Position(segment, byte_offset, number), outcomes)

    async def begin_journal(self, journal: UUID, place: str, position: Position) -> None:
        """Make an unknown journal known, at `position`. PositionMoved when another has done so meanwhile."""
        tag = await _open(self._batches).execute(_BEGIN, journal, place, *position)
        if tag != "INSERT 0 1":
            raise PositionMoved(f"journal {journal} is known already")

    async def commit(self, batch: Batch, on_refused: OnRefused) -> int:
        """Store a batch and move the position; the number of refused messages, counted failed.

        PositionMoved, PartitionMissing, BatchRefused, DatabaseAway: nothing of the batch is stored. After
        DatabaseAway alone it may be all the same, when only the answer was lost: the stored position tells.
        """
        connection = _open(self._batches)
        try:
            return await _commit(connection, batch, CopyOnce(connection))
        except RowsRefused:
            # Again from the start: savepoints in every batch would slow them all for the sake of this one.
            return await _commit(connection, batch, CopyWithout(connection, on_refused))

    async def read_partitions(self) -> PartitionMap:
        """The leaves that can be written to now."""
        return PartitionMap(leaves_of(await rotate.read_catalog(_open(self._partitions))))

    async def cover(self, message_class: MessageClass, time_us: int) -> Leaf:
        """The leaf that takes `time_us`, made when it is missing."""
        return await rotate.cover(
            _open(self._partitions), message_class, time_us, now_us=self._clock_us(), step_us=self._step_us
        )

    async def kept_since(self, retention: RetentionSettings) -> KeptSince:
        """What each class keeps now, by the earlier of our clock and the database's."""
        return kept_since(retention, await agreed_now_us(_open(self._partitions), self._clock_us()))

    async def cover_ahead(self, now_us: int) -> list[Leaf]:
        """Make the leaves that classes with a packet in the last day will need within half an hour."""
        return await rotate.cover_ahead(_open(self._partitions), now_us=now_us, step_us=self._step_us)

    async def keying_version(self, rules: Mapping[str, int]) -> int:
        """The number of the version that keys by exactly these rules."""
        document = msgspec.json.encode(rules, order="sorted").decode()
        return await _get_or_create(
            _open(self._partitions),
            "select version from keying where rules = $1::jsonb",
            "insert into keying (rules) values ($1::jsonb) on conflict (rules) do nothing returning version",
            document,
        )

    async def note_keying(self, leaf: Leaf, version: int) -> None:
        """Note, before the first row goes into a leaf, by which version its keys are made."""
        await _open(self._partitions).execute(
            "insert into leaf_keying (message_class, leaf, version) values ($1, $2, $3)"
            " on conflict do nothing",
            leaf.message_class.key,
            leaf.number,
            version,
        )

    async def script_fields(self) -> frozenset[str]:
        """The names of all headers and tags that filter scripts have set."""
        return await script_fields.known(_open(self._partitions))

    async def note_script_fields(self, names: Iterable[str]) -> frozenset[str]:
        """Note such names before the first row that has one; all names that are noted now.

        Beyond `script_fields.MOST_NAMES` none is: what is missing in the answer is refused.
        """
        return await script_fields.note(_open(self._partitions), names)

    async def dictionary(self) -> Dictionary:
        """The dictionary to compress with, committed when this returns."""
        return await dictionaries.dictionary_to_write_with(_open(self._partitions))

    async def training_standing(self, enough: int) -> dictionaries.Standing:
        """What there is to know about training, `enough` SIP messages being enough to begin with."""
        return await dictionaries.standing(_open(self._partitions), enough)


def _open(connection: Connection | None) -> Connection:
    if connection is None or connection.closed:
        raise DatabaseAway("not connected to the database")
    return connection


async def _commit(connection: Connection, batch: Batch, rows: CopyOnce | CopyWithout) -> int:
    async with connection.transaction():
        if batch.synchronous:
            await connection.execute("set local synchronous_commit = on")
        for leaf, of_leaf in batch.leaves.items():
            await rows.copy_keys(leaf, of_leaf.keys, of_leaf.key_calls)
        for leaf, of_leaf in batch.leaves.items():
            await rows.copy_messages(leaf, of_leaf.messages, of_leaf.origins)
        await _move_position(connection, batch, rows)
        rows.tell_refused()
    return rows.refused_messages


async def _move_position(connection: Connection, batch: Batch, rows: CopyOnce | CopyWithout) -> None:
    """And have the batch announced once it is committed, without a round trip more."""
    outcomes = list(batch.outcomes)
    outcomes[_WRITTEN] -= rows.refused_messages
    outcomes[_FAILED] += rows.refused_messages
    start, end = batch.start, batch.end
    tag = await connection.execute(
        _MOVE,
        *(batch.journal, start.segment, start.offset, end.segment, end.offset, end.number, *outcomes),
        announce.lines_of(batch.leaves, rows.refused_of),
    )
    if tag != "UPDATE 1":
        raise PositionMoved(f"journal {batch.journal} is no longer at {start.segment}:{start.offset}")


async def _get_or_create(connection: Connection, select: str, insert: str, value: object) -> int:
    """Look first: an insert that conflicts uses up a number all the same."""
    for query in (select, insert, select):
        if rows := await connection.fetch(tuple[int], query, value):
            return rows[0][0]
    raise DatabaseAway("a row that was there has gone")
