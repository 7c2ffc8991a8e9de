"""The mappings: those that follow from the program, and what people have changed of them.

Knows no HTTP.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.mapping import LABELS
from api.records.kind import Values
from api.records.kinds import MAPPING
from api.records.store import find_rows
from capture.route import MessageClass

KNOWN_S = 2.0
"""So much later at most another process is told of a change; this one is at once."""


async def find_mappings(connection: AsyncConnection, defaults: Sequence[Values]) -> list[Values]:
    """All of them, those of the program first and in its order. A changed one has custom headers and tags
    that came later all the same."""
    order = [default["guid"] for default in defaults]
    by_key = {(default["hepid"], default["profile"]): default for default in defaults}
    rows = await find_rows(connection, MAPPING, defaults=defaults)
    for row in rows:
        default = by_key.get((row["hepid"], row["profile"]))
        if default is not None and "id" in row:
            row["fields_mapping"] = _with_later_fields(row["fields_mapping"], default["fields_mapping"])
    return sorted(rows, key=lambda row: order.index(row["guid"]) if row["guid"] in order else len(order))


def _with_later_fields(kept: list[Any], known: list[Any]) -> list[Any]:
    ids = {field.get("id") for field in kept if isinstance(field, dict)}
    later = [field for field in known if field["id"] not in ids and _is_custom(field["id"])]
    return [*kept, *later]


def _is_custom(id_: str) -> bool:
    return id_.startswith("data_header.") and id_ not in LABELS


class Rules:
    """The `correlation_mapping` of each class as it is now, remembered for a moment."""

    def __init__(
        self,
        engine: AsyncEngine,
        defaults: Callable[[], Sequence[Values]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._defaults = defaults
        self._clock = clock
        self._known: dict[tuple[int, str], Any] = {}
        self._until_s = 0.0

    async def of(self, message_class: MessageClass) -> Any:
        """As JSON, whatever somebody has made of it; none where there is no mapping. DatabaseError."""
        now_s = self._clock()
        if now_s >= self._until_s:
            async with self._engine.connect() as connection:
                rows = await find_rows(connection, MAPPING, defaults=self._defaults())
            self._known = {(row["hepid"], row["profile"]): row["correlation_mapping"] for row in rows}
            self._until_s = now_s + KNOWN_S
        return self._known.get((message_class.hepid, message_class.profile), [])

    def forget(self) -> None:
        """They may have changed."""
        self._until_s = 0.0
