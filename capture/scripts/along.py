"""The fields that come along with a call of a script, because it reads them of most messages.

A function made of one expression for each field: half the price of asking a reader for each. For drafts of
SIP that no script has changed.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from capture.addresses import address_text
from capture.draft import KNOWN_PLACES, Draft, Value, reader_of
from capture.scripts.lua import Value as LuaValue

Collect = Callable[[int, Draft], tuple[LuaValue, ...]]
"""Of a number and a draft: the number, and the fields' values behind it."""

_EXPRESSIONS = {name: f"known[{place}].encode()" for name, place in KNOWN_PLACES.items()} | {
    "method": "(meaning.method or '').encode()",
    "call_id": "meaning.sid.encode() if meaning.session_id is None else to_lua(draft.parsed('call_id'))",
    "sid": "meaning.sid.encode()",
    "correlation_id": "(meaning.correlation_id or '').encode()",
    "node_name": "(meaning.node_name or '').encode()",
    "protocol_type": "meaning.protocol_type",
    "kind": "b'sip'",
    "source": "address(packet.source)",
    "destination": "address(packet.destination)",
    "source_port": "packet.source_port",
    "destination_port": "packet.destination_port",
    "capture_id": "packet.capture_id",
    "payload": "packet.payload",
    "time_us": "draft.time_us",
}


def to_lua(value: Value) -> LuaValue:
    """A field's value as Lua has it: text as UTF-8 bytes."""
    return value.encode() if isinstance(value, str) else value


@lru_cache(maxsize=65_536)
def _address(packed: bytes | None) -> LuaValue:
    return to_lua(address_text(packed))


def collector(names: Sequence[str]) -> Collect:
    """What gives these fields, in their order."""
    known: dict[str, Any] = {"to_lua": to_lua, "address": _address}
    parts = ["number"]
    for index, name in enumerate(names):
        known[f"reader{index}"] = reader_of(name)
        parts.append(_EXPRESSIONS.get(name, f"to_lua(reader{index}(draft))"))
    source = (
        "def collect(number, draft):\n"
        "    meaning, packet = draft.meaning, draft.packet\n"
        "    known = meaning.key_values\n"
        f"    return ({', '.join(parts)},)\n"
    )
    # No text of a script's gets into it: what is not among the expressions goes by its index.
    exec(source, known)  # noqa: S102
    made: Collect = known["collect"]
    return made
