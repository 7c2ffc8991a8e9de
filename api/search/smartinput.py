"""The smart input: `field op value [AND|OR field op value …]` with parentheses, as an expression.

    expression = conjunction *( OR conjunction )
    conjunction = term *( AND term )
    term = "(" expression ")" / field operator value
    field = name / quoted
    operator = "=" / "!=" / ">" / ">=" / "<" / "<=" / LIKE
    value = quoted / word
    quoted = "'" *( any / "''" ) "'" / '"' *( any / '""' ) '"'

Read by place, not by a list of reserved words: after a field only an operator can stand, after an operator a
value, so that `from_user = asterisk` or `= SET` is a value and spaces are needed only where two words would
run together. A word ends at a blank or at a parenthesis that it did not open. A value with `%` is a pattern,
whatever the operator; there is no escape.
"""

import re
from collections.abc import Mapping
from typing import Never

from api.search.fields import Field
from api.search.match import as_number
from api.search.query import (
    NOTHING,
    Condition,
    Expression,
    Not,
    Operator,
    Or,
    conjunction,
    disjunction,
)

MAX_CHARS = 100_000
MAX_DEPTH = 40
MAX_CONDITIONS = 200
MAX_PATTERN_CHARS = 1000

_BLANK = re.compile(r"\s*")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_.:\-]*")
_OPERATOR = re.compile(r"!=|>=|<=|=|>|<|(?:LIKE|like)(?![A-Za-z0-9_])")
_JOINER = re.compile(r"(AND|OR)(?![A-Za-z0-9_])", re.IGNORECASE)
_QUOTED = {"'": re.compile(r"'((?:[^']|'')*)'"), '"': re.compile(r'"((?:[^"]|"")*)"')}

_COMPARE = {
    ">": Operator.GREATER,
    ">=": Operator.GREATER_EQUAL,
    "<": Operator.LESS,
    "<=": Operator.LESS_EQUAL,
}


class Unreadable(Exception):
    """A value or an expression that means nothing."""


def parse_smartinput(text: str, fields: Mapping[str, Field], warnings: list[str]) -> Expression:
    """The expression; Unreadable when it does not follow the grammar.

    A condition on an unknown field is false, and `warnings` gets to know it.
    """
    if len(text) > MAX_CHARS:
        raise Unreadable(f"longer than {MAX_CHARS} characters")
    reader = _Reader(text, fields, warnings)
    expression = reader.expression(0)
    if not reader.at_end():
        reader.fail("AND, OR or the end")
    return expression


def field_as_written(name: str) -> str:
    """A field as an expression may name it: in quotes where it is no plain word."""
    if _FIELD.fullmatch(name):
        return name
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


class _Reader:
    """A recursive descent over the text; the place moves only forward."""

    def __init__(self, text: str, fields: Mapping[str, Field], warnings: list[str]) -> None:
        self._text = text
        self._place = 0
        self._fields = fields
        self._warnings = warnings
        self._conditions = 0

    def at_end(self) -> bool:
        self._skip_blank()
        return self._place == len(self._text)

    def fail(self, expected: str) -> Never:
        rest = self._text[self._place :]
        seen = f"{rest[:20]!r}" if rest else "the end"
        raise Unreadable(f"expected {expected} at character {self._place + 1}, found {seen}")

    def expression(self, depth: int) -> Expression:
        parts = [self._conjunction(depth)]
        while self._take_joiner("OR"):
            parts.append(self._conjunction(depth))
        return disjunction(parts)

    def _conjunction(self, depth: int) -> Expression:
        parts = [self._term(depth)]
        while self._take_joiner("AND"):
            parts.append(self._term(depth))
        return conjunction(parts)

    def _term(self, depth: int) -> Expression:
        if not self._take("("):
            return self._condition()
        if depth == MAX_DEPTH:
            raise Unreadable(f"more than {MAX_DEPTH} parentheses deep")
        inner = self.expression(depth + 1)
        if not self._take(")"):
            self.fail("AND, OR or )")
        return inner

    def _condition(self) -> Expression:
        self._conditions += 1
        if self._conditions > MAX_CONDITIONS:
            raise Unreadable(f"more than {MAX_CONDITIONS} conditions")
        name = self._quoted() or self._match(_FIELD, "a field")[0]
        operator = self._match(_OPERATOR, "an operator (= != > >= < <= LIKE)")[0]
        value = self._value()
        known = self._fields.get(name)
        if known is None:
            self._warnings.append(f"unknown field: {name}")
            return NOTHING
        return _meaning(known, operator.upper(), value)

    def _value(self) -> str:
        quoted = self._quoted()
        return self._word() if quoted is None else quoted

    def _quoted(self) -> str | None:
        """What stands in quotes here; None when nothing does."""
        self._skip_blank()
        quote = self._text[self._place : self._place + 1]
        if quote not in _QUOTED:
            return None
        return self._match(_QUOTED[quote], f"a closing {quote}")[1].replace(quote * 2, quote)

    def _word(self) -> str:
        start, opened = self._place, 0
        while self._place < len(self._text):
            char = self._text[self._place]
            if char.isspace() or (char == ")" and not opened):
                break
            if char == "=":
                self.fail("a quoted value where = is part of it")
            opened += (char == "(") - (char == ")")
            self._place += 1
        if start == self._place:
            self.fail("a value")
        return self._text[start : self._place]

    def _match(self, pattern: re.Pattern[str], expected: str) -> re.Match[str]:
        self._skip_blank()
        found = pattern.match(self._text, self._place)
        if found is None:
            self.fail(expected)
        self._place = found.end()
        return found

    def _take(self, char: str) -> bool:
        self._skip_blank()
        taken = self._text.startswith(char, self._place)
        self._place += taken
        return taken

    def _take_joiner(self, word: str) -> bool:
        self._skip_blank()
        found = _JOINER.match(self._text, self._place)
        if found is None or found[1].upper() != word:
            return False
        self._place = found.end()
        return True

    def _skip_blank(self) -> None:
        blank = _BLANK.match(self._text, self._place)
        self._place = blank.end() if blank else self._place


def blank(known: Field) -> Expression:
    """Nothing in it: empty, or not there."""
    return Or((Condition(known.internal, Operator.EMPTY), Condition(known.internal, Operator.NULL)))


def _meaning(known: Field, operator: str, value: str) -> Expression:
    negated = operator == "!="
    words = {"isEmpty": blank(known), "isNull": Condition(known.internal, Operator.NULL)}
    if value in words and known.internal != "raw" and operator in ("=", "!="):
        condition = words[value]
    else:
        condition = _condition(known, operator, value)
    return Not(condition) if negated else condition


def _condition(known: Field, operator: str, value: str) -> Condition:
    name = known.internal
    if "%" in value or operator == "LIKE" or (name == "raw" and operator in ("=", "!=")):
        if len(value) > MAX_PATTERN_CHARS:
            raise Unreadable(f"a pattern is longer than {MAX_PATTERN_CHARS} characters")
        return Condition(name, Operator.ILIKE if name == "raw" else Operator.LIKE, (value,))
    by = _COMPARE.get(operator, Operator.EQUAL)
    if known.type == "string":
        return Condition(name, by, (value,))
    number = as_number(value)
    if number is None:
        raise Unreadable(f"not a number: {value}")
    return Condition(name, by, (number,))
