"""What waits for one listener of the live feed: bounded, and with every gap where it is.

Knows nothing of HTTP, of the database, or of how messages are written.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import NamedTuple

from api.search.decide import Found
from api.search.match import Predicate
from capture.route import MessageClass

MOST_MESSAGES = 5_000
MOST_BYTES = 8 * 1024 * 1024
"""What waits for one listener, as far as it is larger than one message."""
MOST_AT_ONCE = 200


class Why(StrEnum):
    """Why messages are missing."""

    SLOW = "slow"
    """The listener does not take them fast enough. They matched its question."""
    UNREAD = "unread"
    """Too many at once, or they could not be read. Whether they matched is not known."""
    GONE = "gone"
    """They were deleted before they were looked at. Whether they matched is not known."""
    DATABASE = "database"
    """The connection to the database was lost: how many were stored meanwhile is not known."""


class Gap(NamedTuple):
    """Messages that are missing at this place."""

    why: Why
    messages: int | None
    """How many; None: unknown."""


Item = bytes | Gap
Render = Callable[[bool], bytes]
"""A message as it is sent, with payload or without."""


class Subscription:
    """One listener's question, and what waits for it."""

    def __init__(self) -> None:
        self.wanted: Mapping[MessageClass, Predicate] = {}
        """The question, by class; nothing comes of any other class."""
        self.with_payload = False
        self._items: deque[Item] = deque()
        self._bytes = 0
        self._news = asyncio.Event()

    def offer(self, found: Found, render: Render) -> None:
        """Have a message wait, if it matches; rendered only then, and only if there is room."""
        matches = self.wanted.get(found.stored.message_class)
        if matches is None or not matches(found.fields):
            return
        if len(self._items) >= MOST_MESSAGES or self._bytes >= MOST_BYTES:
            self.miss(Gap(Why.SLOW, 1))
            return
        rendered = render(self.with_payload)
        self._bytes += len(rendered)
        self._items.append(rendered)
        self._news.set()

    def miss(self, gap: Gap) -> None:
        """Note a gap behind all that waits; neighbours become one."""
        if self._items and isinstance(last := self._items[-1], Gap) and last.why is gap.why:
            self._items.pop()
            known = last.messages is not None and gap.messages is not None
            gap = Gap(gap.why, (last.messages or 0) + (gap.messages or 0) if known else None)
        self._items.append(gap)
        self._news.set()

    async def take(self) -> list[bytes] | Gap:
        """What comes next, once there is something: some messages, or a gap."""
        while not self._items:
            self._news.clear()
            await self._news.wait()
        taken: list[bytes] = []
        while self._items and len(taken) < MOST_AT_ONCE:
            item = self._items[0]
            if isinstance(item, Gap):
                break
            self._items.popleft()
            self._bytes -= len(item)
            taken.append(item)
        if taken:
            return taken
        gap = self._items.popleft()
        assert isinstance(gap, Gap)  # noqa: S101 (the loop stops at nothing else)
        return gap
