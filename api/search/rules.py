"""What else belongs to a call: the rules of a mapping's `correlation_mapping`, as they can be followed.

Source: homer-app's rules. A field is `sid` or `<header>.<key>`, and what is looked up may be the SQL that
Homer took it for, `data_header->>'callid'`. Scripts are not run; one that only sets an ending behind each
value (the `_b2b-1` of Homer's seeds) is followed without. Pure, and whatever JSON a mapping holds.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from api.search.fields import Field
from capture.route import MessageClass

SCRIPTS = ("input_function_js", "input_script", "output_script")
QUICK_FIELDS = frozenset(["sid", "call_id", "correlation_id"])
"""What every bucket has an index for."""
MOST_RANGE_S = 10**12
"""Beyond any time."""
MOST_ENDING_CHARS = 100
MOST_HOPS = 8
"""Endings taken off one name: a longer chain of B2BUAs is somebody's joke, and each link costs a copy."""

_SQL_FIELD = re.compile(r"\s*(data_header|protocol_header)\s*->>\s*'([^']+)'\s*", re.ASCII)
_PUSHED = re.compile(
    r"var(?P<all>\w+)=\[\];for\(var(?P<n>\w+)=0;(?P=n)<data\.length;(?P=n)\+\+\)"
    r"\{(?P=all)\.push\(data\[(?P=n)\]\+(?P<quote>['\"])(?P<ending>[^'\"\\]+)(?P=quote)\);?\};?(?P=all);?",
    re.ASCII,
)
_MAPPED = re.compile(
    r"data\.map\(function\((?P<one>\w+)\)"
    r"\{return(?P=one)\+(?P<quote>['\"])(?P<ending>[^'\"\\]+)(?P=quote);?\}\);?",
    re.ASCII,
)


class Rule(NamedTuple):
    """Where to look for messages that have a value of a call's messages."""

    name: str
    """For people: the mapping and the rule's place in it."""
    source: str
    """The field, by its internal name, that the values come from."""
    message_class: MessageClass
    field: str
    """The field that must have one of them."""
    is_number: bool
    before_us: int
    after_us: int
    """What is added to both ends of the window."""
    is_pattern: bool = False
    """The values are patterns of LIKE."""
    tells_sids: bool = False
    """The session ids that it finds are values for all later rules."""
    joins_legs: bool = False
    """It goes from the correlation id to the session id of another leg: also the other way round, as a call
    is whole whichever leg it is opened by."""
    ending: str = ""
    """Each value counts with this behind it too."""

    @property
    def is_quick(self) -> bool:
        """Whether messages are looked up, and not searched for."""
        return not self.is_pattern and self.field in QUICK_FIELDS


class Rules(NamedTuple):
    """What a mapping says."""

    rules: tuple[Rule, ...] = ()
    skipped: tuple[str, ...] = ()
    """What is not done: scripts, and look-ups on other machines."""
    warnings: tuple[str, ...] = ()
    """Rules that find nothing because they cannot be read."""

    @property
    def endings(self) -> tuple[str, ...]:
        """Those that the names of other legs have."""
        return tuple(sorted({rule.ending for rule in self.rules if rule.ending}))


class _Unreadable(Exception):
    pass


class _Elsewhere(Exception):
    """What is to be found there is not ours to look up."""


def read_rules(
    message_class: MessageClass, given: Any, fields: Mapping[MessageClass, Mapping[str, Field]]
) -> Rules:
    """The rules of a class's mapping; `fields` are those that messages of each class can have."""
    rules, skipped, warnings = [], [], []
    for number, item in enumerate(given if isinstance(given, list) else [], 1):
        name = f"{message_class.key} rule {number}"
        if not isinstance(item, dict):
            warnings.append(f"{name}: not an object")
            continue
        ending = _ending_of(item.get("input_function_js"))
        skipped += [
            f"{name}: {script}"
            for script in SCRIPTS
            if item.get(script) and not (ending and script == "input_function_js")
        ]
        try:
            rules.append(_read(name, message_class, item, fields, ending))
        except _Unreadable as error:
            warnings.append(f"{name}: {error}")
        except _Elsewhere as error:
            skipped.append(f"{name}: {error}")
    return Rules(tuple(rules), tuple(skipped), tuple(warnings))


def stages(rules: Sequence[Rule]) -> Iterable[list[Rule]]:
    """The rules in order, cut behind each that later ones depend on."""
    stage: list[Rule] = []
    for rule in rules:
        stage.append(rule)
        if rule.tells_sids:
            yield stage
            stage = []
    if stage:
        yield stage


def with_other_legs(ids: Iterable[str], endings: Sequence[str]) -> set[str]:
    """These ids, and what other legs are called: with an ending behind it, or without those they have."""
    legs = set()
    for session_id in filter(None, ids):
        legs.add(session_id)
        for ending in endings:
            a_leg = session_id
            for _ in range(MOST_HOPS):
                if not a_leg.endswith(ending):
                    break
                a_leg = a_leg.removesuffix(ending)
                legs.add(a_leg)
            legs.add(session_id + ending)
    return legs - {""}


def _read(
    name: str,
    base: MessageClass,
    item: Mapping[str, Any],
    fields: Mapping[MessageClass, Mapping[str, Field]],
    ending: str,
) -> Rule:
    message_class = _class_of(item)
    source = _field_of(item, "source_field", fields[base])
    field = _field_of(item, "lookup_field", fields[message_class])
    before_us, after_us = _range_of(item)
    in_calls = base.is_sip and message_class is base
    return Rule(
        name,
        source.internal,
        message_class,
        field.internal,
        field.type == "integer",
        before_us,
        after_us,
        is_pattern=item.get("like_search") is True,
        tells_sids=item.get("append_sid") is True,
        joins_legs=in_calls and source.internal == "correlation_id" and field.internal in ("sid", "call_id"),
        ending=ending,
    )


def _class_of(item: Mapping[str, Any]) -> MessageClass:
    number, profile = item.get("lookup_id"), item.get("lookup_profile")
    if isinstance(number, str) and number.isascii() and number.isdigit():
        number = int(number[:9])
    if not isinstance(number, int) or isinstance(number, bool) or not isinstance(profile, str):
        raise _Unreadable("lookup_id and lookup_profile are a number and a name")
    if number == 0:
        raise _Elsewhere("a look-up on another machine (lookup_id 0)")
    try:
        return MessageClass(f"{number}_{profile}")
    except ValueError as error:
        raise _Unreadable(f"unknown profile: {number}_{profile}") from error


def _field_of(item: Mapping[str, Any], key: str, fields: Mapping[str, Field]) -> Field:
    given = item.get(key)
    if not isinstance(given, str):
        raise _Unreadable(f"{key} is not a name")
    as_sql = _SQL_FIELD.fullmatch(given)
    known = fields.get(f"{as_sql[1]}.{as_sql[2]}" if as_sql else given)
    if known is None:
        raise _Unreadable(f"unknown field: {given}")
    return known


def _range_of(item: Mapping[str, Any]) -> tuple[int, int]:
    given = item.get("lookup_range")
    if not (isinstance(given, list) and len(given) == 2 and all(map(_is_whole, given))):
        raise _Unreadable("lookup_range is not two numbers of seconds")
    before_s, after_s = (max(-MOST_RANGE_S, min(int(seconds), MOST_RANGE_S)) for seconds in given)
    return before_s * 1_000_000, after_s * 1_000_000


def _is_whole(value: object) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def _ending_of(script: object) -> str:
    """What a script sets behind each value, if that is all it does."""
    if not isinstance(script, str):
        return ""
    # But for the ending itself, blanks say nothing in these.
    bare = "".join(script.split())
    found = _PUSHED.fullmatch(bare) or _MAPPED.fullmatch(bare)
    if found is None or found["ending"] not in script or len(found["ending"]) > MOST_ENDING_CHARS:
        return ""
    return found["ending"]
