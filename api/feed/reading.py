"""The messages of announced transactions, read from the database in slices.

Cheap by the index of (time, id): a transaction's messages lie between two times, and among those of other
transactions in between they are told by `xmin`.
"""

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import NamedTuple

from api.database import Reading
from api.search.candidate import CANDIDATE_COLUMNS, Candidate
from capture.route import MessageClass
from capture.store.announce import Stored
from capture.store.columns import messages_table

SLICE_ROWS = 500


class Stretch(NamedTuple):
    """Announcements of one class whose times overlap: read as one."""

    message_class: MessageClass
    first_us: int
    last_us: int
    xids: tuple[int, ...]
    rows: int


def stretches_of(announced: Iterable[Stored]) -> Iterator[Stretch]:
    """All announcements, each in one stretch."""
    by_class: dict[MessageClass, list[Stored]] = {}
    for stored in announced:
        by_class.setdefault(stored.message_class, []).append(stored)
    for message_class, parts in by_class.items():
        parts.sort(key=lambda part: part.first_us)
        stretch: Stretch | None = None
        for part in parts:
            alone = Stretch(message_class, part.first_us, part.last_us, (part.xid,), part.rows)
            if stretch is None:
                stretch = alone
            elif part.first_us <= stretch.last_us:
                stretch = _joined(stretch, alone)
            else:
                yield stretch
                stretch = alone
        if stretch is not None:
            yield stretch


def _joined(one: Stretch, other: Stretch) -> Stretch:
    return Stretch(
        one.message_class,
        one.first_us,
        max(one.last_us, other.last_us),
        (*one.xids, *other.xids),
        one.rows + other.rows,
    )


async def slices_of(reading: Reading, stretch: Stretch) -> AsyncIterator[list[Candidate]]:
    """Its messages, oldest first, some at a time."""
    statement = (
        f"select {CANDIDATE_COLUMNS} from {messages_table(stretch.message_class)} m"  # noqa: S608 (own names)
        " where m.time_us between $1 and $2 and (m.time_us, m.id) > ($1, $3) and m.xmin = any ($4::xid[])"
        f" order by m.time_us, m.id limit {SLICE_ROWS}"
    )
    time_us, id_ = stretch.first_us, 0
    while True:
        rows = await reading.fetch(statement, time_us, stretch.last_us, id_, list(stretch.xids))
        found = [Candidate(*row) for row in rows]
        if found:
            yield found
        if len(found) < SLICE_ROWS:
            return
        time_us, id_ = found[-1].time_us, found[-1].id
