"""The mappings: those that follow from the program, and what people have changed of them.

Knows no HTTP.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.mapping import LABELS
from api.records.kind import Values
from api.records.kinds import MAPPING
from api.records.store import find_rows


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
    ids = [field.get("id") for field in kept if isinstance(field, dict)]
    later = [field for field in known if field["id"] not in ids and _is_custom(field["id"])]
    return [*kept, *later]


def _is_custom(id_: str) -> bool:
    return id_.startswith("data_header.") and id_ not in LABELS


async def correlation_rules(engine: AsyncEngine, defaults: Sequence[Values]) -> dict[tuple[int, str], Any]:
    """The `correlation_mapping` of each mapping by HEP protocol type and profile, whatever people have made
    of it. Of several it is that of the first, which the web UI takes too."""
    async with engine.connect() as connection:
        rows = await find_mappings(connection, defaults)
    return {(row["hepid"], row["profile"]): row["correlation_mapping"] for row in reversed(rows)}
