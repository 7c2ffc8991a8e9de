"""Where those who do the same on several data nodes exchange what each has found. Knows not what it is."""

import asyncio
from typing import Generic, TypeVar

T = TypeVar("T")


class _Round(Generic[T]):
    def __init__(self) -> None:
        self.given: list[T] = []
        self.is_over = asyncio.Event()


class Meeting(Generic[T]):
    """Its members give something in each round, and all get what all have given."""

    def __init__(self, members: int) -> None:
        self._members = members
        self._round: _Round[T] = _Round()

    async def exchange(self, given: T) -> list[T]:
        """What the members have given in this round, once the last one has, or has left."""
        this = self._round
        this.given.append(given)
        self._end_if_complete()
        await this.is_over.wait()
        return this.given

    def leave(self) -> None:
        """To be called once by each member, however it ends: nobody waits for it any more."""
        self._members -= 1
        self._end_if_complete()

    def _end_if_complete(self) -> None:
        this = self._round
        if this.given and len(this.given) >= self._members:
            self._round = _Round()
            this.is_over.set()
