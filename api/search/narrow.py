"""Which rows can fulfil a question: its pure translation to conditions on the messages table.

Every message that fulfils the question fulfils the condition (the other way round is for `match`), so
whatever is not sure is TRUE. Atoms:

- an exact comparison of a message column, which holds what a filter script has made of the field. NOT is
  taken of these only.
- `call in (select call from keys where bucket in … and …)`: a key atom, each a sub-select of its own, as a
  message (A,B) may have its values in two key rows. Rows marked `cut` are candidates of every key atom.
- TRUE: for what a missing or empty value can fulfil, for numbers compared with text, and for fields that some
  version of what is keyed did not key, by today's rule, in one of the buckets.

What scripts have set is keyed in every bucket, by whichever version: final values in the key columns, custom
headers, tags and a Call-ID that is not the session id in `extra`. So `custom:NAME` has two sources:

- scripts, which are keyed always;
- the header NAME of the payload, only if `sip.custom_headers` names it today (`Buckets.headers`), and keyed
  only where it was named by all versions of the bucket. Where one did not, messages may have the value by
  their header alone, and nothing narrows, whatever scripts have set.

A NAME that is no such header today narrows everywhere. Where it was one, key rows tell of calls that had it
as a header: that costs time only, for the header is read no more, and what scripts have set alone counts.

Values are bound, never spliced (`sql`). `m` is a row of messages, `k` one of keys. Knows nothing of
connections or HTTP.
"""

import socket
from collections.abc import Callable, Sequence
from typing import NamedTuple

from api.search.buckets import Buckets
from api.search.fields import CUSTOM
from api.search.query import And, Condition, Expression, Not, Operator, Or, Query
from api.search.sql import (
    MAX_SINGLE_PATTERNS,
    TRUE,
    Sql,
    all_of,
    any_of,
    beginning,
    begins_as,
    json,
    like,
    number,
    numbers,
    sql,
    text,
    texts,
)
from capture.route import MessageClass
from capture.sip.ids import call_hash
from capture.store.columns import keys_table

MAX_KEY_ATOMS = 40
"""Further ones are TRUE: each is planned anew for each statement."""


class Calls(NamedTuple):
    """Calls among which those of all matches are."""

    told: tuple[int, ...] = ()
    """Those that the question itself names."""
    places: Sql | None = None
    """Gives the others, each with the bucket where it was shown, more than once perhaps."""


class Narrowing(NamedTuple):
    """What a question narrows to in some buckets. All conditions are necessary, none need be sufficient."""

    rows: Sql
    """For a walk by time: column and key atoms."""
    columns: Sql
    """Column atoms alone: enough beside `call = any(…)`."""
    untimed: Sql
    """The same without the window."""
    calls: tuple[Calls, ...]
    """Each is enough: the key atoms of the outermost AND, and an OR of key atoms as one."""
    given: tuple[int, ...] | None = None
    """Such calls where the question itself tells them, but for those of `apart`."""
    apart: Sql | None = None
    """Gives the few calls whose Call-ID a filter has set, and may be any."""
    buckets: Buckets = Buckets((), 0, 0, frozenset(), frozenset())
    """Those that all this is about."""
    window: tuple[int, int] = (0, 0)
    """First and last microsecond of them that is asked for."""


class _Shown(NamedTuple):
    """The calls of an atom."""

    told: tuple[int, ...] = ()
    """By their numbers."""
    condition: Sql | None = None
    """Of their key rows `k`, as far as these are not marked `cut`."""
    planned_once: bool = True


class _Atom(NamedTuple):
    """What is known of a part of the question."""

    exact: Sql | None = None
    """True for exactly the rows that fulfil the part; NULL counts as false."""
    keys: Sql | None = None
    """A necessary condition by key atoms, to be used beside or instead of `exact`."""
    columns: Sql | None = None
    """A necessary condition on columns that is not exact."""
    calls: tuple[_Shown, ...] = ()
    given: tuple[int, ...] | None = None
    """The calls of all matches, where the question tells them, but for those of `apart`."""
    apart: Sql | None = None


_TRUE = _Atom()


def narrow(query: Query, buckets: Buckets) -> Narrowing:
    """The conditions for these buckets; the window of time is part of them."""
    translation = _Translation(query.message_class, buckets)
    atom = translation.atom(query.where)
    lower, upper = max(query.from_us, buckets.lower_us), min(query.to_us, buckets.upper_us - 1)
    in_time = sql("m.time_us between ", number(lower), " and ", number(upper))
    columns = translation.columns(atom)
    return Narrowing(
        rows=all_of([in_time, columns, TRUE if atom.keys is None else atom.keys]),
        columns=all_of([in_time, columns]),
        untimed=columns,
        calls=tuple(Calls(shown.told, translation.places_of(shown)) for shown in atom.calls),
        given=atom.given,
        apart=atom.apart,
        buckets=buckets,
        window=(lower, upper),
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
_VARIED = frozenset(
    [
        "sid",
        "correlation_id",
        "from_user",
        "to_user",
        "ruri_user",
        "pai_user",
        "auth_user",
        "contact_user",
    ]
)
"""Keys of so many values that the way to one of them is the way to any."""
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
        self._buckets = buckets
        self._key_atoms = 0

    def atom(self, expression: Expression) -> _Atom:
        match expression:
            case Condition():
                return self._condition(expression)
            case Not(part=part):
                exact = self.atom(part).exact
                return _TRUE if exact is None else _Atom(exact=sql("not coalesce(", exact, ", false)"))
            case And(parts=parts):
                return self._all([self.atom(part) for part in parts])
            case Or(parts=parts):
                return self._any([self.atom(part) for part in parts])

    def columns(self, atom: _Atom) -> Sql:
        """What the columns of every match fulfil."""
        if atom.exact is not None:
            return atom.exact
        return TRUE if atom.columns is None else atom.columns

    def _all(self, atoms: Sequence[_Atom]) -> _Atom:
        exact = _joined(all_of, [atom.exact for atom in atoms])
        told = next((atom for atom in atoms if atom.given is not None), _TRUE)
        return _Atom(
            exact=exact,
            columns=None if exact is not None else _some([self._necessary(atom) for atom in atoms]),
            keys=_some([atom.keys for atom in atoms]),
            calls=tuple(calls for atom in atoms for calls in atom.calls),
            given=told.given,
            apart=told.apart,
        )

    def _any(self, atoms: Sequence[_Atom]) -> _Atom:
        exact = _joined(any_of, [atom.exact for atom in atoms])
        calls: tuple[_Shown, ...] = ()
        if atoms and all(atom.calls for atom in atoms):
            calls = (_either([atom.calls[0] for atom in atoms]),)
        if exact is not None:
            return _Atom(exact=exact, calls=calls)
        # A column on one side and a key on the other: the whole is needed, as neither half alone is.
        sides = [_some([self._necessary(atom), atom.keys]) for atom in atoms]
        return _Atom(
            columns=_joined(any_of, [self._necessary(atom) for atom in atoms]),
            keys=_joined(any_of, sides) if any(atom.keys is not None for atom in atoms) else None,
            calls=calls,
        )

    def _necessary(self, atom: _Atom) -> Sql | None:
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
            case field if field.startswith(CUSTOM):
                is_keyed = field in self._buckets.keyed or field not in self._buckets.headers
                return self._key_atom(self._extra(field, condition)) if is_keyed else _TRUE
        return _TRUE

    def _column_number(self, condition: Condition) -> _Atom:
        values = condition.values
        if condition.operator is Operator.LIKE or not all(isinstance(value, int) for value in values):
            return _TRUE
        value = _TIMES.get(condition.field) or f"m.{condition.field}"
        given = [value for value in values if isinstance(value, int)]
        if condition.operator is Operator.EQUAL:
            return _Atom(exact=sql(f"{value} = any (", numbers(given), ")"))
        compare = f"{value} {condition.operator.value} "
        return _Atom(exact=any_of(sql(compare, number(bound)) for bound in given))

    def _method(self, condition: Condition) -> _Atom:
        given = _texts(condition.values)
        if len(given) < len(condition.values) or condition.operator not in (Operator.EQUAL, Operator.LIKE):
            return _TRUE
        return _Atom(exact=_test("m.method", condition.operator, given))

    def _node(self, condition: Condition) -> _Atom:
        """The node name or, where there is none, the capture id."""
        given = _texts(condition.values)
        atom = self._by_keys(condition, ("node",), ("node",))
        # Few nodes see all the traffic, so in a walk the columns say more, and sooner, than the keys.
        candidates = ("m.node_name", "m.capture_id::text")
        columns = any_of(_test(candidate, condition.operator, given) for candidate in candidates)
        return _Atom(columns=columns, calls=atom.calls)

    def _address(self, condition: Condition) -> _Atom:
        column = f"m.{condition.field}"
        given = _texts(condition.values)
        if condition.operator is Operator.LIKE:
            # The text forms of IPv4 agree everywhere, those of IPv6 do not.
            return _Atom(columns=any_of([sql(f"family({column}) = 6"), like(f"host({column})", given)]))
        if condition.operator is not Operator.EQUAL or len(given) < len(condition.values):
            return _TRUE
        addresses = [address for address in given if _is_address(address)]
        listed = sql("any (", texts(addresses), "::inet[])")
        calls: tuple[_Shown, ...] = ()
        if "address" in self._buckets.keyed:
            planned_once = len(addresses) == 1
            test = _as_range(addresses[0]) if planned_once else sql("= ", listed)
            # An address stands in either column of the keys, whichever end it was.
            either = any_of([sql("k.source ", test), sql("k.destination ", test)])
            calls = self._key_atom(either, varied=planned_once).calls
        return _Atom(exact=sql(f"{column} = ", listed), calls=calls)

    def _session_id(self, condition: Condition) -> _Atom:
        if condition.operator is Operator.LIKE:
            return self._by_keys(condition, ("sid",), ("sid",))
        # `call` is the hash of the session id, whoever said it: nothing needs to be keyed for this.
        return self._of_calls([call_hash(sid) for sid in _texts(condition.values)])

    def _call_id(self, condition: Condition) -> _Atom:
        """A Call-ID is the session id unless a filter has set either; then it stands in the keys' `extra`.

        That holds in every bucket: names that filters set are keyed in every version.
        """
        elsewhere = self._extra("call_id", condition)
        if condition.operator is Operator.LIKE:
            if "sid" not in self._buckets.keyed:
                return _TRUE
            return self._key_atom(any_of([like("k.sid", _texts(condition.values)), elsewhere]))
        set_by_filter = self._key_atom(elsewhere, varied=True)
        if not set_by_filter.calls:
            return _TRUE
        named = self._of_calls([call_hash(call_id) for call_id in _texts(condition.values)])
        return self._any([named, set_by_filter])._replace(given=named.given, apart=self._apart())

    # Atoms

    def _of_calls(self, calls: Sequence[int]) -> _Atom:
        told = tuple(calls)
        return _Atom(keys=sql("m.call = any (", numbers(told), ")"), calls=(_Shown(told),), given=told)

    def _by_keys(self, condition: Condition, columns: Sequence[str], needed: Sequence[str]) -> _Atom:
        if not self._buckets.keyed.issuperset(needed):
            return _TRUE
        given = _texts(condition.values)
        shown = any_of(self._key_test(f"k.{name}", condition.operator, given) for name in columns)
        has_beginning = condition.operator is Operator.EQUAL or all(map(beginning, given))
        return self._key_atom(shown, varied=has_beginning and _VARIED.issuperset(columns))

    def _key_atom(self, condition: Sql, *, varied: bool = False) -> _Atom:
        self._key_atoms += 1
        if self._key_atoms > MAX_KEY_ATOMS:
            return _TRUE
        # Hidden from the planner, which would look up all messages of all calls and sort them, where a walk
        # from the newest on ends after a few hundred.
        keys = sql("coalesce(m.call in (", self._calls_of(condition), "), false)")
        return _Atom(keys=keys, calls=(_Shown(condition=condition, planned_once=varied),))

    def _key_test(self, value: str, operator: Operator, given: Sequence[str]) -> Sql:
        if operator is Operator.LIKE and len(given) <= MAX_SINGLE_PATTERNS:
            return any_of(all_of([begins_as(value, pattern), like(value, [pattern])]) for pattern in given)
        if operator is Operator.EQUAL and len(given) == 1:
            # A list would be taken for one of ten.
            return sql(f"{value} = ", text(given[0]))
        return _test(value, operator, given)

    def _apart(self) -> Sql:
        """Calls of these buckets that may have any Call-ID.

        Without a value in it the statement is planned once a connection; its buckets are numbers of ours.
        """
        lowers = ", ".join(map(str, self._buckets.lowers))
        table = keys_table(self._message_class)
        return sql(
            f"select k.call from {table} k where k.bucket in ({lowers})"  # noqa: S608
            " and (k.extra ? 'call_id' or k.cut)"
        )

    def _calls_of(self, condition: Sql) -> Sql:
        """The calls of the key rows of these buckets that fulfil a condition."""
        return self._of_keys("k.call", self._listed_buckets(), condition)

    def places_of(self, shown: _Shown) -> Sql | None:
        """Calls with the buckets of their key rows; None where all are told."""
        if shown.condition is None:
            return None
        buckets = self._listed_buckets()
        if shown.planned_once:
            # Numbers of ours instead of values: so the one plan has these partitions alone.
            buckets = sql(f" in ({', '.join(map(str, self._buckets.lowers))})")
        places = self._of_keys("k.call, k.bucket", buckets, shown.condition)
        return places._replace(planned_once=shown.planned_once)

    def _listed_buckets(self) -> Sql:
        first, *others = self._buckets.lowers
        return sql(" = any (", numbers((first, *others)), ")") if others else sql(" = ", number(first))

    def _of_keys(self, columns: str, buckets: Sql, condition: Sql) -> Sql:
        table = keys_table(self._message_class)
        select = f"select {columns} from {table} k where k.bucket"  # noqa: S608 (names of our own)
        return sql(select, buckets, " and ", any_of([condition, sql("k.cut")]))

    def _extra(self, name: str, condition: Condition) -> Sql:
        given = _texts(condition.values)
        if condition.operator is Operator.EQUAL:
            return any_of(sql("k.extra @> ", json({name: [value]})) for value in given)
        shown = sql("jsonb_array_elements_text(k.extra -> ", text(name), ") as shown")
        exists = sql("exists (select from ", shown, " where ", like("shown", given), ")")
        return all_of([sql("k.extra ? ", text(name)), exists])


def _as_range(address: str) -> Sql:
    """Equality, as the planner does not see it.

    Where one SBC stands at an end of all calls, it would plan for any address as for that one.
    """
    value = sql(text(address), "::inet")
    return sql("between ", value, " and ", value)


def _either(parts: Sequence[_Shown]) -> _Shown:
    """The calls of all of them, by one look at the keys."""
    conditions = [part.condition for part in parts if part.condition is not None]
    return _Shown(
        tuple(call for part in parts for call in part.told),
        any_of(conditions) if conditions else None,
        planned_once=all(part.planned_once for part in parts),
    )


def _joined(join: Callable[[list[Sql]], Sql], parts: Sequence[Sql | None]) -> Sql | None:
    """All parts joined, or None as soon as one is unknown."""
    known = [part for part in parts if part is not None]
    return None if len(known) < len(parts) else join(known)


def _some(parts: Sequence[Sql | None]) -> Sql | None:
    """The known parts, all of which are necessary."""
    known = [part for part in parts if part is not None]
    return all_of(known) if known else None


def _can_be_empty(patterns: Sequence[int | str]) -> bool:
    return any(not str(pattern).strip("%") for pattern in patterns)


def _texts(values: Sequence[int | str]) -> list[str]:
    return [value for value in values if isinstance(value, str)]


def _test(value: str, operator: Operator, given: Sequence[str]) -> Sql:
    return like(value, given) if operator is Operator.LIKE else sql(f"{value} = any (", texts(given), ")")


def _is_address(text: str) -> bool:
    """Whether a stored address can show itself as this text: addresses are compared as text."""
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, text)) == text
    except (OSError, ValueError):
        return False


_TIMES = {
    "time_us": "m.time_us",
    # Stored times lie after 1970, so that PostgreSQL's division cuts as Python's does.
    "time_seconds": "m.time_us / 1000000",
    "time_useconds": "m.time_us % 1000000",
    "create_date": "m.time_us / 1000",
}
