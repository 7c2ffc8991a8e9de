"""SQL in pieces: words of our own, and values, which are bound and never spliced.

A search is put together anew for each question and each group of buckets, so this is kept to joining tuples:
by SQLAlchemy's expressions the same took a millisecond a statement, a quarter of a short search.
"""

import re
import sys
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Union

import msgspec

MAX_SINGLE_PATTERNS = 16
"""So many patterns of a list can each use the index; with more the planning costs what they save."""

_LARGEST = 2**63 - 1
_WILDCARD = re.compile("[%_]")


class Bound(NamedTuple):
    """A value, and the SQL type that it is sent as."""

    value: object
    type: str


class Sql(NamedTuple):
    """A part of a statement."""

    pieces: tuple[Union[str, Bound], ...]  # noqa: UP007 (a NamedTuple's own annotations are read early)
    planned_once: bool = False
    """One plan is right whatever the values are. A part of something larger says nothing about that."""


Part = str | Bound | Sql


def sql(*parts: Part) -> Sql:
    """Parts one after the other. A `str` is SQL: nothing that a user has written."""
    pieces: list[str | Bound] = []
    for part in parts:
        if isinstance(part, Sql):
            pieces += part.pieces
        else:
            pieces.append(part)
    return Sql(tuple(pieces))


TRUE, FALSE = sql("true"), sql("false")


def all_of(parts: Iterable[Sql]) -> Sql:
    """A condition that holds where all of them do."""
    known = [part for part in parts if part != TRUE]
    return TRUE if not known else _joined(" and ", known)


def any_of(parts: Iterable[Sql]) -> Sql:
    """A condition that holds where one of them does."""
    known = [part for part in parts if part != FALSE]
    if TRUE in known:
        return TRUE
    return FALSE if not known else _joined(" or ", known)


def _joined(word: str, parts: Sequence[Sql]) -> Sql:
    if len(parts) == 1:
        return parts[0]
    between: list[Part] = ["("]
    for part in parts:
        between += (part, word)
    between[-1] = ")"
    return sql(*between)


def render(statement: Sql) -> tuple[str, list[object]]:
    """The statement as PostgreSQL takes it, and its values in the order of `$1`, `$2`, …"""
    words, values = [], []
    for piece in statement.pieces:
        if isinstance(piece, Bound):
            values.append(piece.value)
            words.append(f"${len(values)}::{piece.type}")
        else:
            words.append(piece)
    return "".join(words), values


def number(value: int) -> Bound:
    """A bigint; what is beyond is as good as the last one there is."""
    return Bound(max(-_LARGEST, min(value, _LARGEST)), "bigint")


def numbers(values: Iterable[int]) -> Bound:
    """An array; what is no bigint equals no column, and is left out."""
    return Bound([value for value in values if -_LARGEST <= value <= _LARGEST], "bigint[]")


def text(value: str) -> Bound:
    return Bound(value, "text")


def texts(values: Iterable[str]) -> Bound:
    """An array."""
    return Bound(list(values), "text[]")


def json(value: object) -> Bound:
    return Bound(msgspec.json.encode(value).decode(), "jsonb")


def like(value: str, patterns: Sequence[str]) -> Sql:
    """One of the patterns, by the LIKE of our value syntax, which knows no escape character."""
    escaped = [pattern.replace("\\", "\\\\") for pattern in patterns]
    if len(escaped) > MAX_SINGLE_PATTERNS:
        return sql(f"{value} like any (", texts(escaped), ")")
    return any_of(sql(f"{value} like ", text(pattern)) for pattern in escaped)


def beginning(pattern: str) -> str:
    """What stands before a pattern's first wildcard."""
    return _WILDCARD.split(pattern, maxsplit=1)[0]


def begins_as(value: str, pattern: str) -> Sql:
    """What stands between a pattern's beginning and the next one, for a column in the order of code points.

    A plan that is to serve all patterns cannot tell this from LIKE.
    """
    lower = beginning(pattern)
    if not lower:
        return TRUE
    # The next character; surrogates are none.
    after = 0xE000 if ord(lower[-1]) == 0xD7FF else ord(lower[-1]) + 1
    if after > sys.maxunicode:
        return TRUE
    upper = lower[:-1] + chr(after)
    return sql(f"{value} >= ", text(lower), f" and {value} < ", text(upper))
