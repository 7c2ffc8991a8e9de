"""A question to the stored messages: one frozen tree, the same for narrowing in SQL and deciding in Python.

Field names are the internal ones of `capture.fields.read_fields`, and three that are told from `time_us`:
`time_seconds`, `time_useconds`, `create_date` (milliseconds). Knows nothing of HTTP, Homer's names or SQL.
"""

from collections.abc import Iterator
from enum import Enum
from typing import Union

import msgspec

from capture.route import MessageClass
from capture.text import to_text


class Operator(Enum):
    """What a condition asks of a field's value. A value that is missing fulfils `NULL` and nothing else."""

    EQUAL = "="
    """One of the values: as numbers where they are numbers, else as text, character by character."""
    LIKE = "like"
    """One of the patterns: `%` any characters, `_` any one; there is no escape. Case counts."""
    ILIKE = "ilike"
    """LIKE of both sides in lower case."""
    LESS = "<"
    LESS_EQUAL = "<="
    GREATER = ">"
    GREATER_EQUAL = ">="
    EMPTY = "empty"
    """There, but without a character."""
    NULL = "null"
    """Not there."""


class Condition(msgspec.Struct, frozen=True, tag="condition"):
    """A field against values; the field's value must fulfil the operator with one of them."""

    field: str
    operator: Operator
    values: tuple[int | str, ...] = ()


class And(msgspec.Struct, frozen=True, tag="and"):
    """All of its parts; without any it is true."""

    parts: tuple["Expression", ...]


class Or(msgspec.Struct, frozen=True, tag="or"):
    """One of its parts; without any it is false."""

    parts: tuple["Expression", ...]


class Not(msgspec.Struct, frozen=True, tag="not"):
    """Whatever its part is not: also a message that lacks the field."""

    part: "Expression"


Expression = Union[Condition, And, Or, Not]  # noqa: UP007 (the names are forward references above)

EVERYTHING = And(())
NOTHING = Or(())


class Query(msgspec.Struct, frozen=True):
    """Which messages of a class, newest first."""

    message_class: MessageClass
    from_us: int
    to_us: int
    """Both ends belong to the window; `window` makes them of Homer's milliseconds."""
    limit: int
    where: Expression = EVERYTHING


class Position(msgspec.Struct, frozen=True, order=True):
    """Where a page ended: the next one holds what sorts before this, newest first."""

    time_us: int
    id: int
    node: str = ""


_LATEST_US = 2**62
"""Beyond any sensible time, and far enough from the end of bigint for sums."""


def window(from_ms: int, to_ms: int) -> tuple[int, int]:
    """Both ends in µs; the last millisecond belongs to the window whole, or what fell into it is lost."""
    return _clamp(from_ms * 1000), _clamp(to_ms * 1000 + 999)


def _clamp(time_us: int) -> int:
    return max(-_LATEST_US, min(time_us, _LATEST_US))


def query_text(text: str) -> str:
    """A question's text in the one text form, so that it equals what a stored message shows.

    JSON can hold what no stored text can: NUL and lone surrogates.
    """
    if text.isascii() and "\0" not in text:
        return text
    return to_text(text.encode("utf-8", "surrogatepass"))


def conjunction(parts: list[Expression]) -> Expression:
    """All of these."""
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def disjunction(parts: list[Expression]) -> Expression:
    """One of these."""
    return parts[0] if len(parts) == 1 else Or(tuple(parts))


def conditions_of(expression: Expression) -> Iterator[Condition]:
    """All conditions, from left to right."""
    match expression:
        case Condition():
            yield expression
        case Not(part=part):
            yield from conditions_of(part)
        case And(parts=parts) | Or(parts=parts):
            for part in parts:
                yield from conditions_of(part)


def fields_of(expression: Expression) -> set[str]:
    """The fields that a decision needs."""
    return {condition.field for condition in conditions_of(expression)}
