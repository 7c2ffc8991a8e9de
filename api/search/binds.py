"""Values bound into the SQL of a search, each with the type of the column that it meets."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, String, any_, bindparam, false, literal, or_
from sqlalchemy.dialects.postgresql import ARRAY

MAX_SINGLE_PATTERNS = 16
"""So many patterns of a list can each use the index; with more the planning costs what they save."""

_LARGEST = 2**63 - 1


def bind_number(value: int) -> ColumnElement[int]:
    """A bigint; what is beyond is as good as the last one there is."""
    return literal(max(-_LARGEST, min(value, _LARGEST)), BigInteger)


def bind_numbers(values: Iterable[int]) -> ColumnElement[Any]:
    """An array; what is no bigint equals no column, and is left out."""
    listed = [value for value in values if -_LARGEST <= value <= _LARGEST]
    return bindparam(None, listed, ARRAY(BigInteger), unique=True)


def bind_texts(values: Sequence[str]) -> ColumnElement[Any]:
    """An array."""
    return bindparam(None, list(values), ARRAY(String), unique=True)


def like(value: ColumnElement[Any], patterns: Sequence[str]) -> ColumnElement[bool]:
    """One of the patterns, by the LIKE of our value syntax, which knows no escape character."""
    escaped = [pattern.replace("\\", "\\\\") for pattern in patterns]
    if len(escaped) > MAX_SINGLE_PATTERNS:
        return value.op("LIKE", is_comparison=True)(any_(bind_texts(escaped)))
    return or_(false(), *(value.like(literal(pattern, String)) for pattern in escaped))
