"""What scripts changed of a message: fields that are not what they were, under the names of the Lua API."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from capture.draft import SINK, SIP_TEXTS, TAG, Draft, Value
from capture.sip.message import SipMessage

API_NAMES: Final[Mapping[str, str]] = {"node_name": "node", "sid": "session_id"}
"""Of fields that have another name within."""
INTERNAL_NAMES: Final[Mapping[str, str]] = {name: within for within, name in API_NAMES.items()}
_COMMON: Final = (
    *("time_us", "source", "source_port", "destination", "destination_port", "ip_protocol"),
    *("protocol_type", "capture_id", "vlan", "node_name", "correlation_id", "sid", "profile"),
)
FIELDS: Final = _COMMON + tuple(name for name in SipMessage.__struct_fields__ if name in SIP_TEXTS)


class Change(NamedTuple):
    """One field; None: the message has none of this name."""

    name: str
    """Of the Lua API; `custom:NAME` for a tag, `target_name` and the like for what other sinks get."""
    before: Value
    after: Value


def changes_of(draft: Draft) -> list[Change]:
    """What differs from the message as it came, the payload left out; in the order of `FIELDS`, then tags.

    A field that follows from a payload that was changed counts as changed too.
    """
    if not draft.changes:
        return []
    before = as_it_came(draft)
    tags = sorted(name for name in draft.changes if name.startswith((TAG, SINK)))
    found = ((name, before.read(name), draft.read(name)) for name in (*FIELDS, *tags))
    return [
        Change(API_NAMES.get(name, name).removeprefix(SINK), old, new)
        for name, old, new in found
        # Text that is not there is None or "", depending on the field.
        if old != new and (old, new) not in ((None, ""), ("", None))
    ]


def as_it_came(draft: Draft) -> Draft:
    """The same message, untouched by any script."""
    return Draft(draft.packet, draft.meaning, draft.time_us)
