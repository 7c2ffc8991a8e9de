"""What a batch tells of itself when it commits: which transaction has stored how much, and from when to when.

PostgreSQL hands a notice to whoever listens in the order of commits, once, and only if the transaction has
committed. So a listener that looks for the rows of just that transaction finds each of them once, however
late they are, whatever their partition. Ids would not do: they come from a sequence of which each connection
takes a hundred at a time, and say nothing of the order of commits. It costs the batch no round trip, and some
0.1 µs a message. Values only; knows nothing of connections.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from capture.route import MessageClass
from capture.store.batch import LeafRows
from capture.store.partitions import Leaf

CHANNEL = "rhapsode_stored"
MOST_IN_NOTICE = 100
"""Leaves in one notice: PostgreSQL takes 8,000 bytes, and each of them has some sixty."""
_TIME = slice(6, 14)
"""Where an encoded row has `time_us`, its first column: behind the number of columns and its own length."""


class Stored(NamedTuple):
    """Messages of one class that one transaction has stored."""

    message_class: MessageClass
    xid: int
    """The transaction: `xmin` of each row."""
    first_us: int
    last_us: int
    """The earliest and the latest capture time."""
    rows: int


def lines_of(leaves: Mapping[Leaf, LeafRows], refused: Mapping[Leaf, int]) -> list[str]:
    """The notices of a batch, without its transaction, which PostgreSQL puts before them."""
    parts = [
        f"{leaf.message_class.key} {_time(min(times))} {_time(max(times))} {rows}"
        for leaf, of_leaf in leaves.items()
        if (rows := len(of_leaf.messages) - refused.get(leaf, 0))
        and (times := [row[_TIME] for row in of_leaf.messages])
    ]
    return [";".join(parts[start : start + MOST_IN_NOTICE]) for start in range(0, len(parts), MOST_IN_NOTICE)]


def read_notice(payload: str) -> Iterator[Stored]:
    """What a notice says; ValueError when it is none of ours."""
    xid, _, parts = payload.partition(" ")
    for part in parts.split(";"):
        key, first_us, last_us, rows = part.split(" ")
        yield Stored(MessageClass(key), int(xid), int(first_us), int(last_us), int(rows))


def _time(encoded: bytes) -> int:
    return int.from_bytes(encoded, "big", signed=True)
