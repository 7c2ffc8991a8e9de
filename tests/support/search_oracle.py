"""An oracle of searches: random questions in Homer's value syntax, and the answer to each by looking at every
message.

Written from the description of the syntax (docs/api.md) alone; it knows nothing of `capture` and `api`.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random
from typing import Any

from tests.support.search_messages import (
    AGENTS,
    CIDS,
    DOMAINS,
    METHODS,
    NODES,
    PORTS,
    SOURCES,
    USERS,
    Sent,
    Value,
    shown,
)

NUMBERS = frozenset(
    [
        *(f"protocol_header.{name}" for name in ("srcPort", "dstPort", "payloadType", "protocol")),
        *(f"protocol_header.{name}" for name in ("protocolFamily", "timeSeconds", "timeUseconds")),
        *(f"data_header.{name}" for name in ("cic", "opc", "dpc")),
        *("id", "create_date"),
    ]
)
"""Fields whose values are numbers."""
SPELT_NUMBERS = frozenset(["protocol_header.captureId", "data_header.from_user", "data_header.expires"])
"""Text that a client may call a number: then `7` finds what spells 7."""

CLASSES = ["1_call"] * 6 + ["1_registration", "1_default"] * 2
CLASSES += ["5_default", "35_default", "53_default", "54_default", "100_default"]
OFTEN = [
    "sid",
    "protocol_header.correlation_id",
    "protocol_header.srcIp",
    "protocol_header.dstIp",
    "protocol_header.srcPort",
    "data_header.callid",
    "data_header.method",
    "data_header.from_user",
    "data_header.to_user",
    "data_header.user_agent",
    "data_header.X-CID",
    "data_header.X-Late",
    "data_header.customer",
]
"""What every other question is about: what narrows."""

_WORD = re.compile(r"[A-Za-z0-9_.\-]+")
_DECIMAL = re.compile(r"\s*[+-]?[0-9]{1,18}\s*", re.ASCII)


@dataclass(frozen=True)
class Asked:
    """One comparison: the field against alternatives."""

    name: str
    kind: str
    """equal, number, like, empty, null, or a comparison."""
    values: tuple[str, ...] = ()
    negated: bool = False

    def holds(self, fields: dict[str, Value]) -> bool:
        value = fields.get(self.name)
        return self._fulfilled(value) is not self.negated

    def _fulfilled(self, value: Value) -> bool:
        if self.kind == "null":
            return value is None
        if self.kind == "empty":
            return value in (None, "")
        if value is None:
            return False
        text = str(value)
        match self.kind:
            case "like" if self.name == "raw":
                return any(_fits(pattern.lower(), text.lower()) for pattern in self.values)
            case "like":
                return any(_fits(pattern, text) for pattern in self.values)
            case "equal":
                return text in self.values
            case "number":
                return bool(_DECIMAL.fullmatch(text)) and int(text) in map(int, self.values)
        return self._compares(value, self.values[0])

    def _compares(self, value: str | int, bound: str) -> bool:
        left, right = (int(value), int(bound)) if self.name in NUMBERS else (str(value), bound)
        return {">": left > right, ">=": left >= right, "<": left < right, "<=": left <= right}[self.kind]


def _fits(pattern: str, text: str) -> bool:
    return _regex(pattern).fullmatch(text) is not None


@lru_cache
def _regex(pattern: str) -> re.Pattern[str]:
    regex = "".join({"%": ".*", "_": "."}.get(char) or re.escape(char) for char in pattern)
    return re.compile(regex, re.DOTALL)


@dataclass(frozen=True)
class Smart:
    """`left OR right` or `left AND right`."""

    left: Any
    joiner: str
    right: Any

    def holds(self, fields: dict[str, Value]) -> bool:
        if self.joiner == "AND":
            return self.left.holds(fields) and self.right.holds(fields)
        return self.left.holds(fields) or self.right.holds(fields)


@dataclass
class Part:
    """What is asked of one class: a form, and what it means: groups joined by OR of comparisons joined by
    AND."""

    elements: list[dict[str, Any]] = field(default_factory=list)
    groups: list[list[Any]] = field(default_factory=lambda: [[]])

    def holds(self, fields: dict[str, Value]) -> bool:
        return any(all(asked.holds(fields) for asked in group) for group in self.groups)


@dataclass
class Question:
    """A search."""

    parts: dict[str, Part]
    """By class."""
    from_ms: int
    to_ms: int
    limit: int
    any_of: bool

    def body(self) -> dict[str, Any]:
        """What is sent."""
        search = {key: part.elements for key, part in self.parts.items()}
        return {
            "param": {"search": search, "orlogic": self.any_of},
            "timestamp": {"from": self.from_ms, "to": self.to_ms},
        }

    def answer(self, messages: list[Sent]) -> list[int]:
        """The times of all matches, oldest first."""
        first_us, last_us = self.from_ms * 1000, self.to_ms * 1000 + 999
        return [
            message.time_us
            for message in messages
            if message.key in self.parts
            and first_us <= message.time_us <= last_us
            and self.parts[message.key].holds(message.fields)
        ]


def transaction(call_ids: set[str], messages: list[Sent]) -> list[int]:
    """The times of all messages of these calls of `1_call`, and of those that its rules join to them: other
    legs, then log lines and RTCP of every leg."""
    wanted = _with_other_legs(call_ids)
    calls = [message for message in messages if message.key.startswith("1_") and _sid(message) in wanted]
    named = call_ids | _values("data_header.callid", calls)
    legs = _with_other_legs(call_ids | _values(_CORRELATED, calls))
    joined = [
        message
        for message in messages
        if message.key == "1_call" and (_sid(message) in legs or message.fields[_CORRELATED] in legs)
    ]
    told = named | _values("sid", joined)
    names = _with_other_legs(named)
    joined += [
        message
        for message in messages
        if (message.key == "1_call" and message.fields["data_header.callid"] in names)
        or (message.key in ("100_default", "5_default") and _sid(message) in told)
    ]
    there = {id(message) for message in calls + joined}
    return [message.time_us for message in messages if id(message) in there]


_CORRELATED = "protocol_header.correlation_id"
_LEG = "_b2b-1"


def _sid(message: Sent) -> Value:
    return message.fields["sid"]


def _values(name: str, messages: list[Sent]) -> set[str]:
    return {str(message.fields[name]) for message in messages if message.fields[name] not in (None, "")}


def _with_other_legs(ids: set[str]) -> set[str]:
    legs = ids | {session_id + _LEG for session_id in ids}
    while shorter := {leg.removesuffix(_LEG) for leg in legs} - legs:
        legs |= shorter
    return legs - {""}


def make_question(random: Random, messages: list[Sent]) -> Question:
    """A question of one class or two, with one to three elements each, that some messages are likely to
    answer."""
    keys = {random.choice(CLASSES) for _ in range(random.choice([1, 1, 1, 1, 2]))}
    any_of = random.random() < 0.15
    limit = random.choice([3, 20, 1000])
    examples = {
        key: _example(random, [message for message in messages if message.key == key]) for key in keys
    }
    parts = {key: _part(random, example, limit, any_of=any_of) for key, example in examples.items()}
    begin, end = messages[0].time_us // 1000, messages[-1].time_us // 1000 + 1
    if random.random() < 0.5:
        some_us = next(iter(examples.values())).time_us
        hour_ms = 3_600_000
        # Mostly within what is busy, often where a bucket may begin.
        moments = [
            begin,
            end,
            random.randrange(begin, end),
            some_us // 1000,
            some_us // 1000 // hour_ms * hour_ms,
        ]
        begin, end = sorted(random.choice(moments) for _ in range(2))
    return Question(parts, begin, end, limit, any_of)


def _example(random: Random, messages: list[Sent]) -> Sent:
    """Mostly one that a script has changed."""
    changed = [message for message in messages if message.changed]
    return random.choice(changed if changed and random.random() < 0.6 else messages)


def _part(random: Random, example: Sent, limit: int, *, any_of: bool) -> Part:
    part = Part()
    # More than a few parts are rare, and with more than some of them nothing more is narrowed.
    count = random.choice([1, 1, 2, 2, 3]) if random.random() < 0.98 else 50
    for index in range(count):
        by_or = index > 0 and (any_of or random.random() < 0.3)
        prefix = "||" if by_or and not any_of else ""
        if random.random() < 0.25:
            asked, text = _smart(random, example)
            element = {"name": "smartinput", "value": prefix + text, "type": "string"}
        else:
            asked = _asked(random, example)
            element = _element(random, asked, prefix)
        if by_or:
            part.groups.append([])
        part.groups[-1].append(asked)
        part.elements.append(element)
    control = {"name": "limit", "value": str(limit), "type": "string"}
    part.elements.insert(random.randrange(len(part.elements) + 1), control)
    return part


def _asked(random: Random, example: Sent) -> Asked:
    often = [name for name in OFTEN if name in example.fields]
    if example.changed and random.random() < 0.7:
        often = list(example.changed)
    name = random.choice(often if random.random() < 0.8 else list(example.fields))
    value = example.fields[name]
    text = str(value) if value is not None else "5060" if name in NUMBERS else ""
    negated = random.random() < 0.25
    kind = random.random()
    if name == "id":
        # Only what was read back from the tables: not all messages have one here.
        return Asked(name, "equal", (text,), negated)
    if name == "raw":
        return Asked(name, "like", (_contained(random, text[:300]),), negated)
    if kind < 0.1:
        return Asked(name, "empty", (), negated)
    if kind < 0.15:
        return Asked(name, "null", (), negated)
    if name in NUMBERS and value is not None and kind < 0.35:
        return Asked(name, random.choice([">", ">=", "<", "<="]), (text,))
    if name in SPELT_NUMBERS and _DECIMAL.fullmatch(text) and kind < 0.3:
        return Asked(
            name, "number", (("" if text.startswith("+") else random.choice(["", "0", "+"])) + text,), negated
        )
    # Of many patterns the database is asked in another way than of few.
    count = random.randrange(3) if random.random() < 0.95 else 20
    others = [str(random.choice(pool)) for pool in _pools(name) for _ in range(count)]
    if kind < 0.7 or ";" in text:
        values = (text, *others)
        # A literal % makes patterns of all the values of a list.
        return Asked(name, "like" if any("%" in part for part in values) else "equal", values, negated)
    patterns = [_pattern(random, part) for part in [text, *others]]
    if not any("%" in pattern for pattern in patterns):
        patterns[0] += "%"
    return Asked(name, "like", tuple(patterns), negated)


def _pools(name: str) -> list[list[Any]]:
    last = name.rpartition(".")[2]
    addresses = [address for of_family in SOURCES.values() for address in of_family]
    pools: dict[str, list[Any]] = {
        "user_agent": list(map(shown, AGENTS)),
        "srcIp": addresses,
        "dstIp": addresses,
        "srcPort": PORTS[:-1],
        "dstPort": PORTS[:-1],
        "captureId": NODES,
        "node": NODES,
        "method": METHODS["1_call"],
        "X-CID": [shown(cid) for cid in CIDS if cid is not None],
    }
    if last.endswith("_user"):
        return [list(map(shown, USERS))]
    return [DOMAINS] if last.endswith("_domain") else [pools[last]] if last in pools else []


def _pattern(random: Random, text: str) -> str:
    shape = random.random()
    cut = random.randrange(len(text) + 1)
    if shape < 0.35:
        return text[:cut] + "%"
    if shape < 0.55:
        return "%" + text[cut:]
    if shape < 0.8:
        return _contained(random, text)
    return text[:cut] + "_" + text[cut + 1 :]


def _contained(random: Random, text: str) -> str:
    start = random.randrange(len(text) + 1)
    return "%" + text[start : start + random.randrange(1, 12)] + "%"


def _element(random: Random, asked: Asked, prefix: str) -> dict[str, Any]:
    as_number = asked.name in NUMBERS and asked.kind != "like" and random.random() < 0.7
    kind = "integer" if as_number or asked.kind == "number" else "string"
    prefix += "!=" if asked.negated else ""
    words = {"empty": "isEmpty", "null": "isNull"}
    value: Any
    if asked.kind in words:
        value = prefix + words[asked.kind]
    elif asked.kind not in ("equal", "like", "number"):
        value = prefix + asked.kind + asked.values[0]
    elif asked.name == "raw" or not (any(";" in part for part in asked.values) or random.random() < 0.3):
        value = prefix + ";".join(asked.values)
    else:
        # In a list of its own a value may have a semicolon.
        value = [prefix + asked.values[0], *asked.values[1:]]
    return {"name": asked.name, "value": value, "type": kind, "hepid": 1}


def _smart(random: Random, example: Sent, depth: int = 0) -> tuple[Any, str]:
    if depth == 3 or random.random() < 0.4:
        return _smart_comparison(random, example)
    left, left_text = _smart(random, example, depth + 1)
    right, right_text = _smart(random, example, depth + 1)
    joiner = random.choice(["AND", "OR"])
    return Smart(left, joiner, right), f"({left_text}) {joiner} ({right_text})"


def _smart_comparison(random: Random, example: Sent) -> tuple[Asked, str]:
    asked = _asked(random, example)
    while asked.kind == "number" or (asked.kind == "like" and "%" not in asked.values[0]):
        asked = _asked(random, example)
    negated = asked.negated
    words = {"empty": "isEmpty", "null": "isNull"}
    name = asked.name if _WORD.fullmatch(asked.name) and random.random() < 0.9 else f'"{asked.name}"'
    if asked.kind in words:
        return asked, f"{name} {'!=' if negated else '='} {words[asked.kind]}"
    value = asked.values[0]
    asked = Asked(asked.name, asked.kind, (value,), negated)
    operator = asked.kind if asked.kind in (">", ">=", "<", "<=") else "!=" if negated else "="
    if asked.kind == "like" and not negated and random.random() < 0.5:
        operator = "LIKE"
    elif asked.kind == "equal" and asked.name not in NUMBERS and random.random() < 0.2:
        # Text sorts by its characters.
        operator = random.choice([">", ">=", "<", "<="])
        asked = Asked(asked.name, operator, (value,))
    return asked, f"{name} {operator} " + "'" + value.replace("'", "''") + "'"
