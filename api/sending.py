"""Files that are made while they are sent, piece by piece, for clients that may be slow, or leave.

What a file is made from is let go of item by item, and all at once when nobody takes it any more.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import Final, TypeVar

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

SLICE_BYTES: Final = 64 * 1024
"""So much is made before it is sent and others have their turn."""

T = TypeVar("T")


class FileOf(StreamingResponse):
    """The file that `parts` makes of some items, in pieces that end anywhere."""

    def __init__(
        self,
        items: Iterable[T],
        parts: Callable[[Iterable[T]], Iterable[bytes]],
        media_type: str,
        headers: Mapping[str, str],
    ) -> None:
        left = deque(items)
        super().__init__(slices(parts(_taken(left))), media_type=media_type, headers=headers)
        self._let_go = left.clear

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            # The traceback of a client that has left would hold it until the garbage is collected.
            self._let_go()


async def slices(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    """The parts in pieces that are worth sending; between two of them others have their turn."""
    ahead, size = [], 0
    for part in parts:
        ahead.append(part)
        size += len(part)
        if size >= SLICE_BYTES:
            yield b"".join(ahead)
            ahead, size = [], 0
            await asyncio.sleep(0)
    if ahead:
        yield b"".join(ahead)


def _taken(items: deque[T]) -> Iterator[T]:
    while items:
        yield items.popleft()
