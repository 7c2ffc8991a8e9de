"""What the revisions must add up to: the tables that `capture` and `api` describe, not their leaves."""

import re

from sqlalchemy import MetaData
from sqlalchemy.schema import SchemaItem

from api import tables as api_tables
from capture.store import tables as capture_tables

TARGETS: list[MetaData] = [capture_tables.metadata, api_tables.metadata]

_LEAF = re.compile(r"(messages|keys)_\d+_[a-z]+_p\d+(_|$)")


def is_described(
    item: SchemaItem, name: str | None, type_: str, reflected: bool, compare_to: SchemaItem | None
) -> bool:
    """False for leaf tables and what hangs on them: those are data, made while running."""
    return not (reflected and name is not None and _LEAF.match(name))
