"""One direction of a TCP connection out of captured segments: their bytes in order, cut into packets.

Source: RFC 9293 3.4. What is cut, and how, is the framer's business.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

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
        """Forget what is not whole: what comes next does not continue it, and may begin in the middle."""


class Whole(NamedTuple):
    """A packet, and when the latest of its segments was captured."""

    body: bytes
    time_us: int


class TcpStream:
    """Segments come in any order, some twice and some never."""

    def __init__(self, framer: StreamFramer, first: int | None = None) -> None:
        self.first = first
        """Sequence number of the first byte; None when the capture began later than the connection."""
        self._next = first
        self._framer = framer
        self._waiting: dict[int, tuple[bytes, int]] = {}
        self._waiting_bytes = 0
        self._latest_us = 0
        """Of the segments of a packet that is not whole."""

    @property
    def held_bytes(self) -> int:
        """Of segments that wait, and of a packet that is not whole."""
        return self._waiting_bytes + self._framer.pending

    def add(self, sequence: int, body: bytes, time_us: int = 0) -> list[Whole]:
        """The packets that are whole with this segment, which was captured at `time_us`."""
        if self._next is None:
            self._next = sequence
        held, _ = self._waiting.get(sequence, (b"", 0))
        if len(body) > len(held):
            self._waiting[sequence] = body, time_us
            self._waiting_bytes += len(body) - len(held)
        packets = self._take_ready()
        while len(self._waiting) > MAX_WAITING or self._waiting_bytes > MAX_WAITING_BYTES:
            packets += self._cross_hole()
        return packets

    def finish(self) -> list[Whole]:
        """What waits behind segments that never came; the stream has ended."""
        packets: list[Whole] = []
        while self._waiting:
            packets += self._cross_hole()
        self._framer.finish()
        return packets

    def _ahead(self, sequence: int) -> int:
        """Bytes from what is expected next to `sequence`, negative when that has been seen."""
        distance = (sequence - (self._next or 0)) % _SEQUENCES
        return distance if distance < _SEQUENCES // 2 else distance - _SEQUENCES

    def _take_ready(self) -> list[Whole]:
        packets: list[Whole] = []
        while self._waiting:
            sequence = min(self._waiting, key=self._ahead)
            ahead = self._ahead(sequence)
            if ahead > 0:
                break
            body, time_us = self._waiting.pop(sequence)
            self._waiting_bytes -= len(body)
            body = body[-ahead or None :]
            if body:
                self._next = ((self._next or 0) + len(body)) % _SEQUENCES
                packets += self._feed(body, time_us)
        return packets

    def _feed(self, body: bytes, time_us: int) -> list[Whole]:
        # What is left of the segment before is part of the first packet.
        self._latest_us = max(self._latest_us, time_us) if self._framer.pending else time_us
        packets: list[Whole] = []
        for item in self._framer.feed(body):
            if isinstance(item, bytes):
                packets.append(Whole(item, self._latest_us))
                self._latest_us = time_us
        return packets

    def _cross_hole(self) -> list[Whole]:
        """Give up what is missing: go on with what is behind it, perhaps in the middle of a packet."""
        self._framer.finish()
        self._next = min(self._waiting, key=self._ahead)
        return self._take_ready()
