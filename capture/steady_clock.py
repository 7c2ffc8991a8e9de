"""The time by which things are deleted: this machine's clock, but not at once where it was set forward.

A clock that is set to next year would otherwise empty the database within minutes, and every packet that
comes in would be too old to keep. What it has been set to is believed a day later, when somebody has had time
to see it, or at the next start. A step back deletes nothing and is believed at once.
"""

import time
from collections.abc import Callable

STEP_US = 60_000_000
"""More than any slewing brings between two looks, which are minutes apart."""
DOUBT_US = 86_400_000_000
"""How long a step forward is doubted."""
HOUR_US = 3_600_000_000


def _wall_us() -> int:
    return time.time_ns() // 1000


def _running_us() -> int:
    """Goes on while the machine is suspended, and cannot be set."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


class SteadyClock:
    """Compares the clock that can be set with one that cannot, at each look. For one thread."""

    def __init__(
        self, wall_us: Callable[[], int] = _wall_us, running_us: Callable[[], int] = _running_us
    ) -> None:
        self._wall_us = wall_us
        self._running_us = running_us
        self._offset_us = wall_us() - running_us()
        """What is added to the one to have the other, as far as it is believed."""
        self._doubted_since_us: int | None = None
        self._step_us = 0

    def now_us(self) -> int:
        """Microseconds since the Unix epoch."""
        running_us = self._running_us()
        offset_us = self._wall_us() - running_us
        self._step_us = offset_us - self._offset_us
        if self._step_us > STEP_US:
            self._doubted_since_us = self._doubted_since_us or running_us
            if running_us - self._doubted_since_us < DOUBT_US:
                return self._offset_us + running_us
        self._offset_us, self._doubted_since_us = offset_us, None
        return offset_us + running_us

    @property
    def doubt(self) -> str:
        """What was wrong at the last look, in words; empty when nothing was."""
        if self._doubted_since_us is None:
            return ""
        return (
            f"the clock was set forward by {self._step_us / HOUR_US:.1f} hours: nothing is deleted by that"
            " for a day; if it is right now, start the workers again, else set it back"
        )


CLOCK = SteadyClock()
"""Of this process: a step is one, whichever session of a worker sees it."""
