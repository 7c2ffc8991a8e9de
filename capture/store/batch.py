"""What is stored at once: encoded rows by leaf, and the journal position that commits with them.

Values only; knows nothing of connections.
"""

from dataclasses import dataclass, field
from uuid import UUID

from capture.journal.record import Position
from capture.store.partitions import Leaf


@dataclass(slots=True)
class LeafRows:
    """The rows of a batch for one leaf: tuples of binary COPY, without header and trailer."""

    messages: list[bytes] = field(default_factory=list)
    origins: list[int] = field(default_factory=list)
    """For each message, whatever tells the caller which packet it came from."""
    keys: list[bytes] = field(default_factory=list)
    key_calls: list[int] = field(default_factory=list)
    """For each key row its `call`, by which a marked row replaces it should it be refused."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What the records between two places of a journal came to."""

    journal: UUID
    start: Position
    end: Position
    outcomes: list[int]
    """How many records ended in each of WORKER_OUTCOMES, in that order; messages count as written."""
    leaves: dict[Leaf, LeafRows]
    synchronous: bool
    """COMMIT returns only once it is on disk: then the journal before `end` may be deleted."""
