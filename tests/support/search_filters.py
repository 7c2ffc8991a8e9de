"""Filter scripts for searches to be held against: what they do to a message, and what its fields are then.

A worker sees a message again after a rollback, or another sees it, so what becomes of it is decided
beforehand and told by the message alone. What must come of it follows from the description of the changes; it
shares nothing with the code under test but the names of what can be changed.
"""

from collections.abc import Callable, Sequence
from ipaddress import ip_address
from random import Random

from capture.draft import Draft
from tests.support.search_messages import (
    AGENTS,
    CSEQ,
    DOMAINS,
    LONG,
    NODES,
    PORTS,
    REPORT_TYPES,
    SOURCES,
    USERS,
    Sent,
    Value,
    as_raw,
    isup_message,
    no_sip_fields,
    random_ends,
    random_values,
    shown,
    sip_message,
    to_bytes,
)

TAGS = ("customer", "Grüße / 1", "X-CID", "X-Late", "protocol")
"""Names that scripts set; two are headers too, and one is a field that nothing else sets."""
CHANGED = 0.2
"""So much of the traffic is changed, a tenth of it dropped."""

Written = tuple[str, bytes | int | None]
_SCRIPTED = ["scripted", "scr%pt", "", "caf\udce9", "sip-" + LONG + "tail-3", "49301", "7"]
_TAG_VALUES = ["acme", "acme-2", "blue", "leg-1", "", "7", "nu\0l", "tag-" + LONG + "end-1", "tag-" + LONG]
_SIP_TEXTS = {
    **{f"{who}_{part}": f"{who}_{part}" for who in ("from", "to", "ruri") for part in ("user", "domain")},
    **{name: name for name in ("from_tag", "to_tag", "cseq", "cseq_method", "user_agent", "server", "via")},
    **{name: name for name in ("via_branch", "contact_user", "contact_domain", "contact_port", "auth_user")},
    **{name: name for name in ("content_type", "reason", "reason_phrase", "diversion", "expires", "method")},
    "pai_user": "pid_user",
    "pai_domain": "pid_domain",
    "call_id": "callid",
}
"""What a script calls a field of SIP, and what a search calls it."""
_FOUND_BY = ("from_user", "to_user", "to_domain", "ruri_user", "pai_user", "user_agent", "call_id", "method")
"""Set more often: most have an index."""
_PLAIN_TYPES = (5, 53, 112)
"""Types that say no session, so that one can become the other."""


class Scripts:
    """What the scripts of all workers do, by the message."""

    def __init__(self) -> None:
        self._written: dict[tuple[int, bytes], list[Written] | None] = {}

    def plan(self, message: Sent, written: list[Written] | None) -> None:
        """None: drop it."""
        self._written[message.time_us, message.payload] = written

    def run(self, draft: Draft) -> None:
        """The script."""
        written = self._written.get((draft.time_us, draft.packet.payload), [])
        if written is None:
            draft.drop("a test says so")
            return
        for name, value in written:
            words = draft.write(name, value)
            assert words is None, words


class Scripting:
    """Plans what scripts do to the messages of a round, and changes what is known of these accordingly."""

    def __init__(self, random: Random, moments_us: Sequence[int]) -> None:
        self._random = random
        self._moments_us = moments_us
        """Near to which a message may be moved."""
        self._tags = list(TAGS)
        self.scripts = Scripts()

    def let_at(self, messages: Sequence[Sent], custom_headers: Sequence[str]) -> list[Sent]:
        """What is left of messages that are stored where these headers are in the settings."""
        kept = []
        for message in messages:
            if self._random.random() < CHANGED / 10:
                self.scripts.plan(message, None)
                continue
            if self._random.random() < CHANGED or self._tags:
                change = _Change(self._random, message, custom_headers)
                change.make(self._moments_us, self._tags.pop() if self._tags else None)
                self.scripts.plan(message, change.written)
                change.apply()
            kept.append(message)
        return kept


class _Change:
    """What scripts do to one message."""

    def __init__(self, random: Random, message: Sent, custom_headers: Sequence[str]) -> None:
        self._random = random
        self._message = message
        self._custom_headers = custom_headers
        self.written: list[Written] = []
        self._fields = dict(message.fields)
        self._key = message.key
        self._time_us = message.time_us
        correlation = message.fields["protocol_header.correlation_id"]
        self._correlation = None if correlation == message.fields["sid"] else correlation
        """None: it goes with the session."""

    def make(self, moments_us: Sequence[int], tag: str | None) -> None:
        """One to four changes; `tag` is one of them, if it is named."""
        random = self._random
        # First, because what is set stays set whatever the payload says.
        if random.random() < 0.25:
            random.choice([self._replace_payload, self._replace_raw])()
        kinds: list[Callable[[], None]] = [
            *(self._set_session, self._set_correlation, self._set_node, self._set_capture_id),
            *(self._set_address, self._set_port, self._set_ip_protocol, self._set_tag, self._set_tag),
        ]
        if self._message.key.startswith("1_"):
            kinds += [self._set_text, self._set_text, self._set_text, self._set_profile]
        elif self._message.protocol_type in _PLAIN_TYPES:
            kinds.append(self._set_type)
        for kind in random.sample(kinds, random.choice([1, 1, 2, 4])):
            kind()
        if random.random() < 0.05:
            self._set_time(random.choice(moments_us) + random.randrange(1, 1_000_000))
        if tag is not None:
            self._set_tag(tag, "acme")

    def apply(self) -> None:
        """The message is as it will be found."""
        message = self._message
        self._fields["protocol_header.correlation_id"] = self._correlation or self._fields["sid"]
        changed = {name for name, value in self._fields.items() if message.fields[name] != value}
        if "sid" in changed:
            # Which is no longer the session id then, and is found in another way.
            changed |= {"data_header.callid"} & message.fields.keys()
        message.changed = tuple(sorted(changed))
        message.key, message.time_us, message.fields = self._key, self._time_us, self._fields

    def _write(self, name: str, value: str | int | None) -> None:
        self.written.append((name, to_bytes(value) if isinstance(value, str) else value))

    def _set_text(self) -> None:
        name = self._random.choice([*_SIP_TEXTS, *_FOUND_BY, *_FOUND_BY])
        pools = {"user_agent": AGENTS, "method": ["MAGIC", "486", "200", "INVITE", "604", ""]}
        pool = pools.get(name) or (USERS if name.endswith("user") else DOMAINS if "domain" in name else [])
        text = self._random.choice([None, *pool, *_SCRIPTED])
        self._write(name, text)
        gone = "" if name == "method" else None
        self._fields[f"data_header.{_SIP_TEXTS[name]}"] = gone if text is None else shown(text)

    def _set_tag(self, name: str | None = None, value: str | None = None) -> None:
        name = name or self._random.choice(TAGS)
        value = value or self._random.choice([None, *_TAG_VALUES])
        self._write(f"custom:{name}", value)
        self._fields[f"data_header.{name}"] = None if value is None else shown(value)

    def _set_session(self) -> None:
        session = self._random.choice(["session-1", "session-2", "call-0a@example.com", "s-" + LONG + "end"])
        self._write("sid", session)
        self._fields["sid"] = session

    def _set_correlation(self) -> None:
        correlation = self._random.choice(["joined-1", "joined-9", "", str(self._fields["sid"])])
        self._write("correlation_id", correlation)
        self._correlation = correlation

    def _set_node(self) -> None:
        node = self._random.choice([*NODES, "scripted"])
        self._write("node_name", node)
        # Without a name the capture id tells it, which `Sent.packet` gives a number of its own.
        number = self._number()
        self._show_node(node or number)

    def _number(self) -> str:
        for name, value in reversed(self.written):
            if name == "capture_id":
                return str(value)
        node = self._message.node
        return node if node.isdigit() or not node else "99"

    def _set_capture_id(self) -> None:
        number = self._random.choice([7, 77, 2001, 2**32 - 1])
        self._write("capture_id", number)
        named = [value for name, value in self.written if name == "node_name"]
        name = named[-1] if named else b"" if self._message.node.isdigit() else self._message.node.encode()
        self._show_node((name.decode() if isinstance(name, bytes) else "") or str(number))

    def _show_node(self, node: str) -> None:
        self._fields["protocol_header.captureId"] = node
        if "data_header.node" in self._fields:
            self._fields["data_header.node"] = node

    def _set_address(self) -> None:
        end, homer = self._random.choice([("source", "srcIp"), ("destination", "dstIp")])
        address = self._random.choice([*SOURCES[2], *SOURCES[10], "203.0.113.9"])
        self._write(end, address)
        self._fields[f"protocol_header.{homer}"] = address
        first = self._fields["protocol_header.srcIp"] or self._fields["protocol_header.dstIp"]
        self._fields["protocol_header.protocolFamily"] = 2 if ip_address(str(first)).version == 4 else 10

    def _set_port(self) -> None:
        end, homer = self._random.choice([("source_port", "srcPort"), ("destination_port", "dstPort")])
        port = self._random.choice([*(port for port in PORTS if port), 7777, 0])
        self._write(end, port)
        self._fields[f"protocol_header.{homer}"] = port

    def _set_ip_protocol(self) -> None:
        number = self._random.choice([6, 17, 132])
        self._write("ip_protocol", number)
        self._fields["protocol_header.protocol"] = number

    def _set_profile(self) -> None:
        profile = self._random.choice(["call", "registration", "default"])
        self._write("profile", profile)
        self._key = f"1_{profile}"

    def _set_type(self) -> None:
        kind = self._random.choice([5, 53, 112, 113])
        self._write("protocol_type", kind)
        self._key = {5: "5_default", 53: "53_default"}.get(kind, "35_default")
        self._fields["protocol_header.payloadType"] = kind
        self._fields["data_header.proto"] = REPORT_TYPES.get(kind, str(kind))

    def _set_time(self, time_us: int) -> None:
        self._write("time_us", time_us)
        self._time_us = time_us
        self._fields["create_date"] = time_us // 1000
        self._fields["protocol_header.timeSeconds"] = time_us // 1_000_000
        self._fields["protocol_header.timeUseconds"] = time_us % 1_000_000

    def _other(self) -> tuple[bytes, dict[str, Value]]:
        """Another payload of the same kind, and what fields it says."""
        random, message = self._random, self._message
        if message.key == "54_default":
            other = isup_message(random, message.time_us, random_ends(random), None)
        elif not message.key.startswith("1_"):
            return b"something else %d" % random.randrange(9), {}
        elif random.random() < 0.2:
            return b"no SIP any more", no_sip_fields()
        else:
            call_id = random.choice([f"other-{random.randrange(9)}@example.com", str(message.fields["sid"])])
            key = random.choice(list(CSEQ))
            other = sip_message(
                random, key, message.time_us, call_id, random_values(random), random_ends(random), None
            )
        own = {name: value for name, value in other.fields.items() if name.startswith("data_header.")}
        return other.payload, own

    def _replace_payload(self) -> None:
        """Fields are what the new payload says; the session and the class stay."""
        payload, own = self._other()
        self.written.append(("payload", payload))
        self._fields |= own
        self._fields["raw"] = as_raw(payload)

    def _replace_raw(self) -> None:
        """Fields of SIP stay; headers that the worker does not read are those of what is stored now."""
        payload, own = self._other()
        self.written.append(("raw", payload))
        if not self._message.key.startswith("1_"):
            self._fields |= own
        else:
            unread = [name for name in ("X-CID", "X-Late") if name not in self._custom_headers]
            self._fields |= {f"data_header.{name}": own[f"data_header.{name}"] for name in unread}
        self._fields["raw"] = as_raw(payload)
