"""Under which time a packet is stored: the sender's where it is sensible, else the arrival.

Source: hep-protocol, "Time". Knows nothing of packets beyond the two numbers they carry.
"""

from capture.row import Flag

EARLIEST_US = 946_684_800_000_000
"""2000-01-01T00:00:00Z: no capture is older."""
DAY_US = 86_400_000_000
_YEARS_US = 2 * 365 * DAY_US

# Plain numbers: `|` of an IntFlag takes 2 µs.
_AS_SENT, _ARRIVAL_TIME, _SWAPPED_TIME = Flag.NONE.value, Flag.ARRIVAL_TIME.value, Flag.SWAPPED_TIME.value


def capture_time(
    seconds: int | None, microseconds: int | None, arrival_us: int
) -> tuple[int, int, int | None]:
    """The time to store under, how it was found (`Flag`), the sender's own where another is stored; in µs."""
    if seconds is None:
        return arrival_us, _ARRIVAL_TIME, None
    sent_us = seconds * 1_000_000 + (microseconds or 0)
    if -DAY_US <= arrival_us - sent_us <= DAY_US:
        return sent_us, _AS_SENT, None
    if sent_us == 0:
        return arrival_us, _ARRIVAL_TIME, None
    if abs(arrival_us - sent_us) > _YEARS_US:
        swapped_us = _swapped(seconds) * 1_000_000 + _swapped(microseconds or 0)
        if abs(arrival_us - swapped_us) <= DAY_US:
            return swapped_us, _SWAPPED_TIME, sent_us
    if EARLIEST_US <= sent_us <= arrival_us + DAY_US:
        return sent_us, _AS_SENT, None
    return arrival_us, _ARRIVAL_TIME, sent_us


def _swapped(word: int) -> int:
    return int.from_bytes((word & 0xFFFFFFFF).to_bytes(4, "big"), "little")
