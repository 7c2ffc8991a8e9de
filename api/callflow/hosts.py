"""The columns of a ladder: every end of a message, in the order in which they first appear."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

Value = str | int | None


class End(NamedTuple):
    """One end of a message."""

    address: str
    port: int

    @property
    def name(self) -> str:
        """`address:port`, an IPv6 address in brackets."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


NO_SOURCE, NO_DESTINATION = End("127.0.0.1", 0), End("127.0.0.2", 0)
"""What stands for an end that was not captured: two different ones, so that an arrow can be drawn."""


@lru_cache(maxsize=4096)
def ends(
    source: str | None, source_port: int | None, destination: str | None, destination_port: int | None
) -> tuple[End, End]:
    """Where a message came from and where it went."""
    return (
        End(source, source_port or 0) if source else NO_SOURCE,
        End(destination, destination_port or 0) if destination else NO_DESTINATION,
    )


def ends_of(fields: Mapping[str, Value]) -> tuple[End, End]:
    """The same of a message by its fields, in which a filter may have set anything."""
    source, destination = fields.get("source"), fields.get("destination")
    source_port, destination_port = fields.get("source_port"), fields.get("destination_port")
    return ends(
        None if source is None else str(source),
        source_port if isinstance(source_port, int) else None,
        None if destination is None else str(destination),
        destination_port if isinstance(destination_port, int) else None,
    )


def host_positions(arrows: Iterable[tuple[End, End]]) -> dict[str, int]:
    """The place of each end, 0, 1, 2 …; the source of a message before its destination."""
    positions: dict[str, int] = {}
    for arrow in arrows:
        for end in arrow:
            positions.setdefault(end.name, len(positions))
    return positions
