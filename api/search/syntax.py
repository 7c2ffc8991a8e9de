"""Homer's form elements, and the value syntax in them, as one expression.

`x`, `a;b` (one of), `%` and `_` (patterns, as soon as one `%` is there), `!=` before any of these, `||`
before all (joined by OR), `isEmpty`, `!=isEmpty`, `isNull`, `!=isNull`, and for numbers `>`, `>=`, `<`, `<=`
too. An array is a list. There is no escape: a literal `%` or `_` is asked for by `_`. AND binds tighter than
OR.

What cannot be meant is never left out, which would widen the search: it is false, and says so in a warning.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from api.search.fields import Field
from api.search.match import as_number
from api.search.query import (
    NOTHING,
    Condition,
    Expression,
    Not,
    Operator,
    conditions_of,
    conjunction,
    disjunction,
    query_text,
)
from api.search.smartinput import Unreadable, blank, parse_smartinput

CONTROL_ELEMENTS = frozenset(
    ["profile", "node", "range", "targetResultsContainer", "proto_selector", "protocol_selector"]
)
"""Elements of the web UI's form that say where and how to show, not what to look for."""

MAX_ELEMENTS = 500
MAX_PATTERN_CHARS = 1000
"""A pattern is compared with whole payloads; a longer one is no one's question and too dear."""
MAX_CONDITIONS = 500
MAX_PATTERNS = 500
MAX_VALUES = 10_000
"""In one question. Each candidate is held against every pattern, and PostgreSQL plans every condition."""

_COMPARISON = re.compile(r"(>=|<=|>|<)\s*([+-]?[0-9]{1,18})\s*", re.ASCII)
_OPERATORS = {
    ">": Operator.GREATER,
    ">=": Operator.GREATER_EQUAL,
    "<": Operator.LESS,
    "<=": Operator.LESS_EQUAL,
}


class Element(NamedTuple):
    """One element of a search form; None is a value that was not sent."""

    name: str
    value: str | Sequence[str] | None
    type: str = "string"


class Limits(NamedTuple):
    """Rows of an answer: when the question names no limit, and at most."""

    default: int
    most: int


class _Room:
    """What a question may still hold, so that none of them stops the others for long."""

    def __init__(self) -> None:
        self._conditions, self._patterns, self._values = MAX_CONDITIONS, MAX_PATTERNS, MAX_VALUES

    def take(self, expression: Expression) -> Expression:
        """The expression, counted; Unreadable when there is no room for it."""
        for condition in conditions_of(expression):
            self._conditions -= 1
            if condition.operator in (Operator.LIKE, Operator.ILIKE):
                self._patterns -= len(condition.values)
            else:
                self._values -= len(condition.values)
        if min(self._conditions, self._patterns, self._values) < 0:
            raise Unreadable(
                f"more than {MAX_CONDITIONS} conditions, {MAX_PATTERNS} patterns or {MAX_VALUES} values"
            )
        return expression


@dataclass
class Reading:
    """What a form asks for."""

    where: Expression
    limit: int
    warnings: list[str] = field(default_factory=list)
    """What is false because it names an unknown field or cannot be read."""


def read_elements(
    elements: Sequence[Element], fields: Mapping[str, Field], limits: Limits, *, any_of: bool = False
) -> Reading:
    """The expression of a form's elements; `any_of` joins them by OR."""
    joined: list[tuple[bool, Expression]] = []
    limit = limits.default
    warnings: list[str] = []
    room = _Room()
    for element in elements:
        value = _text_of(element.value)
        if value is None or element.name in CONTROL_ELEMENTS:
            continue
        if element.name == "limit":
            limit = _read_limit(value, limits, warnings)
            continue
        by_or, value = _take_or(value)
        part = _read_element(element._replace(value=value), fields, room, warnings)
        if part is not None:
            joined.append((any_of or by_or, part))
    return Reading(_join(joined), limit, warnings)


def _join(joined: Sequence[tuple[bool, Expression]]) -> Expression:
    """AND binds tighter: runs between the ORs. What stands before the first part joins it to nothing."""
    run = 0
    numbered = []
    for index, (by_or, part) in enumerate(joined):
        run += by_or and index > 0
        numbered.append((run, part))
    groups = [
        conjunction([part for _, part in parts]) for _, parts in groupby(numbered, lambda pair: pair[0])
    ]
    return disjunction(groups) if groups else conjunction([])


def _text_of(value: str | Sequence[str] | None) -> str | list[str] | None:
    if value is None or isinstance(value, str):
        return value if value is None else query_text(value)
    return [query_text(item) for item in value] or None


def _take_or(value: str | list[str]) -> tuple[bool, str | list[str]]:
    rest = _without(value, "||")
    return (False, value) if rest is None else (True, rest)


def _without(value: str | list[str], prefix: str) -> str | list[str] | None:
    """The value without this prefix, which in a list stands at the first item; None if it is not there."""
    if isinstance(value, str):
        return value[len(prefix) :] if value.startswith(prefix) else None
    return [value[0][len(prefix) :], *value[1:]] if value[0].startswith(prefix) else None


def _read_limit(value: str | list[str], limits: Limits, warnings: list[str]) -> int:
    text = value if isinstance(value, str) else value[0]
    if not text.strip():
        return limits.default
    number = as_number(text)
    if number is None:
        warnings.append(f"limit is not a number: {text}")
        return 0
    return limits.most if number < 0 else min(number, limits.most)


def _read_element(
    element: Element, fields: Mapping[str, Field], room: _Room, warnings: list[str]
) -> Expression | None:
    value = element.value
    assert value is not None  # noqa: S101 (left out by the caller)
    if element.name == "smartinput":
        return _read_smartinput(value, fields, room, warnings)
    known = fields.get(element.name)
    if known is None:
        warnings.append(f"unknown field: {element.name}")
        return NOTHING
    try:
        return room.take(read_value(known, value, as_integer=element.type == "integer"))
    except Unreadable as error:
        warnings.append(f"{element.name}: {error}")
        return NOTHING


def _read_smartinput(
    value: str | Sequence[str], fields: Mapping[str, Field], room: _Room, warnings: list[str]
) -> Expression | None:
    texts = [value] if isinstance(value, str) else list(value)
    parts = []
    for text in texts:
        if text.strip():
            try:
                parts.append(room.take(parse_smartinput(text, fields, warnings)))
            except Unreadable as error:
                warnings.append(f"smartinput: {error}")
                parts.append(NOTHING)
                break
    return disjunction(parts) if parts else None


def read_value(known: Field, value: str | Sequence[str], *, as_integer: bool = False) -> Expression:
    """The condition that a value of the form means; Unreadable if it means none.

    `as_integer` is the client's word that this is a number; the field's own type counts as well.
    """
    whole = value if isinstance(value, str) else list(value)
    positive = _without(whole, "!=")
    if positive is not None:
        return Not(_positive(known, positive, as_integer=as_integer))
    return _positive(known, whole, as_integer=as_integer)


def _positive(known: Field, value: str | list[str], *, as_integer: bool) -> Expression:
    name = known.internal
    if name == "raw":
        patterns = [value] if isinstance(value, str) else value
        return Condition(name, Operator.ILIKE, _checked(patterns))
    if value in ("isNull", ["isNull"]):
        return Condition(name, Operator.NULL)
    if value in ("isEmpty", ["isEmpty"]):
        return blank(known)
    parts = value.split(";", MAX_VALUES) if isinstance(value, str) else value
    if len(parts) > MAX_VALUES:
        raise Unreadable(f"more than {MAX_VALUES} values")
    if any("%" in part for part in parts):
        return Condition(name, Operator.LIKE, _checked(parts))
    if as_integer or known.type == "integer":
        return _number(known, parts, as_integer=as_integer)
    return Condition(name, Operator.EQUAL, tuple(parts))


def _checked(patterns: Sequence[str]) -> tuple[str, ...]:
    if any(len(pattern) > MAX_PATTERN_CHARS for pattern in patterns):
        raise Unreadable(f"a pattern is longer than {MAX_PATTERN_CHARS} characters")
    return tuple(patterns)


def _number(known: Field, parts: Sequence[str], *, as_integer: bool) -> Expression:
    numbers = [as_number(part) for part in parts]
    if None not in numbers:
        return Condition(
            known.internal, Operator.EQUAL, tuple(number for number in numbers if number is not None)
        )
    if len(parts) == 1 and (compared := _COMPARISON.fullmatch(parts[0])):
        return Condition(known.internal, _OPERATORS[compared[1]], (int(compared[2]),))
    if known.type == "integer" and as_integer:
        raise Unreadable(f"not a number: {';'.join(parts)}")
    # Text in a text field that the client takes for a number (captureId in Homer's mapping), or a number
    # asked for as text: compared as text.
    return Condition(known.internal, Operator.EQUAL, tuple(parts))
