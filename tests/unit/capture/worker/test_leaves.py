"""The partitions that a worker writes to, by a writer that only says what it is asked."""

import asyncio
from collections.abc import Coroutine
from typing import Any, cast

import pytest

from capture.errors import DatabaseAway, PartitionMissing, StoreError
from capture.journal.figures import WorkerFigure
from capture.mark import MARK, PacketMark
from capture.route import MessageClass
from capture.store.bridge import LoopThread
from capture.store.partitions import Leaf, PartitionMap
from capture.store.writer import Writer
from capture.worker.leaves import Leaves

CALL = MessageClass.CALL
HERE = 3 << 32 | 64
"""The packet that is dealt with."""


class Loop:
    """In place of a loop in a thread."""

    def call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run(coroutine)


class Database:
    """In place of a writer: leaves of a second each, made when they are asked for."""

    def __init__(self, words: list[int]) -> None:
        self.asked: list[object] = []
        self.marks: list[int] = []
        """The mark at each question."""
        self.error: StoreError | None = None
        self._words = words
        self._leaves: list[Leaf] = []

    async def read_partitions(self) -> PartitionMap:
        self._note("read")
        return PartitionMap(self._leaves)

    async def cover(self, message_class: MessageClass, time_us: int) -> Leaf:
        leaf = Leaf(message_class, len(self._leaves) + 1, time_us, time_us + 1_000_000)
        self._note(("cover", time_us))
        self._leaves.append(leaf)
        return leaf

    async def cover_ahead(self, now_us: int) -> list[Leaf]:
        self._note("ahead")
        return []

    async def note_keying(self, leaf: Leaf, version: int) -> None:
        self._note((leaf.number, version))

    def _note(self, asked: object) -> None:
        self.asked.append(asked)
        self.marks.append(self._words[MARK])
        if self.error is not None:
            raise self.error


@pytest.fixture
def words() -> list[int]:
    return [0] * len(WorkerFigure)


@pytest.fixture
def database(words: list[int]) -> Database:
    return Database(words)


@pytest.fixture
def leaves(words: list[int], database: Database) -> Leaves:
    made = Leaves(cast(LoopThread, Loop()), cast(Writer, database), PacketMark(words), 7)
    database.asked.clear()
    database.marks.clear()
    words[MARK] = HERE
    return made


def test_leaf_is_made_once_and_noted_before_its_first_row(leaves: Leaves, database: Database) -> None:
    first = leaves.find(CALL, 5)

    assert database.asked == [("cover", 5), "read", (1, 7)]
    assert leaves.find(CALL, 6) == leaves.find(CALL, 5) == first
    assert len(database.asked) == 3


def test_leaf_that_another_worker_has_made_is_noted_too(words: list[int], database: Database) -> None:
    made = asyncio.run(database.cover(CALL, 5))
    leaves = Leaves(cast(LoopThread, Loop()), cast(Writer, database), PacketMark(words), 7)
    database.asked.clear()

    assert [leaves.find(CALL, 5), leaves.find(CALL, 5)] == [made, made]
    assert database.asked == [(1, 7)]


def test_packet_is_not_blamed_for_what_happens_while_the_database_is_asked(
    leaves: Leaves, database: Database, words: list[int]
) -> None:
    leaves.find(CALL, 5)

    assert set(database.marks) == {0}
    assert words[MARK] == HERE


def test_partitions_ahead_are_a_convenience_but_not_without_a_database(
    leaves: Leaves, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    database.error = PartitionMissing("a foreign table is in the way")
    leaves.cover_ahead()
    database.error = DatabaseAway("gone")

    with pytest.raises(DatabaseAway):
        leaves.cover_ahead()
    assert "partitions could not be made ahead of time: a foreign table is in the way" in caplog.text
