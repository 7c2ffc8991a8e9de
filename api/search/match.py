"""The exact decision: does a message, read into its fields, fulfil a question.

Built once a question, called once a candidate, so everything that depends on the question alone happens here
first. No value can take this far beyond linear time: patterns become fixed pieces looked for from left to
right, never one regular expression with several stars. Knows nothing of SQL or HTTP.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from api.search.query import And, Condition, Expression, Not, Operator, Or

Value = str | int | None
Fields = Mapping[str, Value]
Predicate = Callable[[Fields], bool]
_Getter = Callable[[Fields], Value]
_Test = Callable[[str], bool]

_DECIMAL = re.compile(r"\s*[+-]?[0-9]{1,19}\s*", re.ASCII)
_BIGINT = 2**63


def compile_match(expression: Expression) -> Predicate:
    """The predicate of a question, over `capture.fields.read_fields`."""
    match expression:
        case Condition():
            return _condition(expression)
        case Not(part=part):
            inner = compile_match(part)
            return lambda fields: not inner(fields)
        case And(parts=parts):
            predicates = [compile_match(part) for part in parts]
            return lambda fields: all(predicate(fields) for predicate in predicates)
        case Or(parts=parts):
            predicates = [compile_match(part) for part in parts]
            return lambda fields: any(predicate(fields) for predicate in predicates)


def as_number(value: Value) -> int | None:
    """The whole number that a value is or spells out, as PostgreSQL's bigint takes it; None when it is
    neither.
    """
    if isinstance(value, int):
        return value
    if value is None or not _DECIMAL.fullmatch(value):
        return None
    number = int(value)
    return number if -_BIGINT <= number < _BIGINT else None


def _time_part(take: Callable[[int], int]) -> _Getter:
    def get(fields: Fields) -> Value:
        time_us = fields.get("time_us")
        return take(time_us) if isinstance(time_us, int) else None

    return get


_FROM_TIME: dict[str, _Getter] = {
    "time_seconds": _time_part(lambda time_us: time_us // 1_000_000),
    "time_useconds": _time_part(lambda time_us: time_us % 1_000_000),
    "create_date": _time_part(lambda time_us: time_us // 1000),
}


def getter(field: str) -> _Getter:
    """What a message has of a field, also of those that are told from its time."""
    if field in _FROM_TIME:
        return _FROM_TIME[field]
    return lambda fields: fields.get(field)


def _condition(condition: Condition) -> Predicate:
    get, values = getter(condition.field), condition.values
    match condition.operator:
        case Operator.NULL:
            return lambda fields: get(fields) is None
        case Operator.EMPTY:
            return lambda fields: get(fields) == ""
        case Operator.EQUAL:
            return _equal(get, values)
        case Operator.LIKE:
            return _like(get, [str(value) for value in values], str)
        case Operator.ILIKE:
            return _like(get, [str(value).lower() for value in values], str.lower)
        case _:
            return _compare(get, condition.operator, values)


def _equal(get: _Getter, values: Sequence[int | str]) -> Predicate:
    numbers = frozenset(value for value in values if isinstance(value, int))
    texts = frozenset(value for value in values if isinstance(value, str))

    def test(fields: Fields) -> bool:
        value = get(fields)
        if value is None:
            return False
        if texts and str(value) in texts:
            return True
        return bool(numbers) and as_number(value) in numbers

    if numbers:
        return test
    return lambda fields: (value := get(fields)) is not None and str(value) in texts


_HOLDS: dict[Operator, Callable[[int], bool]] = {
    Operator.LESS: lambda order: order < 0,
    Operator.LESS_EQUAL: lambda order: order <= 0,
    Operator.GREATER: lambda order: order > 0,
    Operator.GREATER_EQUAL: lambda order: order >= 0,
}


def _compare(get: _Getter, by: Operator, values: Sequence[int | str]) -> Predicate:
    holds = _HOLDS[by]

    def test(fields: Fields) -> bool:
        value = get(fields)
        return value is not None and any(
            order is not None and holds(order) for order in (_order(value, bound) for bound in values)
        )

    return test


def _order(value: str | int, bound: int | str) -> int | None:
    """Below 0, 0 or above 0 as the value sorts; None for what is no number beside a number."""
    if isinstance(bound, str):
        text = str(value)
        return (text > bound) - (text < bound)
    number = as_number(value)
    return None if number is None else (number > bound) - (number < bound)


def _like(get: _Getter, patterns: Sequence[str], form: Callable[[str], str]) -> Predicate:
    tests = [like_test(pattern) for pattern in patterns]

    def test(fields: Fields) -> bool:
        value = get(fields)
        if value is None:
            return False
        text = form(str(value))
        return any(matches(text) for matches in tests)

    return test


def like_test(pattern: str) -> _Test:
    """A test of whole texts against a LIKE pattern without an escape character."""
    pieces = pattern.split("%")
    if len(pieces) == 1:
        return _whole(pattern)
    first, *middle, last = pieces
    middle = [piece for piece in middle if piece]
    if "_" not in pattern:
        if not middle and not last:
            return lambda text: text.startswith(first)
        if not middle and not first:
            return lambda text: text.endswith(last)
        if len(middle) == 1 and not first and not last:
            needle = middle[0]
            return lambda text: needle in text
    return _pieces(first, middle, last)


def _whole(pattern: str) -> _Test:
    if "_" not in pattern:
        return lambda text: text == pattern
    fixed = _fixed(pattern)
    return lambda text: fixed.fullmatch(text) is not None


def _fixed(piece: str) -> re.Pattern[str]:
    """A piece as a regular expression of fixed length: linear, as nothing in it repeats."""
    return re.compile("".join("." if char == "_" else re.escape(char) for char in piece), re.DOTALL)


def _pieces(first: str, middle: Sequence[str], last: str) -> _Test:
    """Head and tail stand fast; between them the leftmost find of each piece leaves most room to the next."""
    head, tail = _fixed(first), _fixed(last)
    searches = [_fixed(piece).search for piece in middle]

    def test(text: str) -> bool:
        end = len(text) - len(last)
        if end < len(first) or not head.match(text) or not tail.match(text, end):
            return False
        place = len(first)
        for search in searches:
            found = search(text, place, end)
            if found is None:
                return False
            place = found.end()
        return True

    return test
