"""The figures that a process keeps in an mmap file beside its journal, for others to read at any time.

Fixed layout, little-endian: a header, then one aligned 64-bit word a figure. A reader never blocks a writer. Knows
nothing of Prometheus or HTTP.
"""

from enum import IntEnum, auto


class _Word(IntEnum):
    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[int]) -> int:
        return count


class IntakeFigure(_Word):
    """Words of `intake.figures`, one file a journal."""

    LAST_NUMBER = auto()
    """Number of the last whole record appended."""
    DROPPED = auto()
    """Packets for which there was no room; survives restarts."""
    APPENDED_BYTES = auto()
    KERNEL_DROPS = auto()
    """Datagrams the kernel dropped, over all restarts; only the first journal's file counts them."""
    RECEIVE_BUFFER_BYTES = auto()
    """What the kernel granted."""
    CONNECTIONS = auto()
    """TCP connections now open."""
    CONNECTIONS_TOTAL = auto()
    CONNECTIONS_REFUSED = auto()
    RUBBISH_BYTES = auto()
    """Bytes on TCP that were no frame."""
    LAST_ARRIVAL_US = auto()
    SYNCED_US = auto()
    """When the journal was last synced."""
    FULL = auto()
    """1 while there is no room."""
    SOCKETS = auto()
    """Which sockets `SOCKETS_DROPS` is of; others begin to count at 0."""
    SOCKETS_DROPS = auto()
    """How many drops of these sockets are in `KERNEL_DROPS`."""


class WorkerFigure(_Word):
    """Words of `worker.figures`, one file a journal. Outcome counts are those of the last commit."""

    MARK = auto()
    """segment << 32 | offset of the packet being decoded, 0 while waiting or committing."""
    MARK_SCRIPT = auto()
    """1 while a script runs on that packet."""
    DEATH = auto()
    """The mark that the last death was found at."""
    DEATHS = auto()
    """How many deaths in a row at that mark."""
    SEGMENT = auto()
    OFFSET = auto()
    NUMBER = auto()
    """The committed position: number of the next record."""
    WRITTEN = auto()
    FILTERED = auto()
    DUPLICATE = auto()
    REFUSED = auto()
    MALFORMED = auto()
    FAILED = auto()
    MALFORMED_SHORT = auto()
    MALFORMED_MAGIC = auto()
    MALFORMED_LENGTH = auto()
    MALFORMED_CHUNK = auto()
    MALFORMED_INFLATE = auto()
    MALFORMED_STREAM = auto()
    """The reasons of malformed packets since this worker started (`HepError.reason`)."""
    BATCHES = auto()
    BATCH_ROWS = auto()
    BATCH_SECONDS_US = auto()
    """Sum of the times from a batch's first statement to its commit."""
    ROLLBACKS = auto()
    DATABASE_AWAY = auto()
    """1 while the database cannot be reached."""
    LAST_COMMIT_US = auto()
    LAG_US = auto()
    """Arrival of the last committed packet to its commit."""
