"""The outcomes that a received packet can end in, and the reasons why a packet is not HEP."""

from enum import IntEnum


class Outcome(IntEnum):
    """Every received packet ends in exactly one; once the journal is drained they sum to received."""

    WRITTEN = 0
    FILTERED = 1
    """A rule, a script or a keep-alive."""
    DUPLICATE = 2
    REFUSED = 3
    """Wrong key or address."""
    MALFORMED = 4
    """Not HEP."""
    FAILED = 5
    """Refused by the database, damaged in the journal, or set aside."""
    DROPPED = 6
    """No room in the journal: intake's own count, never a worker's."""


WORKER_OUTCOMES = tuple(outcome for outcome in Outcome if outcome is not Outcome.DROPPED)
"""Columns of the position row, in this order; they commit with the batch."""
