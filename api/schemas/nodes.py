"""Homer's names for nodes and databases."""

from typing import Any

import msgspec


class Node(msgspec.Struct):
    value: str
    """For `param.location.node`."""
    name: str
    online: bool = True


class NodesAnswer(msgspec.Struct):
    data: list[Node]
    count: int


class DatabaseInfo(msgspec.Struct):
    database_name: str
    database_version: str
    node: str
    latency_avg: int
    """Of one question, in ns."""
    latency_min: int
    latency_max: int
    last_check: str
    last_error: str
    db_stats: dict[str, Any]
    online: bool


class DatabaseInfoAnswer(msgspec.Struct):
    data: list[DatabaseInfo]


class VersionAnswer(msgspec.Struct):
    data: dict[str, Any]
    message: str = ""


class TablesAnswer(msgspec.Struct):
    data: list[str]


class FieldInfo(msgspec.Struct):
    """A field as a search names it."""

    fieldname: str
    description: str
    type: str


class FieldList(msgspec.Struct):
    data: list[FieldInfo]


class FieldsAnswer(msgspec.Struct):
    data: list[FieldList]
