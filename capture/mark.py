"""Which packet a worker is at, so that a packet that kills workers is known by its second victim.

The mark stands in an mmap file and outlives the process. It is set while a packet is decoded and cleared
while the worker waits or commits, so a worker ended by an operator or by the system seldom leaves one, and
never twice at one place.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from capture.journal.figures import WorkerFigure
from capture.journal.record import Record

_LETHAL_DEATHS = 2
MARK = int(WorkerFigure.MARK)
"""The word with the place of the packet that is dealt with, segment << 32 | offset, or 0. The pipeline writes
it itself, several times a packet."""
_SCRIPT = int(WorkerFigure.MARK_SCRIPT)


class ScriptDeath(NamedTuple):
    """A worker's end that is a script's fault."""

    place: tuple[int, int] | None
    """(segment, offset) of the packet that it was at; None: it was being loaded."""
    script: int
    """`WorkerFigure.MARK_SCRIPT`."""
    by_watchdog: bool
    """Else two workers in a row died of themselves at this packet while a script ran."""


class PacketMark:
    """The mark in a worker's figures."""

    def __init__(self, words: "memoryview[int] | list[int]") -> None:
        self.words = words

    def find_script_death(self) -> ScriptDeath | None:
        """To be called once at start, before `find_lethal`, which then does not blame the packet for it."""
        words = self.words
        mark, script, ended = words[MARK], words[_SCRIPT], words[WorkerFigure.SCRIPT_ENDED]
        words[_SCRIPT] = words[WorkerFigure.SCRIPT_ENDED] = 0
        if not script:
            return None
        if ended and not mark:
            return ScriptDeath(None, script, by_watchdog=True)
        if not mark or (not ended and not (mark == words[WorkerFigure.DEATH] and words[WorkerFigure.DEATHS])):
            return None
        words[MARK] = 0
        self.survive()
        return ScriptDeath((mark >> 32, mark & 0xFFFFFFFF), script, bool(ended))

    def find_lethal(self) -> tuple[int, int] | None:
        """To be called once at start: the (segment, offset) of a packet at which two workers in a row died,
        or None."""
        words = self.words
        mark = words[WorkerFigure.MARK]
        if mark:
            same = mark == words[WorkerFigure.DEATH]
            words[WorkerFigure.DEATHS] = words[WorkerFigure.DEATHS] + 1 if same else 1
            words[WorkerFigure.DEATH] = mark
            words[WorkerFigure.MARK] = 0
        if words[WorkerFigure.DEATHS] < _LETHAL_DEATHS:
            return None
        return words[WorkerFigure.DEATH] >> 32, words[WorkerFigure.DEATH] & 0xFFFFFFFF

    def survive(self) -> None:
        """The packet has been dealt with: its deaths are forgotten."""
        self.words[WorkerFigure.DEATHS] = 0
        self.words[WorkerFigure.DEATH] = 0

    def stands_at(self, record: Record) -> bool:
        """Whether this is the packet that is dealt with."""
        return self.words[MARK] == record.segment << 32 | record.offset

    def clear(self) -> None:
        self.words[MARK] = 0
        self.words[_SCRIPT] = 0

    @contextmanager
    def lifted(self) -> Iterator[None]:
        """While the worker waits for others on this packet's behalf; it may yet kill after that."""
        mark = self.words[WorkerFigure.MARK]
        self.clear()
        try:
            yield
        finally:
            # Of an error, too, it must be known which packet it came of.
            self.words[WorkerFigure.MARK] = mark
