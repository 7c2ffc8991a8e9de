"""Which rows can fulfil a question: its pure translation to conditions on the messages table.

Every message that fulfils the question fulfils the condition (the other way round is for `match`), so
whatever is not sure is TRUE. Atoms:

- an exact comparison of a message column. A filter script may have changed the field since; then the row's
  `extra` says so, and the row is a candidate whatever the column holds. NOT is taken of these only.
- `call in (select call from keys where bucket in … and …)`: a key atom, each a sub-select of its own, as a
  message (A,B) may have its values in two key rows. Rows marked `cut` are candidates of every key atom.
- TRUE: for what a missing or empty value can fulfil, for numbers compared with text, and for fields that some
  version of what is keyed did not key, by today's rule, in one of the buckets.

Values are bound, never spliced. Knows nothing of connections or HTTP.
"""

import socket
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    String,
    Table,
    and_,
    any_,
    cast,
    column,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, INET, JSONB
from sqlalchemy.sql.elements import True_

from api.search.binds import bind_number, bind_numbers, bind_texts, like
from api.search.query import And, Condition, Expression, Not, Operator, Or, Query
from capture.route import MessageClass
from capture.sip.ids import call_hash
from capture.store.tables import KEYS, MESSAGES

MAX_KEY_ATOMS = 40
"""Further ones are TRUE: each is planned anew for each statement."""


class Buckets(NamedTuple):
    """Neighbouring partitions of a class in which the same is keyed."""

    lowers: tuple[int, ...]
    """Their lower bounds: the values of `bucket` in their key rows."""
    lower_us: int
    upper_us: int
    """Half-open."""
    keyed: frozenset[str]
    """Names of `capture.keys.keyed_rules` that every version noted in every one of them keys by today's rule.
    """


class Narrowing(NamedTuple):
    """What a question narrows to in some buckets. All conditions are necessary, none need be sufficient."""

    rows: ColumnElement[bool]
    """For a walk by time: column and key atoms."""
    columns: ColumnElement[bool]
    """Column atoms alone: enough beside `call = any(…)`."""
    calls: tuple[Select[tuple[int]], ...]
    """Each gives calls, more than once perhaps, among which those of all matches are: the key atoms of the
    outermost AND, and an OR of key atoms as one."""
    given: tuple[int, ...] | None = None
    """Such calls where the question itself tells them."""


class _Atom(NamedTuple):
    """What is known of a part of the question."""

    exact: ColumnElement[bool] | None = None
    """True for exactly the rows that no filter has changed and that fulfil the part; NULL counts as false."""
    keys: ColumnElement[bool] | None = None
    """A necessary condition by key atoms, to be used beside or instead of `exact`."""
    columns: ColumnElement[bool] | None = None
    """A necessary condition on columns that is not exact."""
    calls: tuple[Select[tuple[int]], ...] = ()
    given: tuple[int, ...] | None = None
    """The calls of all matches, where the question tells them."""


_TRUE = _Atom()


def narrow(query: Query, buckets: Buckets) -> Narrowing:
    """The conditions for these buckets; the window of time is part of them."""
    translation = _Translation(query.message_class, buckets)
    atom = translation.atom(query.where)
    messages = MESSAGES[query.message_class]
    lower, upper = max(query.from_us, buckets.lower_us), min(query.to_us, buckets.upper_us - 1)
    in_time = messages.c.time_us.between(bind_number(lower), bind_number(upper))
    columns = translation.columns(atom)
    return Narrowing(
        rows=and_(in_time, columns, true() if atom.keys is None else atom.keys),
        columns=and_(in_time, columns),
        calls=atom.calls,
        given=atom.given,
    )


_KEYED_TEXT = frozenset(
    [
        "from_user",
        "from_domain",
        "to_user",
        "to_domain",
        "ruri_user",
        "ruri_domain",
        "pai_user",
        "auth_user",
        "contact_user",
        "user_agent",
    ]
)
_COLUMN_NUMBERS = frozenset(
    [
        "id",
        "source_port",
        "destination_port",
        "protocol_type",
        "ip_protocol",
        "flags",
        "delay_us",
        "capture_id",
    ]
)


class _Translation:
    """One question in one set of buckets."""

    def __init__(self, message_class: MessageClass, buckets: Buckets) -> None:
        self._message_class = message_class
        self._messages: Table = MESSAGES[message_class]
        self._key_table: Table = KEYS[message_class]
        self._buckets = buckets
        self._key_atoms = 0

    def atom(self, expression: Expression) -> _Atom:
        match expression:
            case Condition():
                return self._condition(expression)
            case Not(part=part):
                exact = self.atom(part).exact
                return _TRUE if exact is None else _Atom(exact=not_(func.coalesce(exact, false())))
            case And(parts=parts):
                return self._all([self.atom(part) for part in parts])
            case Or(parts=parts):
                return self._any([self.atom(part) for part in parts])

    def columns(self, atom: _Atom) -> ColumnElement[bool]:
        """What the columns of every match fulfil."""
        if isinstance(atom.exact, True_):
            return atom.exact
        if atom.exact is not None:
            return or_(atom.exact, self._messages.c.extra.has_key("fields"))
        return true() if atom.columns is None else atom.columns

    def _all(self, atoms: Sequence[_Atom]) -> _Atom:
        exact = _joined(and_, [atom.exact for atom in atoms], true())
        return _Atom(
            exact=exact,
            columns=None if exact is not None else _some(and_, [self._necessary(atom) for atom in atoms]),
            keys=_some(and_, [atom.keys for atom in atoms]),
            calls=tuple(calls for atom in atoms for calls in atom.calls),
            given=next((atom.given for atom in atoms if atom.given is not None), None),
        )

    def _any(self, atoms: Sequence[_Atom]) -> _Atom:
        exact = _joined(or_, [atom.exact for atom in atoms], false())
        calls: tuple[Select[tuple[int]], ...] = ()
        if atoms and all(atom.calls for atom in atoms):
            calls = (_union([atom.calls[0] for atom in atoms]),)
        if exact is not None:
            return _Atom(exact=exact, calls=calls)
        # A column on one side and a key on the other: the whole is needed, as neither half alone is.
        sides = [_some(and_, [self._necessary(atom), atom.keys]) for atom in atoms]
        return _Atom(
            columns=_joined(or_, [self._necessary(atom) for atom in atoms], false()),
            keys=_joined(or_, sides, false()) if any(atom.keys is not None for atom in atoms) else None,
            calls=calls,
        )

    def _necessary(self, atom: _Atom) -> ColumnElement[bool] | None:
        return None if atom.exact is None and atom.columns is None else self.columns(atom)

    # Conditions

    def _condition(self, condition: Condition) -> _Atom:
        if condition.operator in (Operator.EMPTY, Operator.NULL, Operator.ILIKE):
            return _TRUE
        if condition.operator is Operator.LIKE and _can_be_empty(condition.values):
            return _TRUE
        if condition.operator is Operator.EQUAL and "" in condition.values:
            return _TRUE
        field = condition.field
        if field in _COLUMN_NUMBERS or field in _TIMES:
            return self._column_number(condition)
        if field in ("source", "destination"):
            return self._address(condition)
        if field == "method" and self._message_class.is_sip:
            return self._method(condition)
        if condition.operator not in (Operator.EQUAL, Operator.LIKE) or any(
            isinstance(value, int) for value in condition.values
        ):
            return _TRUE
        return self._text(condition)

    def _text(self, condition: Condition) -> _Atom:
        match condition.field:
            case "sid":
                return self._session_id(condition)
            case "call_id":
                return self._call_id(condition)
            case "correlation_id":
                # A correlation id that equals the session id stands there as the session id alone.
                return self._by_keys(condition, ("correlation_id", "sid"), ("correlation_id", "sid"))
            case "node":
                return self._node(condition)
            case field if field in _KEYED_TEXT:
                return self._by_keys(condition, (field,), (field,))
            case field if field.startswith("custom:") and field in self._buckets.keyed:
                return self._key_atom(self._extra(field, condition))
        return _TRUE

    def _column_number(self, condition: Condition) -> _Atom:
        values = condition.values
        if condition.operator is Operator.LIKE or not all(isinstance(value, int) for value in values):
            return _TRUE
        read = _TIMES.get(condition.field)
        value = read(self._messages) if read else self._messages.c[condition.field]
        numbers = [number for number in values if isinstance(number, int)]
        if condition.operator is Operator.EQUAL:
            return _Atom(exact=value == any_(bind_numbers(numbers)))
        compare = _COMPARE[condition.operator]
        return _Atom(exact=or_(false(), *(compare(value, bind_number(number)) for number in numbers)))

    def _method(self, condition: Condition) -> _Atom:
        texts = _texts(condition.values)
        method = self._messages.c.method
        if len(texts) < len(condition.values):
            return _TRUE
        if condition.operator is Operator.LIKE:
            return _Atom(exact=like(method, texts))
        return (
            _Atom(exact=method == any_(bind_texts(texts))) if condition.operator is Operator.EQUAL else _TRUE
        )

    def _node(self, condition: Condition) -> _Atom:
        """The node name or, where there is none, the capture id."""
        texts = _texts(condition.values)
        candidates = (self._messages.c.node_name, cast(self._messages.c.capture_id, String))
        atom = self._by_keys(condition, ("node",), ("node",))
        # Few nodes see all the traffic, so in a walk the columns say more, and sooner, than the keys.
        columns = or_(
            self._messages.c.extra.has_key("fields"),
            *(_test(candidate, condition.operator, texts) for candidate in candidates),
        )
        return _Atom(columns=columns, calls=atom.calls)

    def _address(self, condition: Condition) -> _Atom:
        messages = self._messages.c[condition.field]
        texts = _texts(condition.values)
        if condition.operator is Operator.LIKE:
            # The text forms of IPv4 agree everywhere, those of IPv6 do not.
            likely = or_(
                func.family(messages) == 6,
                like(func.host(messages), texts),
                self._messages.c.extra.has_key("fields"),
            )
            return _Atom(columns=likely)
        if condition.operator is not Operator.EQUAL or len(texts) < len(condition.values):
            return _TRUE
        addresses = [text for text in texts if _is_address(text)]
        listed = any_(cast(bind_texts(addresses), ARRAY(INET)))
        calls: tuple[Select[tuple[int]], ...] = ()
        if "address" in self._buckets.keyed:
            # An address stands in either column of the keys, whichever end it was.
            either = or_(self._key_table.c.source == listed, self._key_table.c.destination == listed)
            calls = self._key_atom(either).calls
        return _Atom(exact=messages == listed, calls=calls)

    def _session_id(self, condition: Condition) -> _Atom:
        texts = _texts(condition.values)
        if condition.operator is Operator.LIKE:
            return self._by_keys(condition, ("sid",), ("sid",))
        # `call` is the hash of the session id, whoever said it: nothing needs to be keyed for this.
        return self._of_calls([call_hash(text) for text in texts])

    def _call_id(self, condition: Condition) -> _Atom:
        """A Call-ID is the session id unless a filter has set either; then it stands in the keys' `extra`.

        That holds in every bucket: names that filters set are keyed in every version.
        """
        elsewhere = self._extra("call_id", condition)
        if condition.operator is Operator.LIKE:
            if "sid" not in self._buckets.keyed:
                return _TRUE
            return self._key_atom(or_(like(self._key_table.c.sid, _texts(condition.values)), elsewhere))
        set_by_filter = self._key_atom(elsewhere)
        if not set_by_filter.calls:
            return _TRUE
        return self._any(
            [self._of_calls([call_hash(text) for text in _texts(condition.values)]), set_by_filter]
        )

    # Atoms

    def _of_calls(self, calls: Sequence[int]) -> _Atom:
        listed = bind_numbers(calls)
        given = func.unnest(listed).table_valued(column("call", BigInteger)).render_derived()
        return _Atom(
            keys=self._messages.c.call == any_(listed), calls=(select(given.c.call),), given=tuple(calls)
        )

    def _by_keys(self, condition: Condition, columns: Sequence[str], needed: Sequence[str]) -> _Atom:
        if not self._buckets.keyed.issuperset(needed):
            return _TRUE
        texts = _texts(condition.values)
        return self._key_atom(
            or_(*(_test(self._key_table.c[name], condition.operator, texts) for name in columns))
        )

    def _key_atom(self, condition: ColumnElement[bool]) -> _Atom:
        self._key_atoms += 1
        if self._key_atoms > MAX_KEY_ATOMS:
            return _TRUE
        keys = self._key_table.c
        lowers = self._buckets.lowers
        in_buckets = keys.bucket == (
            bind_number(lowers[0]) if len(lowers) == 1 else any_(bind_numbers(lowers))
        )
        calls: Select[tuple[int]] = select(keys.call).where(in_buckets, or_(condition, keys.cut))
        return _Atom(keys=self._messages.c.call.in_(calls), calls=(calls,))

    def _extra(self, name: str, condition: Condition) -> ColumnElement[bool]:
        extra = self._key_table.c.extra
        texts = _texts(condition.values)
        if condition.operator is Operator.EQUAL:
            return or_(false(), *(extra.contains(literal({name: [text]}, JSONB)) for text in texts))
        shown = func.jsonb_array_elements_text(extra[name]).column_valued("shown")
        return and_(extra.has_key(name), select(1).where(like(shown, texts)).exists())


def _union(selects: Sequence[Select[tuple[int]]]) -> Select[tuple[int]]:
    if len(selects) == 1:
        return selects[0]
    first, *rest = selects
    together = first.union_all(*rest).subquery()
    return select(together.c.call)


def _joined(
    join: Callable[..., ColumnElement[bool]],
    parts: Sequence[ColumnElement[bool] | None],
    empty: ColumnElement[bool],
) -> ColumnElement[bool] | None:
    """All parts joined, or None as soon as one is unknown."""
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return join(*known) if known else empty


def _some(
    join: Callable[..., ColumnElement[bool]], parts: Sequence[ColumnElement[bool] | None]
) -> ColumnElement[bool] | None:
    """The known parts joined (they must be joined by AND for this to be a necessary condition)."""
    known = [part for part in parts if part is not None]
    return join(*known) if known else None


def _can_be_empty(patterns: Sequence[int | str]) -> bool:
    return any(not str(pattern).strip("%") for pattern in patterns)


def _texts(values: Sequence[int | str]) -> list[str]:
    return [value for value in values if isinstance(value, str)]


def _test(value: ColumnElement[Any], operator: Operator, texts: Sequence[str]) -> ColumnElement[bool]:
    return like(value, texts) if operator is Operator.LIKE else value == any_(bind_texts(texts))


def _is_address(text: str) -> bool:
    """Whether a stored address can show itself as this text: addresses are compared as text."""
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, text)) == text
    except (OSError, ValueError):
        return False


_TIMES: dict[str, Callable[[Table], ColumnElement[Any]]] = {
    "time_us": lambda messages: messages.c.time_us,
    # Stored times lie after 1970, so that PostgreSQL's division cuts as Python's does.
    "time_seconds": lambda messages: messages.c.time_us // bind_number(1_000_000),
    "time_useconds": lambda messages: messages.c.time_us % bind_number(1_000_000),
    "create_date": lambda messages: messages.c.time_us // bind_number(1000),
}
_COMPARE: dict[Operator, Callable[[ColumnElement[Any], ColumnElement[int]], ColumnElement[bool]]] = {
    Operator.LESS: lambda value, bound: value < bound,
    Operator.LESS_EQUAL: lambda value, bound: value <= bound,
    Operator.GREATER: lambda value, bound: value > bound,
    Operator.GREATER_EQUAL: lambda value, bound: value >= bound,
}
