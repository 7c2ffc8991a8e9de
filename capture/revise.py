"""What scripts did to a message, brought into what is stored of it: its row alone gives all of it back.

A row's columns hold the final values of what has a column, and searches rely on that. Every other field that
differs from what the stored payload says goes into `extra["fields"]`, null for one taken away (see
`capture.fields.read_fields`).
Knows no Lua and no table.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec

from capture.addresses import packed_address
from capture.draft import PROFILES, SINK, SIP_TEXTS, TAG, Draft, Value
from capture.fields import node_of
from capture.hep.packet import Packet
from capture.interpret import KEYED_SIP_FIELDS, Interpreter, Meaning
from capture.route import MessageClass, classify
from capture.row import Flag, Json
from capture.sip.message import SipMessage
from capture.sip.parse import header_values, parse_with_headers

Admit = Callable[[str], bool]
"""Whether a tag of this name may be stored; waits for the database where the name is new."""

_OF_PACKET = frozenset(
    [
        "source",
        "destination",
        "source_port",
        "destination_port",
        "ip_protocol",
        "capture_id",
        "vlan",
        "payload",
        "protocol_type",
    ]
)
_OVERLAID = SIP_TEXTS - {"method"}
"""Fields of SIP without a column."""


_Tags = tuple[Mapping[str, Json], dict[str, str]]
"""What a row says of them, and what they are found by."""


class Reviser:
    """Makes messages of drafts, under the settings of the interpreter."""

    def __init__(self, interpreter: Interpreter, admit: Admit) -> None:
        self._interpreter = interpreter
        self._custom = interpreter.custom_headers
        self._admit = admit
        self._admitted: set[str] = set()
        """Names of tags, with what stands before them, that need not be asked for again."""

    def revise(self, draft: Draft, sender_time_us: int | None) -> tuple[Packet, Meaning, int]:
        """The packet, what it means and its capture time, as they are to be stored."""
        changes, packet, meaning = draft.changes, draft.packet, draft.meaning
        for name in changes:
            if name[:7] != TAG:
                break
        else:
            return packet, self._tagged(packet, meaning, changes), draft.time_us
        if not _OF_PACKET.isdisjoint(changes):
            packet = _revised_packet(packet, changes)
            if "protocol_type" in changes and changes["protocol_type"] != meaning.protocol_type:
                # Another protocol has other fields, and perhaps another session: that of its own ends.
                sent = msgspec.structs.replace(
                    draft.packet, protocol_type=packet.protocol_type, payload=packet.payload
                )
                meaning = self._interpreter.interpret(sent, sender_time_us)
        time_us = changes.get("time_us")
        return (
            packet,
            self._revised_meaning(draft, packet, meaning),
            time_us if isinstance(time_us, int) else draft.time_us,
        )

    def _is_admitted(self, name: str) -> bool:
        if name not in self._admitted:
            if not self._admit(name[len(TAG) :]):
                return False
            self._admitted.add(name)
        return True

    def _tagged(self, packet: Packet, meaning: Meaning, changes: Mapping[str, Value]) -> Meaning:
        """With tags, and nothing else changed: what most scripts do to most messages."""
        as_they_are = self._taken_as_they_are(meaning, changes)
        overlay, key_extra = as_they_are or self._taken(packet, meaning, changes)
        if not overlay:
            return meaning
        # By position, in the order of the fields: by name it takes 0.8 µs more.
        return Meaning(
            meaning.message_class,
            meaning.protocol_type,
            meaning.sid,
            meaning.session_id,
            meaning.correlation_id,
            meaning.method,
            meaning.node_name,
            meaning.parse_error,
            meaning.flags | _CHANGED,
            {**meaning.extra, "fields": overlay} if meaning.extra else {"fields": overlay},
            meaning.key_values,
            key_extra or None,
        )

    def _taken_as_they_are(self, meaning: Meaning, changes: Mapping[str, Value]) -> "_Tags | None":
        """One dictionary for all ends, as it is for nearly every message: nothing refused or taken away."""
        if meaning.key_extra or not self._admitted.issuperset(changes) or not all(changes.values()):
            return None
        tags = cast("dict[str, str]", changes)
        return tags, tags

    def _taken(self, packet: Packet, meaning: Meaning, changes: Mapping[str, Value]) -> "_Tags":
        overlay: dict[str, Json] = {}
        key_extra = {**meaning.key_extra} if meaning.key_extra else {}
        for name, value in changes.items():
            if value is None:
                if key_extra.pop(name, None) is not None or _is_header(name, packet, meaning):
                    overlay[name] = None
            elif self._is_admitted(name):
                overlay[name] = _json(value)
                if value:
                    key_extra[name] = _text(value)
                else:
                    key_extra.pop(name, None)
        return overlay, key_extra

    def _revised_meaning(self, draft: Draft, packet: Packet, meaning: Meaning) -> Meaning:
        changes = draft.changes
        is_sip = meaning.message_class.is_sip
        tags = {
            name: value
            for name, value in changes.items()
            if name[:7] == TAG and (value is None or self._is_admitted(name))
        }
        # What was set of SIP goes with it when another protocol is made of the message.
        texts = _OVERLAID & changes.keys() if is_sip else frozenset[str]()
        overlay: dict[str, Json] = {name: _json(changes[name]) for name in texts}
        method = meaning.method
        found_by = meaning.key_values[2:12]
        custom: Mapping[str, str] = meaning.key_extra or {}
        own = call_id = meaning.sid if meaning.session_id is None else ""
        if is_sip:
            if "payload" in changes:
                reading = self._read(draft, packet)
                method = reading.said.method
                found_by, custom = reading.found_by, reading.custom
                overlay = reading.differing(overlay)
                own, call_id = reading.stored.call_id, reading.said.call_id
            if not overlay.keys().isdisjoint(KEYED_SIP_FIELDS) or "payload" in changes:
                found_by = tuple(
                    _text(changes[name]) if name in changes else value
                    for name, value in zip(KEYED_SIP_FIELDS, found_by, strict=True)
                )
            if "method" in changes:
                method = _text(changes["method"])
        elif "payload" in changes:
            reread = self._interpreter.interpret(packet, None)
            own = call_id = reread.sid if reread.session_id is None else ""
        sid = _text(changes["sid"]) if "sid" in changes else meaning.sid
        correlation_id = meaning.correlation_id
        if "correlation_id" in changes:
            correlation_id = _text(changes["correlation_id"]) or None
        if correlation_id == sid:
            correlation_id = None
        node_name = meaning.node_name
        if "node_name" in changes:
            node_name = _text(changes["node_name"]) or None
        key_extra = {**custom}
        for name, value in tags.items():
            if value is not None or name in key_extra or name in overlay or _is_header(name, packet, meaning):
                key_extra[name] = _text(value)
                overlay[name] = _json(value)
        if "call_id" in texts:
            call_id = _text(changes["call_id"])
        if call_id and call_id != sid:
            key_extra["call_id"] = call_id
        return Meaning(
            _message_class(changes, meaning, packet),
            meaning.protocol_type,
            sid,
            None if own == sid and own else sid,
            correlation_id,
            method,
            node_name,
            meaning.parse_error,
            meaning.flags | _CHANGED,
            _extra(meaning.extra, changes, overlay),
            (sid, correlation_id or "", *found_by, node_of(node_name, packet.capture_id)),
            {name: value for name, value in key_extra.items() if value} or None,
        )

    def _read(self, draft: Draft, packet: Packet) -> "_Reading":
        """What the stored payload says beside what the message is to say."""
        read = draft.changes.get("read_payload")
        said = read if isinstance(read, bytes) else draft.packet.payload
        stored, stored_custom = parse_with_headers(packet.payload, self._custom)
        if said == packet.payload:
            return _Reading(stored, stored_custom, stored, stored_custom)
        return _Reading(*parse_with_headers(said, self._custom), stored, stored_custom)


class _Reading(msgspec.Struct, frozen=True, gc=False):
    """A message as it is to be read, and as its stored payload reads."""

    said: SipMessage
    said_custom: dict[str, str]
    stored: SipMessage
    stored_custom: dict[str, str]

    @property
    def found_by(self) -> tuple[str, ...]:
        return tuple(getattr(self.said, name) for name in KEYED_SIP_FIELDS)

    @property
    def custom(self) -> dict[str, str]:
        return {TAG + name: value for name, value in self.said_custom.items()}

    def differing(self, overlay: dict[str, Json]) -> dict[str, Json]:
        """`overlay`, and whatever the stored payload no longer says, or says otherwise."""
        differing: dict[str, Json] = {}
        if self.said is not self.stored:
            said, stored = msgspec.structs.asdict(self.said), msgspec.structs.asdict(self.stored)
            differing = {
                name: said[name] for name in (*_OVERLAID, "is_request") if said[name] != stored[name]
            }
            for name in self.stored_custom.keys() | self.said_custom.keys():
                value = self.said_custom.get(name)
                if value != self.stored_custom.get(name):
                    differing[TAG + name] = value
        return differing | overlay


_CHANGED = int(Flag.CHANGED_BY_SCRIPT)


def _revised_packet(packet: Packet, changes: Mapping[str, Value]) -> Packet:
    given: dict[str, Any] = {name: changes[name] for name in _OF_PACKET & changes.keys()}
    for end in ("source", "destination"):
        if end in given:
            given[end] = packed_address(str(given[end]))
    return msgspec.structs.replace(packet, **given)


def _is_header(tag: str, packet: Packet, meaning: Meaning) -> bool:
    """Whether what was taken away would show again where settings come to name a header of the payload."""
    return meaning.message_class.is_sip and bool(header_values(packet.payload, tag[len(TAG) :]))


def _message_class(changes: Mapping[str, Value], meaning: Meaning, packet: Packet) -> MessageClass:
    profile = changes.get("profile")
    if profile is None or classify(meaning.protocol_type, packet.payload)[1] is not None:
        return meaning.message_class
    return PROFILES[str(profile)]


def _extra(
    extra: dict[str, Json] | None, changes: Mapping[str, Value], overlay: dict[str, Json]
) -> dict[str, Json] | None:
    revised = {**(extra or {})}
    if overlay:
        revised["fields"] = overlay
    if "vlan" in changes:
        facts = revised.get("hep")
        revised["hep"] = {**(facts if isinstance(facts, dict) else {}), "vlan": _json(changes["vlan"])}
    sinks = {name[len(SINK) :]: _text(value) for name, value in changes.items() if name[: len(SINK)] == SINK}
    if sinks:
        revised["sinks"] = {**sinks}
    return revised or None


def _text(value: Value) -> str:
    return "" if value is None else str(value)


def _json(value: Value) -> Json:
    return value if value is None or isinstance(value, (str, int, float)) else None
