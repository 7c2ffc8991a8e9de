"""Which of the other data nodes can be searched.

They are asked beside the searches, whose connections may all be busy. Knows no HTTP.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from capture.errors import CaptureError
from capture.store.connection import Connection
from capture.store.schema import check_schema

PROBE_S = 1.0
"""A node that has not answered the shortest question by then is said to be away."""
FRESH_S = 10.0
"""How long what was found is not asked anew,"""
STALE_S = 60.0
"""and how long it is told while it is."""


Clock = Callable[[], float]
Ask = Callable[[Mapping[str, str], float], Awaitable[dict[str, str]]]


class Presence:
    """What is known of some nodes. Whoever asks waits for `PROBE_S`, and only when nobody has for long."""

    def __init__(
        self, urls: Mapping[str, str], clock: Clock = time.monotonic, ask: Ask | None = None
    ) -> None:
        """`urls` by the nodes' names."""
        self._urls = urls
        self._ask_all = ask or troubles_of
        self._clock = clock
        self._known: dict[str, str] = {}
        self._known_s = float("-inf")
        self._task: asyncio.Task[None] | None = None

    async def troubles(self) -> dict[str, str]:
        """Why a node cannot be searched, by its name; empty when all can."""
        age_s = self._clock() - self._known_s
        if self._urls and age_s >= FRESH_S:
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._ask())
            if age_s >= STALE_S:
                # Others may wait for it too, also when this one leaves.
                await asyncio.shield(self._task)
        return self._known

    async def close(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _ask(self) -> None:
        self._known = await self._ask_all(self._urls, PROBE_S)
        self._known_s = self._clock()


async def troubles_of(urls: Mapping[str, str], patience_s: float) -> dict[str, str]:
    """Why the databases of nodes cannot be searched, by the nodes' names; all are asked at once."""
    found = await asyncio.gather(*[_trouble(url, patience_s) for url in urls.values()])
    return {name: why for name, why in zip(urls, found, strict=True) if why}


async def _trouble(url: str, patience_s: float) -> str:
    try:
        async with asyncio.timeout(patience_s):
            connection = await Connection.open(url, {"application_name": "rhapsode-health"})
            try:
                await check_schema(connection)
            finally:
                connection.terminate()
    except (CaptureError, ValueError) as error:
        return str(error)
    except TimeoutError:
        return f"the database does not answer within {patience_s:g} s"
    return ""
