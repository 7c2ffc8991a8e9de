"""One reading for all who ask at the same time.

When what is remembered grows old, fifty requests may find it so at once. Knows nothing of what is read.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedReading(Generic[T]):
    """A reading that is under way, if any."""

    def __init__(self) -> None:
        self._task: asyncio.Task[T] | None = None

    async def get(self, read: Callable[[], Awaitable[T]]) -> T:
        """What `read` gives or raises, begun now or by somebody who has asked already."""
        task = self._task
        if task is None or task.done():
            task = self._task = asyncio.ensure_future(_awaited(read))
            # Who asked may all have gone when it fails.
            task.add_done_callback(_heard)
        # Others wait for it too: it goes on when one of them is given up.
        return await asyncio.shield(task)

    def forget(self) -> None:
        """Who asks from now on is not to get what is being read."""
        self._task = None


async def _awaited(read: Callable[[], Awaitable[T]]) -> T:
    return await read()


def _heard(task: "asyncio.Task[T]") -> None:
    if not task.cancelled():
        task.exception()
