"""Packets that end workers: which they are, so that they are set aside and not tried again."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from capture.errors import JournalError
from capture.journal.aside import list_aside_of, read_aside
from capture.journal.record import Position, Record

log = logging.getLogger(__name__)

REASON = "killed two workers"


class Place(NamedTuple):
    """Where a record stands."""

    segment: int
    offset: int


def lethal_places(
    aside: Path, journal: UUID, marked: tuple[int, int] | None, position: Position
) -> frozenset[Place]:
    """That of the packet at which two workers in a row died, and those of the ones set aside for it before.

    The latter from `position` on: there a worker died of another packet before it had committed this one.
    """
    found = {Place(*marked)} if marked is not None else set()
    for path in list_aside_of(aside, journal, (position.segment, position.offset)):
        try:
            kept = read_aside(path)
        except JournalError as error:
            log.warning("%s", error)
            continue
        if kept.reason == REASON:
            found.add(Place(kept.record.segment, kept.record.offset))
    return frozenset(found)


def find_lethal(places: frozenset[Place], part: Sequence[Record]) -> list[int]:
    """Which of these records are lethal, by their indexes."""
    if not places:
        return []
    return [at for at, record in enumerate(part) if (record.segment, record.offset) in places]
