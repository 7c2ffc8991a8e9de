"""An oracle of searches: messages whose fields are known because they were made here, random questions, and
the answer to each by looking at every message.

Written from the description of Homer's value syntax alone; it knows nothing of `capture` and `api`.
"""

import re
from dataclasses import dataclass, field
from random import Random
from typing import Any

START_US = 1_765_000_800_000_000
BUCKET_US = 3_600_000_000
BUCKETS = 4

USERS = ["alice", "bob", "4930123", "4930124", "49_0%", "o'neil&co", "", "Grüße\\" + "x" * 230]
DOMAINS = ["example.com", "example.org", "10.0.0.1", "sip.test", "a.b", "EXAMPLE.com", "h_st", "zzz"]
AGENTS = ["", "Acme/1.0", "acme/1.0", "x" * 199 + "AB", "x" * 199 + "AC", "SIP; phone", "UA 100%", "_"]
SOURCES = ["10.0.0.1", "10.0.0.2", "10.0.1.1", "192.0.2.7", "2001:db8::1", "2001:db8::2", "10.0.0.11", "::5"]
PORTS = [5060, 5061, 5062, 5080, 50600, 1, 65535, None]
NODES = ["sbc-1", "sbc-2", "sbc_3", "2001", "7", "edge%", "SBC-1", "east"]
CIDS = [None, None, None, "leg-1", "leg-2", "leg-%", "leg_3", "LEG-1"]
METHODS = {
    "1_call": ["INVITE", "ACK", "BYE", "CANCEL", "100", "180", "200", "486"],
    "1_registration": ["REGISTER", "REGISTER", "401", "200", "200", "403", "423", "503"],
    "1_default": ["OPTIONS", "MESSAGE", "SUBSCRIBE", "200", "202", "404", "481", "500"],
}
CSEQ = {"1_call": "INVITE", "1_registration": "REGISTER", "1_default": "OPTIONS"}
CLASSES = ["1_call"] * 6 + ["1_registration", "1_default", "5_default", "100_default"]
TYPES = {"5_default": 5, "100_default": 100}
PROTO = {"5_default": "rtcp", "100_default": "log"}

Value = str | int | None


@dataclass(frozen=True)
class Sent:
    """A message as it was sent."""

    key: str
    """Homer's key of the class that it belongs to."""
    time_us: int
    payload: bytes
    protocol_type: int
    source: str
    source_port: int | None
    destination: str
    destination_port: int | None
    node_name: str | None
    capture_id: int
    correlation_id: str | None
    fields: dict[str, Value] = field(hash=False)
    """By Homer's field id; None is a field that the message does not have."""


def make_messages(random: Random, count: int) -> list[Sent]:
    """Messages at distinct times over all buckets, in the order of their times."""
    span = BUCKETS * BUCKET_US
    times = sorted(random.sample(range(span // 1000), count))
    return [_message(random, START_US + time_ms * 1000 + random.randrange(1000)) for time_ms in times]


def _message(random: Random, time_us: int) -> Sent:
    key = random.choice(CLASSES)
    source, destination = random.choice(SOURCES), random.choice(SOURCES)
    source_port, destination_port = random.choice(PORTS), random.choice(PORTS)
    call_id = f"call-{random.randrange(8)}{random.choice('abcdefgh')}@{random.choice(DOMAINS[:2])}"
    correlation_id = random.choice([None, None, None, "joined-1", "joined-2", call_id])
    node = random.choice(NODES)
    named = not node.isdigit()
    if key in TYPES:
        # Without a correlation id such a message belongs to no call: Homer does not even keep it.
        correlation_id = correlation_id or call_id
        own, payload = _report(random, key, node, correlation_id)
    else:
        own, payload = _sip(random, key, call_id)
    sid = own["sid"]
    fields: dict[str, Value] = {
        **own,
        "protocol_header.correlation_id": correlation_id or sid,
        "protocol_header.srcIp": source,
        "protocol_header.srcPort": source_port,
        "protocol_header.dstIp": destination,
        "protocol_header.dstPort": destination_port,
        "protocol_header.captureId": node,
        "protocol_header.payloadType": TYPES.get(key, 1),
        "protocol_header.protocol": 17,
        "protocol_header.protocolFamily": 10 if ":" in source else 2,
        "protocol_header.timeSeconds": time_us // 1_000_000,
        "protocol_header.timeUseconds": time_us % 1_000_000,
        "raw": payload.decode(),
    }
    return Sent(
        key,
        time_us,
        payload,
        TYPES.get(key, 1),
        source,
        source_port,
        destination,
        destination_port,
        node if named else None,
        99 if named else int(node),
        correlation_id,
        fields,
    )


def _report(random: Random, key: str, node: str, sid: str) -> tuple[dict[str, Value], bytes]:
    text = (
        f'{{"type":200,"ssrc":{random.randrange(8)},"report_count":0}}'
        if key == "5_default"
        else f"{random.choice(USERS[:4])} said {random.choice(AGENTS[1:3])}"
    )
    return {"sid": sid, "data_header.proto": PROTO[key], "data_header.node": node}, text.encode()


def _sip(random: Random, key: str, call_id: str) -> tuple[dict[str, Value], bytes]:
    method = random.choice(METHODS[key])
    from_user, to_user, ruri_user = (random.choice(USERS) for _ in range(3))
    from_domain, to_domain, ruri_domain = (random.choice(DOMAINS) for _ in range(3))
    agent, custom = random.choice(AGENTS), random.choice(CIDS)
    sequence = random.randrange(8)
    cseq = f"{sequence} {CSEQ[key] if method.isdigit() else method}"
    if method.isdigit():
        first, ruri_user, ruri_domain = f"SIP/2.0 {method} Whatever", "", ""
    else:
        first = f"{method} {_uri(ruri_user, ruri_domain)} SIP/2.0"
    lines = [
        first,
        "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1",
        f"From: <{_uri(from_user, from_domain)}>;tag=t{sequence}",
        f"To: <{_uri(to_user, to_domain)}>",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq}",
        *([f"User-Agent: {agent}"] if agent else []),
        *([] if custom is None else [f"X-CID: {custom}"]),
        "Content-Length: 0",
    ]
    payload = "".join(f"{line}\r\n" for line in [*lines, ""]).encode()
    return {
        "sid": call_id,
        "data_header.callid": call_id,
        "data_header.method": method,
        "data_header.cseq": cseq,
        "data_header.from_user": from_user,
        "data_header.from_domain": from_domain,
        "data_header.from_tag": f"t{sequence}",
        "data_header.to_user": to_user,
        "data_header.to_domain": to_domain,
        "data_header.to_tag": "",
        "data_header.ruri_user": ruri_user,
        "data_header.ruri_domain": ruri_domain,
        "data_header.user_agent": agent,
        "data_header.X-CID": custom,
    }, payload


def _uri(user: str, domain: str) -> str:
    return f"sip:{user}@{domain}" if user else f"sip:{domain}"


NUMBERS = frozenset(
    f"protocol_header.{name}"
    for name in ("srcPort", "dstPort", "payloadType", "protocol", "protocolFamily", "timeSeconds")
)


OFTEN = [
    "sid",
    "protocol_header.correlation_id",
    "protocol_header.srcIp",
    "protocol_header.srcPort",
    "data_header.from_user",
    "data_header.to_user",
    "data_header.user_agent",
    "data_header.X-CID",
]
"""What is asked for twice as often as the rest."""


@dataclass(frozen=True)
class Asked:
    """One comparison: the field against alternatives."""

    name: str
    kind: str
    """equal, like, empty, filled, null, or a comparison of numbers."""
    values: tuple[str, ...] = ()
    negated: bool = False

    def holds(self, fields: dict[str, Value]) -> bool:
        value = fields.get(self.name)
        return self._fulfilled(value) is not self.negated

    def _fulfilled(self, value: Value) -> bool:
        if self.kind == "null":
            return value is None
        if self.kind in ("empty", "filled"):
            return (value in (None, "")) is (self.kind == "empty")
        if value is None:
            return False
        if self.name == "raw":
            return any(_fits(pattern.lower(), str(value).lower()) for pattern in self.values)
        if self.kind == "like":
            return any(_fits(pattern, str(value)) for pattern in self.values)
        if self.kind == "equal":
            return str(value) in self.values
        number = int(self.values[0])
        return {
            ">": int(value) > number,
            ">=": int(value) >= number,
            "<": int(value) < number,
            "<=": int(value) <= number,
        }[self.kind]


def _fits(pattern: str, text: str) -> bool:
    regex = "".join({"%": ".*", "_": "."}.get(char) or re.escape(char) for char in pattern)
    return re.fullmatch(regex, text, re.DOTALL) is not None


@dataclass
class Question:
    """A form, and what it means: groups joined by OR of comparisons joined by AND."""

    key: str
    from_ms: int
    to_ms: int
    limit: int
    elements: list[dict[str, Any]]
    groups: list[list[Any]]
    any_of: bool

    def body(self) -> dict[str, Any]:
        """What is sent."""
        return {
            "param": {"search": {self.key: self.elements}, "orlogic": self.any_of},
            "timestamp": {"from": self.from_ms, "to": self.to_ms},
        }

    def answer(self, messages: list[Sent]) -> list[int]:
        """The times of all matches, oldest first."""
        first_us, last_us = self.from_ms * 1000, self.to_ms * 1000 + 999
        return [
            message.time_us
            for message in messages
            if message.key == self.key
            and first_us <= message.time_us <= last_us
            and any(all(part.holds(message.fields) for part in group) for group in self.groups)
        ]


def make_question(random: Random, messages: list[Sent]) -> Question:
    """A question of one to three elements that some messages are likely to answer."""
    key = random.choice(CLASSES)
    example = random.choice([message for message in messages if message.key == key])
    any_of = random.random() < 0.15
    elements: list[dict[str, Any]] = []
    groups: list[list[Any]] = [[]]
    for index in range(random.choice([1, 1, 2, 2, 3])):
        by_or = index > 0 and (any_of or random.random() < 0.3)
        prefix = "||" if by_or and not any_of else ""
        if random.random() < 0.2:
            part, text = _smart(random, example)
            element = {"name": "smartinput", "value": prefix + text, "type": "string"}
        else:
            part = _asked(random, example)
            element = _element(random, part, prefix)
        if by_or:
            groups.append([])
        groups[-1].append(part)
        elements.append(element)
    limit = random.choice([3, 20, 1000])
    elements.insert(
        random.randrange(len(elements) + 1), {"name": "limit", "value": str(limit), "type": "string"}
    )
    begin, end = START_US // 1000, (START_US + BUCKETS * BUCKET_US) // 1000
    if random.random() < 0.5:
        moments = [begin, end, random.randrange(begin, end), example.time_us // 1000]
        begin, end = sorted(random.choice(moments) for _ in range(2))
    return Question(key, begin, end, limit, elements, groups, any_of)


def _asked(random: Random, example: Sent) -> Asked:
    name = random.choice([*example.fields, *(name for name in OFTEN if name in example.fields)])
    value = example.fields[name]
    text = str(value) if value is not None else "5060" if name in NUMBERS else ""
    if name == "raw":
        return Asked(name, "like", (_contained(random, text[:300]),), random.random() < 0.2)
    kind = random.random()
    negated = random.random() < 0.25
    if kind < 0.1:
        return Asked(name, random.choice(["empty", "filled"] if name not in NUMBERS else ["null"]))
    if kind < 0.15:
        return Asked(name, "null", (), negated)
    if name in NUMBERS and value is not None and kind < 0.35:
        return Asked(name, random.choice([">", ">=", "<", "<="]), (text,))
    others = [str(random.choice(pool)) for pool in _pools(name) for _ in range(random.randrange(3))]
    if kind < 0.7 or ";" in text:
        values = tuple(part for part in [text, *others] if ";" not in part) or ("x",)
        # A literal % makes patterns of all the values of a list.
        return Asked(name, "like" if any("%" in part for part in values) else "equal", values, negated)
    patterns = [_pattern(random, part) for part in [text, *others[:2]] if ";" not in part]
    if not any("%" in pattern for pattern in patterns):
        patterns[0] += "%"
    return Asked(name, "like", tuple(patterns), negated)


def _pools(name: str) -> list[list[Any]]:
    last = name.rpartition(".")[2]
    pools = {
        "user_agent": AGENTS,
        "srcIp": SOURCES,
        "dstIp": SOURCES,
        "srcPort": PORTS[:-1],
        "dstPort": PORTS[:-1],
        "captureId": NODES,
        "node": NODES,
        "method": METHODS["1_call"],
        "X-CID": CIDS[3:],
    }
    if last.endswith("_user"):
        return [USERS]
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
    kind = "integer" if asked.name in NUMBERS and asked.kind != "like" and random.random() < 0.7 else "string"
    no = "!=" if asked.negated else ""
    words = {"empty": "isEmpty", "filled": "!=isEmpty", "null": "isNull"}
    value: Any
    if asked.kind in words:
        value = prefix + no + words[asked.kind]
    elif asked.kind in ("equal", "like"):
        as_array = len(asked.values) > 1 and random.random() < 0.3
        value = prefix + no + ";".join(asked.values)
        if as_array:
            value = [prefix + no + asked.values[0], *asked.values[1:]]
    else:
        value = prefix + asked.kind + asked.values[0]
    return {"name": asked.name, "value": value, "type": kind, "hepid": 1}


@dataclass(frozen=True)
class Smart:
    """`left OR right` or `left AND right`, or only left."""

    left: Any
    joiner: str = ""
    right: Any = None

    def holds(self, fields: dict[str, Value]) -> bool:
        left = self.left.holds(fields)
        if self.joiner == "AND":
            return left and self.right.holds(fields)
        return left or self.right.holds(fields) if self.joiner else left


def _smart(random: Random, example: Sent, depth: int = 0) -> tuple[Any, str]:
    if depth == 2 or random.random() < 0.4:
        return _smart_comparison(random, example)
    left, left_text = _smart(random, example, depth + 1)
    right, right_text = _smart(random, example, depth + 1)
    joiner = random.choice(["AND", "OR"])
    return Smart(left, joiner, right), f"({left_text}) {joiner} ({right_text})"


def _smart_comparison(random: Random, example: Sent) -> tuple[Asked, str]:
    while True:
        asked = _asked(random, example)
        if asked.kind not in ("equal", "like", ">", ">=", "<", "<=") or not asked.values:
            continue
        asked = Asked(asked.name, asked.kind, asked.values[:1], asked.negated)
        if asked.kind == "like" and "%" not in asked.values[0]:
            continue
        break
    operator = asked.kind if asked.kind in (">", ">=", "<", "<=") else "!=" if asked.negated else "="
    if asked.kind == "like" and not asked.negated and random.random() < 0.5:
        operator = "LIKE"
    quoted = "'" + asked.values[0].replace("'", "''") + "'"
    return asked, f"{asked.name} {operator} {quoted}"
