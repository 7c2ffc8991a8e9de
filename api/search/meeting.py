"""Where those who do the same on several data nodes exchange what each has found. Knows not what it is."""

import asyncio
from typing import Generic, TypeVar

T = TypeVar("T")


class _Round(Generic[T]):
    def __init__(self) -> None:
        self.given: list[T] = []
        self.here = 0
        """How many members wait for its end."""
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
        this.here += 1
        self._end_if_complete()
        try:
            await this.is_over.wait()
        except asyncio.CancelledError:
            # Its word stands, but it is about to leave: nobody else's place is to be taken by it.
            this.here -= 1
            raise
        return this.given

    def leave(self) -> None:
        """To be called once by each member, however it ends: nobody waits for it any more."""
        self._members -= 1
        self._end_if_complete()

    def _end_if_complete(self) -> None:
        this = self._round
        if this.here and this.here >= self._members:
            self._round = _Round()
            this.is_over.set()
