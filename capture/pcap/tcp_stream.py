"""One direction of a TCP connection out of captured segments: their bytes in order, cut into packets.

Source: RFC 9293 3.4. What is cut, and how, is the framer's business.
"""

from collections.abc import Sequence
from typing import Final, Protocol

MAX_WAITING: Final = 256
"""Segments beyond a hole that are kept while the missing one may come."""
MAX_WAITING_BYTES: Final = 1024 * 1024
"""The same, of their content."""

_SEQUENCES: Final = 1 << 32


class StreamFramer(Protocol):
    """Cuts a stream of bytes into packets."""

    @property
    def pending(self) -> int:
        """Bytes held."""

    def feed(self, data: bytes) -> Sequence[object]:
        """The packets that are whole now, as bytes; anything else is no packet."""

    def finish(self) -> object:
        """Forget what is not whole: what comes next does not continue it."""


class TcpStream:
    """Segments come in any order, some twice and some never."""

    def __init__(self, framer: StreamFramer, first: int | None = None) -> None:
        self.first = first
        """Sequence number of the first byte; None when the capture began later than the connection."""
        self._next = first
        self._framer = framer
        self._waiting: dict[int, bytes] = {}
        self._waiting_bytes = 0

    @property
    def held_bytes(self) -> int:
        """Of segments that wait, and of a packet that is not whole."""
        return self._waiting_bytes + self._framer.pending

    def add(self, sequence: int, body: bytes) -> list[bytes]:
        """The packets that are whole with this segment."""
        if self._next is None:
            self._next = sequence
        held = self._waiting.get(sequence, b"")
        if len(body) > len(held):
            self._waiting[sequence] = body
            self._waiting_bytes += len(body) - len(held)
        packets = self._take_ready()
        while len(self._waiting) > MAX_WAITING or self._waiting_bytes > MAX_WAITING_BYTES:
            packets += self._cross_hole()
        return packets

    def finish(self) -> list[bytes]:
        """What waits behind segments that never came; the stream has ended."""
        packets: list[bytes] = []
        while self._waiting:
            packets += self._cross_hole()
        self._framer.finish()
        return packets

    def _ahead(self, sequence: int) -> int:
        """Bytes from what is expected next to `sequence`, negative when that has been seen."""
        distance = (sequence - (self._next or 0)) % _SEQUENCES
        return distance if distance < _SEQUENCES // 2 else distance - _SEQUENCES

    def _take_ready(self) -> list[bytes]:
        packets: list[bytes] = []
        while self._waiting:
            sequence = min(self._waiting, key=self._ahead)
            ahead = self._ahead(sequence)
            if ahead > 0:
                break
            body = self._waiting.pop(sequence)
            self._waiting_bytes -= len(body)
            body = body[-ahead or None :]
            self._next = ((self._next or 0) + len(body)) % _SEQUENCES
            packets += [item for item in self._framer.feed(body) if isinstance(item, bytes)]
        return packets

    def _cross_hole(self) -> list[bytes]:
        """Give up what is missing: go on with what is behind it, perhaps in the middle of a packet."""
        self._framer.finish()
        self._next = min(self._waiting, key=self._ahead)
        return self._take_ready()
