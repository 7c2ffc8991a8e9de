"""Partitions as values: the bounds that the catalog tells, which leaf takes a time, where a new one goes.

Bounds come from the catalog, never from arithmetic: the step counts only for times that nothing covers yet.
All ranges are half-open, in microseconds since the Unix epoch. Pure: no connection, no clock.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from capture.route import MessageClass

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
MONTHLY_AFTER_US = 60 * DAY_US
"""Times older than this get a partition of a whole month: stray old packets must not make thousands."""

LOWEST_US, HIGHEST_US = -(2**63), 2**63 - 1
"""What MINVALUE and MAXVALUE stand for."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BOUND = re.compile(r"FOR VALUES FROM \((?P<lower>[^)]+)\) TO \((?P<upper>[^)]+)\)")
_LEAF_NAME = re.compile(r"(?P<kind>messages|keys)_(?P<key>\d+_[a-z]+)_p(?P<number>\d+)")


class Bounds(NamedTuple):
    """A half-open range of capture times."""

    lower_us: int
    upper_us: int


@dataclass(frozen=True, slots=True)
class Leaf:
    """A pair of leaf tables, messages and keys, of one class and one range of time: a bucket."""

    message_class: MessageClass
    number: int
    """Never used twice: a bucket dropped and made again is another leaf."""
    lower_us: int
    """Also the value of `bucket` in its key rows."""
    upper_us: int

    def __hash__(self) -> int:
        return self.number

    @property
    def messages_table(self) -> str:
        return f"messages_{self.message_class.key}_p{self.number}"

    @property
    def keys_table(self) -> str:
        return f"keys_{self.message_class.key}_p{self.number}"

    @property
    def tables(self) -> tuple[str, str]:
        return self.messages_table, self.keys_table


class LeafName(NamedTuple):
    """What the name of a leaf table says."""

    kind: str
    """`messages` or `keys`."""
    key: str
    """Of the class."""
    number: int


class CatalogEntry(NamedTuple):
    """A partition of a messages or keys table as the catalog tells it."""

    parent: str
    name: str
    bound: str | None
    """`pg_get_expr(relpartbound, oid)`; None when the partition was dropped while the catalog was read."""
    detaching: bool
    """A concurrent detach has begun and not ended: it takes up its range, and takes no more rows."""


class PartitionMap:
    """Which leaf takes a time, for every class. Never changes: read the catalog again for another."""

    def __init__(self, leaves: Iterable[Leaf] = ()) -> None:
        by_class: dict[MessageClass, list[Leaf]] = {message_class: [] for message_class in MessageClass}
        for leaf in sorted(leaves, key=lambda leaf: leaf.lower_us):
            by_class[leaf.message_class].append(leaf)
        self._leaves = by_class
        self._lowers = {c: [leaf.lower_us for leaf in leaves] for c, leaves in by_class.items()}

    def find(self, message_class: MessageClass, time_us: int) -> Leaf | None:
        """The leaf that takes `time_us`, or None when there is none yet."""
        index = bisect_right(self._lowers[message_class], time_us) - 1
        if index < 0:
            return None
        leaf = self._leaves[message_class][index]
        return leaf if time_us < leaf.upper_us else None

    def leaves(self, message_class: MessageClass) -> Sequence[Leaf]:
        """All leaves of a class, oldest first."""
        return tuple(self._leaves[message_class])

    def with_leaf(self, leaf: Leaf) -> "PartitionMap":
        """This map and a leaf that was just made."""
        others = (known for leaves in self._leaves.values() for known in leaves if known != leaf)
        return PartitionMap([*others, leaf])


@lru_cache(maxsize=4096)
def parse_bounds(expression: str | None) -> Bounds | None:
    """The range in `FOR VALUES FROM ('1') TO ('2')`; None when it is no range, such as DEFAULT."""
    found = _BOUND.fullmatch(expression or "")
    if found is None:
        return None
    return Bounds(_bound_us(found["lower"]), _bound_us(found["upper"]))


@lru_cache(maxsize=4096)
def parse_leaf_name(name: str) -> LeafName | None:
    """None for a table that is not named by us."""
    found = _LEAF_NAME.fullmatch(name)
    return None if found is None else LeafName(found["kind"], found["key"], int(found["number"]))


def leaves_of(catalog: Iterable[CatalogEntry]) -> list[Leaf]:
    """The leaves that can be written to: both tables there, named by us, with the same bounds."""
    halves: dict[tuple[str, int, Bounds], set[str]] = {}
    for entry in catalog:
        name = parse_leaf_name(entry.name)
        bounds = parse_bounds(entry.bound)
        if name and bounds and not entry.detaching and entry.parent == f"{name.kind}_{name.key}":
            halves.setdefault((name.key, name.number, bounds), set()).add(name.kind)
    return [
        Leaf(MessageClass(key), number, bounds.lower_us, bounds.upper_us)
        for (key, number, bounds), kinds in halves.items()
        if kinds == {"messages", "keys"}
    ]


def occupied(catalog: Iterable[CatalogEntry], message_class: MessageClass) -> list[Bounds]:
    """Every range of a class in which nothing new can be attached, whoever made what is there."""
    parents = {f"messages_{message_class.key}", f"keys_{message_class.key}"}
    found = (parse_bounds(entry.bound) for entry in catalog if entry.parent in parents)
    return [bounds for bounds in found if bounds is not None]


def plan(time_us: int, now_us: int, step_us: int, taken: Iterable[Bounds]) -> Bounds | None:
    """Where a new partition for `time_us` goes, among those already there; None when one of them covers it.

    A step aligned to the epoch, or a calendar month (UTC) for old times, clipped to the gap between its
    neighbours.
    """
    lower, upper = _month(time_us) if time_us < now_us - MONTHLY_AFTER_US else _step(time_us, step_us)
    for other in taken:
        if other.lower_us <= time_us < other.upper_us:
            return None
        if other.upper_us <= time_us:
            lower = max(lower, other.upper_us)
        else:
            upper = min(upper, other.lower_us)
    return Bounds(lower, upper)


def _step(time_us: int, step_us: int) -> Bounds:
    lower = time_us - time_us % step_us
    return Bounds(lower, lower + step_us)


def _month(time_us: int) -> Bounds:
    day = _EPOCH + timedelta(microseconds=time_us)
    first = datetime(day.year, day.month, 1, tzinfo=UTC)
    following = datetime(day.year + day.month // 12, day.month % 12 + 1, 1, tzinfo=UTC)
    return Bounds(_since_epoch_us(first), _since_epoch_us(following))


def _since_epoch_us(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _bound_us(text: str) -> int:
    if text == "MINVALUE":
        return LOWEST_US
    return HIGHEST_US if text == "MAXVALUE" else int(text.strip("'"))
