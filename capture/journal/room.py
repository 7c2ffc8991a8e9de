"""How much a journal may still grow: its byte limit and the disk space left alone."""

import os
from pathlib import Path
from typing import NamedTuple, Self

from capture.settings import JournalSettings

_GIB = 1 << 30


class Disk(NamedTuple):
    """What the journal and its disk hold now, in bytes."""

    used: int
    """By this journal's files."""
    free: int
    """To an unprivileged process."""
    total: int

    @classmethod
    def of(cls, path: Path, used: int = 0) -> Self:
        """The disk that `path` is on; OSError when there is none."""
        space = os.statvfs(path)
        return cls(used, space.f_bavail * space.f_frsize, space.f_blocks * space.f_frsize)


class Room:
    """Measured now and then by one thread, spent by another in between; neither waits for the other."""

    def __init__(self, settings: JournalSettings, disk: Disk, others_bytes: int = 0) -> None:
        """`others_bytes` are held by the other journals on this disk."""
        # What journals hold already counts as free: else each start under a backlog would lower the limit.
        self.max_bytes = settings.max_bytes or (disk.used + others_bytes + disk.free) // 2
        self.min_free_bytes = settings.min_free_bytes or max(_GIB, disk.total // 50)
        self._measured = (0, 0)
        self.measure(disk, 0)

    def measure(self, disk: Disk, written: int) -> None:
        """Take what the disk says. `written` is the writer's count from before the disk was asked.

        What is written meanwhile counts twice until the next time: the error is on the safe side.
        """
        left = min(self.max_bytes - disk.used, disk.free - self.min_free_bytes)
        self._measured = (left, written)

    def exhaust(self, written: int) -> None:
        """The system said that there is no room, whatever the sums say: so until the next measuring."""
        self._measured = (0, written)

    def left(self, written: int) -> int:
        """Bytes that may still be written when `written` is the writer's count."""
        left, at = self._measured
        return left - (written - at)
