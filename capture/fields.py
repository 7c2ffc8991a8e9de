"""Every field of a message from its stored row alone, and the ids that ingest stores for this reading.

Fields are what the stored payload says, overlaid with what the row's `extra` says. Ingest and search use the
same functions, so that what a message is found by is what it shows. Knows nothing of HEP or SQL.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from capture.errors import MediaError
from capture.media.dns import DnsMessage, parse_dns
from capture.media.isup import IsupMessage, parse_isup
from capture.media.log import LogLine, parse_log
from capture.media.report import QualityReport, parse_report
from capture.media.rtcp import RtcpReport, parse_rtcp
from capture.route import MessageClass
from capture.sip.message import SipMessage
from capture.sip.parse import parse_with_headers
from capture.text import to_text

FieldValue = str | int | None
Media = RtcpReport | QualityReport | IsupMessage | DnsMessage | LogLine

_SIP_CLASSES = (MessageClass.CALL, MessageClass.REGISTRATION, MessageClass.OTHER)
_PROTO_NAMES = {
    5: "rtcp",
    34: "rtpagent",
    35: "rtcpxr",
    38: "horaclifix",
    53: "dns",
    54: "isup",
    100: "log",
}
_REPORT_TYPES = frozenset([32, 34, 35, 38, 99])
"""Types of the report class whose payload is known to be a report; anything else there is only kept."""


class StoredMessage(msgspec.Struct, frozen=True, gc=False):
    """A message row with its payload restored."""

    message_class: MessageClass
    id: int
    time_us: int
    """Capture time, microseconds since the Unix epoch."""
    delay_us: int
    """Arrival minus capture time."""
    capture_id: int | None
    source: str | None
    source_port: int | None
    destination: str | None
    destination_port: int | None
    flags: int
    """`capture.row.Flag`."""
    protocol_type: int
    ip_protocol: int | None
    method: str | None
    node_name: str | None
    correlation_id: str | None
    """None: equal to the session id."""
    session_id: str | None
    """None: the payload says it."""
    parse_error: str | None
    extra: dict[str, Any] | None
    """`{"fields": {name: value, or null for a field taken away}, "hep": {…}}`."""
    payload: bytes


def read_fields(stored: StoredMessage, custom_headers: Sequence[str] = ()) -> dict[str, FieldValue]:
    """Every field by its internal name; a field that a message cannot have is not there.

    Custom headers are `custom:NAME`, as `custom_headers` spells them, where the message has them.
    """
    payload = stored.payload
    fields: dict[str, FieldValue]
    method = stored.method
    if stored.message_class in _SIP_CLASSES:
        message, headers = parse_with_headers(payload, custom_headers)
        fields = msgspec.structs.asdict(message)
        own: str | None = message.call_id
        if method is None:
            method = message.method
        for name, value in headers.items():
            fields[f"custom:{name}"] = value
    else:
        fields, own = _read_media_fields(stored)
    sid = stored.session_id or own or stored.correlation_id
    if not sid:
        sid = address_pair(stored.source, stored.destination)
    if method is not None:
        fields["method"] = method
    # One by one, because merging another dictionary takes 0.5 µs more.
    fields["sid"] = sid
    fields["correlation_id"] = stored.correlation_id or sid
    fields["id"] = stored.id
    fields["time_us"] = stored.time_us
    fields["delay_us"] = stored.delay_us
    fields["source"] = source = stored.source
    fields["source_port"] = stored.source_port
    fields["destination"] = destination = stored.destination
    fields["destination_port"] = stored.destination_port
    fields["family"] = _family(source or destination)
    fields["ip_protocol"] = stored.ip_protocol
    fields["protocol_type"] = stored.protocol_type
    fields["capture_id"] = stored.capture_id
    fields["node"] = node_of(stored.node_name, stored.capture_id)
    fields["flags"] = stored.flags
    fields["parse_error"] = stored.parse_error
    fields["raw"] = to_text(payload.rstrip(b"\0"))
    if stored.extra:
        _overlay(fields, stored.extra.get("fields"))
    return fields


def _read_media_fields(stored: StoredMessage) -> tuple[dict[str, FieldValue], str | None]:
    """What the payload of anything but SIP shows, and the session id that it says by itself."""
    fields: dict[str, FieldValue] = {"proto": proto_name(stored.protocol_type)}
    if stored.message_class is not MessageClass.ISUP:
        return fields, None
    try:
        message = parse_isup(stored.payload)
    except MediaError:
        return fields, None
    fields |= msgspec.structs.asdict(message)
    own = message.session_id
    fields["call_id"] = own or ""
    return fields, own


def _overlay(fields: dict[str, FieldValue], changes: dict[str, FieldValue] | None) -> None:
    for name, value in (changes or {}).items():
        if value is None:
            fields.pop(name, None)
        else:
            fields[name] = value


def _family(address: str | None) -> int | None:
    """Linux's AF_INET or AF_INET6, which Homer shows whatever the sender's system calls them."""
    if address is None:
        return None
    return 10 if ":" in address else 2


def proto_name(protocol_type: int) -> str:
    """Homer's word for a protocol type that is not SIP; the number where it has none."""
    return _PROTO_NAMES.get(protocol_type) or str(protocol_type)


def node_of(node_name: str | None, capture_id: int | None) -> str:
    """The node name, else the capture id in decimal, else nothing."""
    return node_name or ("" if capture_id is None else str(capture_id))


def read_media(
    message_class: MessageClass, protocol_type: int, payload: bytes
) -> tuple[Media | None, str | None]:
    """The payload of anything but SIP, and why it is not what its protocol type promises."""
    try:
        match message_class:
            case MessageClass.RTCP:
                return parse_rtcp(payload), None
            case MessageClass.ISUP:
                return parse_isup(payload), None
            case MessageClass.DNS:
                return parse_dns(payload), None
            case MessageClass.LOG:
                return parse_log(payload), None
            case _:
                return parse_report(payload), None
    except MediaError as error:
        promised = message_class is not MessageClass.REPORT or protocol_type in _REPORT_TYPES
        return None, str(error) if promised else None


def session_id_of(
    parsed: SipMessage | Media | None,
    correlation_id: str | None,
    source: str | None,
    destination: str | None,
) -> tuple[str, bool]:
    """The session id, and whether the payload says it by itself.

    SIP has its Call-ID and ISUP its circuit; anything else, or these without one, the correlation id that
    `correlation_id_of` gives, then the call that a report or a log line names, then the pair of addresses.
    """
    named = None
    if isinstance(parsed, SipMessage):
        if parsed.call_id:
            return parsed.call_id, True
    elif isinstance(parsed, IsupMessage):
        if parsed.session_id:
            return parsed.session_id, True
    elif parsed is not None:
        named = parsed.session_id
    return correlation_id or named or address_pair(source, destination), False


def correlation_id_of(
    chunk: bytes | None, aleg: str | None = None, *, header_wins: bool = False
) -> str | None:
    """What joins legs: chunk 0x0011, or the A-leg header's value. None: the session id stands for it."""
    sent = to_text(chunk.rstrip(b"\0")) if chunk else ""
    return (aleg or sent or None) if header_wins else (sent or aleg or None)


def stored_ids(
    session_id: str, said_by_payload: bool, correlation_id: str | None
) -> tuple[str | None, str | None]:
    """The columns session_id and correlation_id from which `read_fields` gets the same ids back."""
    return (
        None if said_by_payload else session_id,
        None if correlation_id == session_id else correlation_id or None,
    )


def aleg_correlation(payload: bytes, headers: Sequence[str]) -> str | None:
    """The value of the first of `headers` that a SIP message has."""
    return first_value(parse_with_headers(payload, headers)[1], headers)


def first_value(values: Mapping[str, str], names: Sequence[str]) -> str | None:
    """The value of the first of `names` that there is: for who has parsed the message's headers already."""
    return next((values[name] for name in names if name in values), None)


def address_pair(source: str | None, destination: str | None) -> str:
    """`low|high` of two addresses in text form, the same in both directions; "" for one that is not known."""
    return "|".join(sorted((source or "", destination or "")))
