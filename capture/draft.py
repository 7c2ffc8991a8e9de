"""A message while filter scripts look at it: what it says, what they have changed of it, and their verdict.

Fields have the names of `capture.fields.read_fields`, and are read only when asked for. What a script may not
do is refused here, in words. Knows no Lua and no table.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import starmap
from typing import Literal, Protocol

from capture.addresses import address_text, packed_address
from capture.capture_time import DAY_US, EARLIEST_US
from capture.fields import FieldValue
from capture.hep.packet import Packet
from capture.imported import LABEL
from capture.interpret import KEYED_SIP_FIELDS, Meaning
from capture.route import SIP, MessageClass
from capture.sip.message import SipMessage
from capture.sip.parse import body, header_values, parse_message, parse_with_headers
from capture.text import in_one_line, to_text

Value = FieldValue | float | bytes
Kind = Literal["sip", "rtcp", "log", "other"]

PROFILES = {
    "call": MessageClass.CALL,
    "registration": MessageClass.REGISTRATION,
    "default": MessageClass.OTHER,
}
SIP_TEXTS = frozenset(SipMessage.__struct_fields__) - {"is_request", "parse_error"}
"""The fields of a SIP message that are text, and that a script may set."""
TAG = "custom:"
"""Before the name of a custom header or tag."""
SINK = "sink:"
"""Before the name of what another sink than the database is to get: `sink:target_name`, `sink:loki:KEY`."""
MOST_TAG_CHARS = 64
MOST_ADDED_BYTES = 65_536
"""By which scripts may make a payload longer, and the characters of all other text that they set, with the
names of tags."""
MOST_REASON_CHARS = 200
"""Of why a packet was dropped; what is longer is cut. Reasons are kept and counted."""


class Draft:
    """One message on its way through the scripts."""

    __slots__ = (
        *("_custom_headers", "_sip", "_text_chars", "changes", "dropped", "is_refused", "meaning"),
        *("packet", "received", "seen_by", "time_us"),
    )

    def __init__(
        self,
        packet: Packet,
        meaning: Meaning,
        time_us: int,
        received: bytes = b"",
        custom_headers: Sequence[str] = (),
    ) -> None:
        """`custom_headers` are those of the settings."""
        self.packet = packet
        self.received = received
        """The HEP packet as it came in, for who must look into it later."""
        self.meaning = meaning
        self.time_us = time_us
        self.changes: dict[str, Value] = {}
        """Fields that scripts have set, None for one taken away. `payload` is what is stored; `read_payload`
        that of which the fields are read, where it is another."""
        self.dropped: str | None = None
        """Why it is not to be stored; None: it is."""
        self.is_refused = False
        """Something that a script set could not be, and it went on: what it was to hide may be there."""
        self.seen_by: object = None
        """Stands for the Lua state that knows its fields as they are now."""
        self._custom_headers = custom_headers
        self._sip: SipMessage | None = None
        self._text_chars = 0
        """Of all text in `changes` but the payload, see `_chars_of`."""

    @property
    def is_sip(self) -> bool:
        return self.meaning.protocol_type == SIP

    @property
    def kind(self) -> Kind:
        if self.is_sip:
            return "sip"
        if self.meaning.message_class is MessageClass.RTCP:
            return "rtcp"
        return "log" if self.meaning.message_class is MessageClass.LOG else "other"

    @property
    def payload(self) -> bytes:
        """As it would be stored now."""
        changed = self.changes.get("payload")
        return changed if isinstance(changed, bytes) else self.packet.payload

    @property
    def read_payload(self) -> bytes:
        """That of which fields and headers are read."""
        changed = self.changes.get("read_payload")
        return changed if isinstance(changed, bytes) else self.packet.payload

    @property
    def sip(self) -> SipMessage | None:
        """What the payload says, whatever scripts have set; None when it is not SIP."""
        if self._sip is None and self.is_sip:
            self._sip = parse_message(self.read_payload)
        return self._sip

    def read(self, name: str) -> Value:
        """A field as it is now; None when the message has none of this name."""
        if name in self.changes:
            return self.changes[name]
        if "read_payload" in self.changes:
            if name in _SIP_FIELDS:
                return self.parsed(name)
            if name.startswith(TAG):
                return self._custom_values().get(name[len(TAG) :])
        return reader_of(name)(self)

    def _custom_values(self) -> Mapping[str, str]:
        """Of the headers of the settings, as the payload that is read has them now."""
        return parse_with_headers(self.read_payload, self._custom_headers)[1] if self.is_sip else {}

    def parsed(self, name: str) -> Value:
        """A field of SIP as the payload has it; None when it is not SIP."""
        value: Value = getattr(self.sip, name) if self.is_sip else None
        return value

    def write(self, name: str, value: Value) -> str | None:
        """Set a field, or take it away by None; why not, in words, when that cannot be.

        `payload` is read anew for the fields that nobody has set; with `raw`, which is stored like it, fields
        stay as they are.
        """
        if name == "payload" or name == "raw":
            if not isinstance(value, bytes):
                return "the payload is text"
            if len(value) > len(self.packet.payload) + MOST_ADDED_BYTES:
                return f"the payload may become {MOST_ADDED_BYTES} bytes longer at most"
            self.changes["payload"] = value
            if name == "payload":
                self.changes["read_payload"] = value
                self._sip = None
            return None
        check = _CHECKS.get(name)
        if check is None:
            if name in SIP_TEXTS:
                check = _check_sip_text if self.is_sip else _check_no_sip
            elif name.startswith(TAG):
                check = _check_tag
            elif name.startswith(SINK):
                check = _check_text
            else:
                return f"{name} cannot be set"
        checked, words = check(name, value)
        if words is not None:
            return words
        chars = self._text_chars + _chars_of(name, checked)
        if name in self.changes:
            chars -= _chars_of(name, self.changes[name])
        if chars > MOST_ADDED_BYTES and chars > self._text_chars:
            return f"scripts may give a message {MOST_ADDED_BYTES} characters at most"
        self._text_chars = chars
        self.changes[name] = checked
        return None

    def tag(self, name: str, text: str) -> None:
        """Set a tag that could be written before, to a short text."""
        if name in self.changes:
            self._text_chars -= _chars_of(name, self.changes[name])
        self.changes[name] = text
        self._text_chars += len(name) + len(text)

    @property
    def added_bytes(self) -> int:
        """By which it is larger than what was received, about: for who holds many of them."""
        return self._text_chars + max(0, len(self.payload) - len(self.packet.payload))

    def tag_names(self) -> list[str]:
        """Of the custom headers and tags that it has now."""
        names = dict.fromkeys([*(TAG + header for header in self._custom_headers), *self.changes])
        return [name[len(TAG) :] for name in names if name.startswith(TAG) and self.read(name) is not None]

    def drop(self, reason: str) -> None:
        self.dropped = in_one_line(reason, MOST_REASON_CHARS)

    def header(self, name: str) -> list[str]:
        """All values of a header, one a header line; none when it is not SIP."""
        return header_values(self.read_payload, name) if self.is_sip else []

    def body(self) -> bytes:
        """Of SIP as it is now; of anything else the whole payload."""
        return body(self.payload) if self.is_sip else self.payload

    def undo(self, changes: "dict[str, Value] | None") -> None:
        """Go back to when these were all the changes, and nothing was dropped."""
        self.changes = {} if changes is None else changes
        self.dropped = self.seen_by = self._sip = None
        self._text_chars = sum(starmap(_chars_of, self.changes.items()))


def reader_of(name: str) -> "Reader":
    """What reads this field of a message that no script has changed: for who reads it again and again."""
    if name.startswith(TAG):
        return partial(_read_tag, name)
    return _READERS.get(name) or _read_nothing


class Filters(Protocol):
    """What the pipeline asks for the operator's filter scripts."""

    def reach(self, protocol_type: int) -> bool:
        """Whether any script is to see packets of this type."""

    def run(self, draft: Draft) -> None:
        """Let the scripts at it, one after the other; what goes wrong in one is not raised."""


def _read_tag(name: str, draft: Draft) -> Value:
    return (draft.meaning.key_extra or {}).get(name)


def _profile(draft: Draft) -> Value:
    return draft.meaning.message_class.profile


def _family(draft: Draft) -> Value:
    address = draft.packet.source or draft.packet.destination
    return None if address is None else 2 if len(address) == 4 else 10


Reader = Callable[[Draft], Value]


def _read_nothing(_: Draft) -> Value:
    return None


def _known_reader(place: int) -> Reader:
    """Of what was read already when the message came in, so that the usual questions cost no second parse."""

    def read(draft: Draft) -> Value:
        return draft.meaning.key_values[place] if draft.meaning.protocol_type == SIP else None

    return read


def _parsed_reader(name: str) -> Reader:
    return lambda draft: draft.parsed(name)


def _read_method(draft: Draft) -> Value:
    meaning = draft.meaning
    return meaning.method if meaning.method is not None else draft.parsed("method")


def _read_call_id(draft: Draft) -> Value:
    meaning = draft.meaning
    if meaning.session_id is None and meaning.protocol_type == SIP:
        return meaning.sid
    return draft.parsed("call_id")


_READERS: dict[str, Reader] = {
    "kind": lambda draft: draft.kind,
    "time_us": lambda draft: draft.time_us,
    "source": lambda draft: address_text(draft.packet.source),
    "destination": lambda draft: address_text(draft.packet.destination),
    "source_port": lambda draft: draft.packet.source_port,
    "destination_port": lambda draft: draft.packet.destination_port,
    "ip_protocol": lambda draft: draft.packet.ip_protocol,
    "protocol_type": lambda draft: draft.meaning.protocol_type,
    "capture_id": lambda draft: draft.packet.capture_id,
    "family": _family,
    "version": lambda draft: draft.packet.version,
    "vlan": lambda draft: draft.packet.vlan,
    "hep_key": lambda draft: to_text(draft.packet.auth_key) if draft.packet.auth_key else "",
    "node_name": lambda draft: draft.meaning.node_name or "",
    "correlation_id": lambda draft: draft.meaning.correlation_id or "",
    "sid": lambda draft: draft.meaning.sid,
    "profile": _profile,
    "payload": lambda draft: draft.payload,
    "raw": lambda draft: draft.payload,
    "body": Draft.body,
}
_SIP_FIELDS = frozenset(SipMessage.__struct_fields__)
_READERS |= {name: _parsed_reader(name) for name in _SIP_FIELDS}
KNOWN_PLACES = {name: 2 + place for place, name in enumerate(KEYED_SIP_FIELDS)}
"""Of fields in `Meaning.key_values`: read when the message came in."""
_READERS |= {name: _known_reader(place) for name, place in KNOWN_PLACES.items()}
_READERS |= {"method": _read_method, "call_id": _read_call_id}


def _chars_of(name: str, value: Value) -> int:
    """What a change holds of text that scripts made up."""
    return (len(value) if isinstance(value, str) else 0) + (len(name) if name.startswith((TAG, SINK)) else 0)


_Check = Callable[[str, Value], tuple[Value, str | None]]


def _whole(least: int, most: int) -> _Check:
    def check(name: str, value: Value) -> tuple[Value, str | None]:
        number = _as_whole(value)
        if number is None or not least <= number <= most:
            return None, f"{name} is a whole number from {least} to {most}"
        return number, None

    return check


def _check_time(name: str, value: Value) -> tuple[Value, str | None]:
    checked, words = _whole(EARLIEST_US, time.time_ns() // 1000 + DAY_US)(name, value)
    return checked, words and f"{name} is a time from the year 2000 to tomorrow"


def _as_whole(value: Value) -> int | None:
    if isinstance(value, bytes):
        value = to_text(value)
    if isinstance(value, str):
        value = value.strip()
        digits = value.removeprefix("-")
        return int(value) if digits.isascii() and digits.isdecimal() and len(digits) <= 18 else None
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**63 else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _check_address(name: str, value: Value) -> tuple[Value, str | None]:
    packed = packed_address(_as_text(value) or "")
    if packed is None:
        return None, f"{name} is an IPv4 or IPv6 address"
    return address_text(packed), None


def _check_text(name: str, value: Value) -> tuple[Value, str | None]:
    text = "" if value is None else _as_text(value)
    return (text, None) if text is not None else (None, f"{name} is text")


def _check_sip_text(name: str, value: Value) -> tuple[Value, str | None]:
    if value is None:
        # The method has a column, which searches take at its word: it can be empty, never overlaid.
        return "" if name == "method" else None, None
    return _check_text(name, value)


def _check_no_sip(name: str, value: Value) -> tuple[Value, str | None]:
    return None, f"{name}: this packet is not SIP"


def _check_sid(name: str, value: Value) -> tuple[Value, str | None]:
    text = _as_text(value)
    return (text, None) if text else (None, "a session id is text that is not empty")


def _check_profile(name: str, value: Value) -> tuple[Value, str | None]:
    text = _as_text(value)
    return (text, None) if text in PROFILES else (None, f"a profile is one of {', '.join(PROFILES)}")


def _check_tag(name: str, value: Value) -> tuple[Value, str | None]:
    if not 0 < len(name) - len(TAG) <= MOST_TAG_CHARS or not name.isprintable():
        return None, f"the name of a tag has 1 to {MOST_TAG_CHARS} printable characters"
    if name == TAG + LABEL:
        return None, f"the tag {LABEL} tells by which import a message came, and is not for scripts to set"
    return (None, None) if value is None else _check_text(name, value)


def _as_text(value: Value) -> str | None:
    """Text, or a number as Lua would write it; None for what is neither."""
    if isinstance(value, bytes):
        return to_text(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if value is None or isinstance(value, bool):
        return None
    return to_text(value.encode("utf-8", "replace")) if isinstance(value, str) else str(value)


_CHECKS: dict[str, _Check] = {
    "time_us": _check_time,
    "source": _check_address,
    "destination": _check_address,
    "source_port": _whole(0, 65535),
    "destination_port": _whole(0, 65535),
    "ip_protocol": _whole(0, 255),
    "protocol_type": _whole(0, 255),
    "capture_id": _whole(0, 2**32 - 1),
    "vlan": _whole(0, 65535),
    "node_name": _check_text,
    "correlation_id": _check_text,
    "sid": _check_sid,
    "profile": _check_profile,
}
