"""What every request asks for and seldom changes: remembered for a moment. Knows nothing of what it is."""

import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from api.records.shared import SharedReading

KNOWN_S = 2.0
"""So much later at most another process is told of a change; this one is at once."""

T = TypeVar("T")


class Remembered(Generic[T]):
    """One thing."""

    def __init__(self, read: Callable[[], Awaitable[T]], clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._until_s = 0.0
        self._found: T | None = None
        self._changes = 0
        self._reading: SharedReading[T] = SharedReading()

    async def get(self) -> T:
        """As it is, or was a moment ago; what reading it raises."""
        found = self._found
        if found is not None and self._clock() < self._until_s:
            return found
        changes = self._changes
        found = await self._reading.get(self._read)
        if changes == self._changes:
            # Else it may be older than the change.
            self._found, self._until_s = found, self._clock() + KNOWN_S
        return found

    def forget(self) -> None:
        """It may have changed."""
        self._changes += 1
        self._found = None
        self._reading.forget()
