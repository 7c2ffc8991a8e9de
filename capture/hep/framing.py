"""Cuts a TCP stream into HEP3 packets, and finds the next one after bytes that are none.

Source: HEP3 rev. 37, "General protocol structure": on TCP packets stand back to back, each as long as its
length field says. Anything else is rubbish: HEPv1 and v2 and gzip members (which carry no length), HFP's
greeting `HELLO HFP`, the rest of a packet whose beginning was lost. Given bytes it returns packets; it knows
nothing of sockets, clocks or what is in a packet.
"""

from typing import Final, NamedTuple

from capture.hep.chunks import CHUNK_HEADER, MAGICS, PACKET_HEADER

_KEPT_HEAD: Final = 64
_MAGICS: Final = tuple(sorted(MAGICS))
_MAGIC_TAIL: Final = b"EP3"
"""What both magics end with: one search finds either."""
_MAGIC_FIRSTS: Final = b"HE"
_MAGIC_BYTES: Final = 4
_DECIDING_BYTES: Final = PACKET_HEADER.size + CHUNK_HEADER.size
"""A packet is taken for one by its own header and that of its first chunk."""


class Rubbish(NamedTuple):
    """A run of bytes in which no packet begins."""

    length: int
    head: bytes
    """Its first 64 bytes."""


class Framer:
    """One connection's stream; how it is split into pieces makes no difference to what comes out.

    Between two calls it holds one unfinished packet at most: below 64 KiB, whatever is sent. The time is
    linear in the bytes fed, also one byte at a time: what has been searched is not searched again.
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self._needed = _MAGIC_BYTES
        """With fewer bytes held there is nothing to do."""
        self._packet_bytes = 0
        """Length of the packet that what is held begins with; 0 while that is open."""
        self._run_bytes = 0
        self._run_head = b""

    @property
    def pending(self) -> int:
        """Bytes held: of a packet that is not whole, or too few to tell whether one begins."""
        return len(self._held)

    def feed(self, data: bytes) -> list[bytes | Rubbish]:
        """The packets that are whole now, and the runs of rubbish that ended, in the order of the stream.

        A run ends when the next packet begins, or with `finish`: it is reported once.
        """
        held = self._held
        held += data
        size = len(held)
        found: list[bytes | Rubbish] = []
        start = 0
        while size - start >= self._needed:
            if self._packet_bytes:
                stop = start + self._packet_bytes
                found.append(bytes(held[start:stop]))
                start = stop
                self._packet_bytes, self._needed = 0, _MAGIC_BYTES
                continue
            length = self._judge(start, size - start)
            if length == 0:
                stop = self._next_candidate(start)
                self._extend_run(start, stop)
                start = stop
                self._needed = _MAGIC_BYTES
            elif length is not None:
                found += self._end_run()
                self._packet_bytes = self._needed = length
        del held[:start]
        return found

    def finish(self) -> list[Rubbish]:
        """What is left at the end of the stream: the last run, or a packet that never became whole."""
        self._extend_run(0, len(self._held))
        self._held.clear()
        self._packet_bytes, self._needed = 0, _MAGIC_BYTES
        return self._end_run()

    def _judge(self, start: int, available: int) -> int | None:
        """The length of the packet at `start`; 0: there is none; None: it takes more bytes to tell."""
        held = self._held
        if not held.startswith(_MAGICS, start):
            return 0
        if available < PACKET_HEADER.size:
            self._needed = PACKET_HEADER.size
            return None
        length = held[start + 4] << 8 | held[start + 5]
        if length < _DECIDING_BYTES:
            return length if length == PACKET_HEADER.size else 0
        if available < _DECIDING_BYTES:
            self._needed = _DECIDING_BYTES
            return None
        first_chunk = held[start + 10] << 8 | held[start + 11]
        return length if CHUNK_HEADER.size <= first_chunk <= length - PACKET_HEADER.size else 0

    def _next_candidate(self, start: int) -> int:
        """Where after `start` the next magic stands, or the three bytes that may be the beginning of one."""
        held = self._held
        tail = held.find(_MAGIC_TAIL, start + 2)
        while tail >= 0:
            if held[tail - 1] in _MAGIC_FIRSTS:
                return tail - 1
            tail = held.find(_MAGIC_TAIL, tail + 1)
        return len(held) - (_MAGIC_BYTES - 1)

    def _extend_run(self, start: int, stop: int) -> None:
        self._run_bytes += stop - start
        room = _KEPT_HEAD - len(self._run_head)
        if room > 0:
            self._run_head += self._held[start : min(stop, start + room)]

    def _end_run(self) -> list[Rubbish]:
        if self._run_bytes == 0:
            return []
        run = Rubbish(self._run_bytes, bytes(self._run_head))
        self._run_bytes, self._run_head = 0, b""
        return [run]
