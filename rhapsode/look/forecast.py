"""When the disk will be full, if things go on as in the last day. Pure arithmetic."""

from collections.abc import Iterable
from typing import NamedTuple

DAY_US = 86_400_000_000
LEAST_US = 3_600_000_000
"""What is known of less than an hour says nothing about a day."""


class Growth(NamedTuple):
    """How one class grows."""

    bytes_a_day: float
    left_us: float
    """For how long it still will: then as much is deleted as comes in. Infinity: for ever."""


def growth(recent_bytes: int, recent_us: int, age_us: int, kept_us: int | None) -> Growth | None:
    """From what came in the last `recent_us`; None when that is too short to tell.

    `age_us` is how old its oldest message is, `kept_us` its retention (None: for ever).
    """
    if recent_us < LEAST_US:
        return None
    left_us = float("inf") if kept_us is None else max(0, kept_us - age_us)
    return Growth(recent_bytes * DAY_US / recent_us, left_us)


def days_until_full(room_bytes: int, growths: Iterable[Growth]) -> float:
    """Days until `room_bytes` are used up; infinity when retention keeps it from that."""
    growing = sorted((each for each in growths if each.bytes_a_day > 0), key=lambda each: each.left_us)
    room, day = float(max(0, room_bytes)), 0.0
    while growing:
        rate = sum(each.bytes_a_day for each in growing)
        until = growing[0].left_us / DAY_US
        if room < rate * (until - day):
            return day + room / rate
        room -= rate * (until - day)
        day = until
        growing = [each for each in growing if each.left_us > growing[0].left_us]
    return float("inf")
