"""Kinds of settings objects as JSON Schema, for the description of the API. Knows no HTTP.

It says what is meant; what is taken is wider: numbers as text, and text for JSON that an editor has made.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Integer

from api.records.kind import INT32, INT64, Kind
from api.tables import Json

Schema = dict[str, Any]


def schema_of_kind(kind: Kind, *, is_new: bool, secrets: Sequence[str] = ()) -> Schema:
    """Of what a request may set, and of a new one must. `secrets` are texts that no answer shows."""
    properties = {name: _schema(kind, name) for name in kind.fields if name not in kind.read_only}
    properties |= {name: {"type": "string", "format": "password"} for name in secrets}
    schema: Schema = {"type": "object", "properties": properties}
    return schema | {"required": [*kind.required, *secrets]} if is_new else schema


def _schema(kind: Kind, field: str) -> Schema:
    if field in kind.checks:
        return dict(kind.checks[field].schema)
    schema = _of_column(kind.column(field))
    return schema | {"minLength": 1} if field in kind.filled else schema


def _of_column(column: Column[Any]) -> Schema:
    type_ = column.type
    if isinstance(type_, Json):
        return {}
    if isinstance(type_, Boolean):
        return {"type": "boolean"}
    if isinstance(type_, DateTime):
        return {"type": "string", "format": "date-time"}
    if isinstance(type_, Integer):
        limit = INT64 if isinstance(type_, BigInteger) else INT32
        return {"type": "integer", "minimum": -limit, "maximum": limit - 1}
    length = getattr(type_, "length", None)
    return {"type": "string"} if length is None else {"type": "string", "maxLength": length}
