"""Buckets as a search asks them: partitions of a class, one by one or neighbours together. Pure."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

MAX_GROUP = 32
"""Buckets asked at once: locks and planning grow with partitions."""
CALL_GROUP = 64
"""Where few calls are named: nothing but the last bucket tells that all of one has been found."""


class Buckets(NamedTuple):
    """Neighbouring partitions of a class in which the same is keyed."""

    lowers: tuple[int, ...]
    """Their lower bounds: the values of `bucket` in their key rows."""
    lower_us: int
    upper_us: int
    """Half-open."""
    keyed: frozenset[str]
    """Names of `capture.keys.keyed_rules` that every version noted in every one of them keys by today's rule.
    """
    headers: frozenset[str]
    """`custom:NAME` of each header that searches read from payloads, keyed or not."""

    @property
    def uppers(self) -> dict[int, int]:
        """By its lower bound where each of them ends, or the next one begins."""
        return dict(zip(self.lowers, (self.upper_us, *self.lowers), strict=False))


def grouped(buckets: Sequence[Buckets], first: int = 1) -> Iterator[Buckets]:
    """Neighbours in which the same is keyed, as one: `first` of them, then twice as many, then four times."""
    most, largest, start = first, max(first, MAX_GROUP), 0
    while start < len(buckets):
        end = start + 1
        while end < len(buckets) and end - start < most and buckets[end].keyed == buckets[start].keyed:
            end += 1
        run = buckets[start:end]
        lowers = tuple(bucket.lower_us for bucket in run)
        yield Buckets(lowers, run[-1].lower_us, run[0].upper_us, run[0].keyed, run[0].headers)
        start, most = end, min(most * 2, largest)
