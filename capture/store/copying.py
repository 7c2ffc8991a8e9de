"""COPY into a leaf's two tables: all rows at once, or without the few that PostgreSQL refuses."""

from collections.abc import Callable, Mapping, Sequence

from capture.errors import BatchRefused
from capture.row import encode_key
from capture.store.columns import KEY_COLUMNS, KEY_TEXT_COLUMNS, MESSAGE_COLUMNS
from capture.store.connection import Connection, RowsRefused
from capture.store.partitions import Leaf

MOST_REFUSED = 10
"""More bad rows in one batch are our fault, not theirs."""


class CopyOnce:
    """Every row is good, or the transaction fails with RowsRefused."""

    refused_messages = 0

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.refused_of: dict[Leaf, int] = {}

    async def copy_keys(self, leaf: Leaf, rows: Sequence[bytes], calls: Sequence[int]) -> None:
        await copy_all(self._connection, leaf.keys_table, KEY_COLUMNS, rows)

    async def copy_messages(self, leaf: Leaf, rows: Sequence[bytes], origins: Sequence[int]) -> None:
        await copy_all(self._connection, leaf.messages_table, MESSAGE_COLUMNS, rows)

    def tell_refused(self) -> None:
        """There is nothing to tell."""


class CopyWithout:
    """Leaves bad rows out, found by halving within savepoints; BatchRefused when there are too many.

    A key row that is refused is replaced by a marked one, a candidate for every key condition: its call's
    messages can still be found.
    """

    def __init__(self, connection: Connection, on_refused: Callable[[Leaf, int, str], None]) -> None:
        self._connection = connection
        self._on_refused = on_refused
        self._refused = 0
        self._untold: list[tuple[Leaf, int, str]] = []
        self.refused_of: dict[Leaf, int] = {}
        """How many messages of each leaf."""

    @property
    def refused_messages(self) -> int:
        return len(self._untold)

    async def copy_keys(self, leaf: Leaf, rows: Sequence[bytes], calls: Sequence[int]) -> None:
        refused = await self._find_bad(leaf.keys_table, KEY_COLUMNS, rows)
        await copy_all(self._connection, leaf.keys_table, KEY_COLUMNS, _without(rows, refused))
        marked = [marked_key(leaf.lower_us, calls[index]) for index in refused]
        await copy_all(self._connection, leaf.keys_table, KEY_COLUMNS, marked)

    async def copy_messages(self, leaf: Leaf, rows: Sequence[bytes], origins: Sequence[int]) -> None:
        refused = await self._find_bad(leaf.messages_table, MESSAGE_COLUMNS, rows)
        await copy_all(self._connection, leaf.messages_table, MESSAGE_COLUMNS, _without(rows, refused))
        self.refused_of[leaf] = len(refused)
        self._untold += [(leaf, origins[index], words) for index, words in refused.items()]

    def tell_refused(self) -> None:
        """To be called once nothing but COMMIT is left: of a batch that is rolled back nothing has failed."""
        for leaf, origin, words in self._untold:
            self._on_refused(leaf, origin, words)

    async def _find_bad(self, table: str, columns: Sequence[str], rows: Sequence[bytes]) -> dict[int, str]:
        """The indexes of the bad rows, with PostgreSQL's words; none of the others stays either.

        What is copied within a savepoint is marked as of another transaction than the batch's, and what
        `announce` says of that would not find it.
        """
        refused: dict[int, str] = {}
        pending = [(0, len(rows))]
        while pending:
            lower, upper = pending.pop()
            error = await self._try(table, columns, rows[lower:upper])
            if error is None:
                continue
            if upper - lower > 1:
                middle = (lower + upper) // 2
                pending += [(middle, upper), (lower, middle)]
                continue
            refused[lower] = str(error)
            self._refused += 1
            if self._refused > MOST_REFUSED:
                raise BatchRefused(f"more than {MOST_REFUSED} rows refused, the last: {error}") from error
        return refused

    async def _try(self, table: str, columns: Sequence[str], rows: Sequence[bytes]) -> RowsRefused | None:
        await self._connection.execute("savepoint rows")
        refused = None
        try:
            await copy_all(self._connection, table, columns, rows)
        except RowsRefused as error:
            refused = error
        # Rolled back to it is still there, and all that comes would be within it.
        await self._connection.execute("rollback to savepoint rows; release savepoint rows")
        return refused


def _without(rows: Sequence[bytes], indexes: Mapping[int, str]) -> Sequence[bytes]:
    return [row for index, row in enumerate(rows) if index not in indexes]


async def copy_all(connection: Connection, table: str, columns: Sequence[str], rows: Sequence[bytes]) -> None:
    """COPY rows, if there are any; BatchRefused when PostgreSQL saw another number of rows in their bytes."""
    if not rows:
        return
    taken = await connection.copy(table, columns, rows)
    if taken != len(rows):
        raise BatchRefused(f"{len(rows)} rows were sent to {table}, and {taken} came in")


def marked_key(bucket: int, call: int) -> bytes:
    """The key row of a call of which a value could not be stored."""
    return encode_key(bucket, call, [None] * len(KEY_TEXT_COLUMNS), None, None, cut=True)
