"""What a packet means: its class, its session, what it is found by, and what its row says beside the payload.

Reads by the functions that searches read by (`capture.fields`), so that both agree by construction. Knows
nothing of tables, journals or clocks.
"""

import msgspec

from capture.addresses import address_text
from capture.fields import (
    correlation_id_of,
    first_value,
    node_of,
    read_media,
    session_id_of,
    stored_ids,
)
from capture.hep.packet import Packet, Reading
from capture.route import MessageClass, classify, route_sip
from capture.row import Flag, Json
from capture.settings import SipSettings
from capture.sip.parse import parse_head
from capture.text import to_text

_NO_HEADERS: dict[str, str] = {}
KEYED_SIP_FIELDS = (
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
)
"""What only SIP is found by, as it stands in `Meaning.key_values` from the third on."""
_NO_KEYS = ("",) * len(KEYED_SIP_FIELDS)
_FLAGS = (
    (Reading.LONGER_THAN_LENGTH, Flag.LONGER_THAN_LENGTH.value),
    (Reading.CUT_CHUNK, Flag.CUT_CHUNK.value),
    (Reading.NOT_INFLATED, Flag.NOT_INFLATED.value),
)


class Meaning(msgspec.Struct, frozen=True, gc=False):
    """One message, ready to be stored."""

    message_class: MessageClass
    protocol_type: int
    sid: str
    session_id: str | None
    """The sid where the payload does not say it by itself."""
    correlation_id: str | None
    """None where it equals the sid."""
    method: str | None
    node_name: str | None
    parse_error: str | None
    flags: int
    """`capture.row.Flag`."""
    extra: dict[str, Json] | None
    key_values: tuple[str, ...]
    """In the order of `store.columns.KEY_TEXT_COLUMNS`; "" is nothing to find."""
    key_extra: dict[str, str] | None


class Interpreter:
    """Reads packets under the settings of SIP."""

    def __init__(self, sip: SipSettings) -> None:
        self.custom_headers = sip.custom_headers
        self._correlation = sip.correlation_headers
        self._wanted = tuple(dict.fromkeys(self.custom_headers + self._correlation))
        self._header_wins = sip.correlation_header_wins

    def interpret(self, packet: Packet, sender_time_us: int | None) -> Meaning:
        """`sender_time_us`: the sender's own time where the message is stored under another."""
        protocol_type, message_class = classify(packet.protocol_type, packet.payload)
        if message_class is None:
            method, sid, cseq_method, found_by, headers, parse_error = parse_head(
                packet.payload, self._wanted
            )
            message_class, media = route_sip(cseq_method), None
            aleg = first_value(headers, self._correlation) if headers else None
        else:
            media, parse_error = read_media(message_class, protocol_type, packet.payload)
            headers, found_by, sid, method, aleg = _NO_HEADERS, _NO_KEYS, "", None, None
        sent = packet.correlation_id
        correlation_id = (
            correlation_id_of(sent, aleg, header_wins=self._header_wins) if sent or aleg else None
        )
        said = True
        if not sid:
            ends = address_text(packet.source), address_text(packet.destination)
            sid, said = session_id_of(media, correlation_id, *ends)
        session_id, correlation_id = stored_ids(sid, said, correlation_id)
        node_name = to_text(packet.node_name) or None if packet.node_name else None
        return Meaning(
            message_class,
            protocol_type,
            sid,
            session_id,
            correlation_id,
            method,
            node_name,
            parse_error,
            sum(flag for reading, flag in _FLAGS if reading in packet.reading) if packet.reading else 0,
            _extra(packet, sender_time_us),
            (sid, correlation_id or "", *found_by, node_of(node_name, packet.capture_id)),
            {f"custom:{name}": headers[name] for name in self.custom_headers if name in headers}
            if headers
            else None,
        )


def _extra(packet: Packet, sender_time_us: int | None) -> dict[str, Json] | None:
    """The rarer facts of the packet, under `hep`; most packets have none."""
    facts: dict[str, Json] = {}
    if packet.version != 3:
        facts["version"] = packet.version
    if packet.mos is not None:
        facts["mos"] = packet.mos
    if packet.vlan:
        facts["vlan"] = packet.vlan
    if packet.tos:
        facts["tos"] = packet.tos
    if packet.tcp_flags:
        facts["tcp_flags"] = packet.tcp_flags
    if packet.compressed_bytes is not None:
        facts["compressed_bytes"] = packet.compressed_bytes
    if sender_time_us is not None:
        facts["sender_time_us"] = sender_time_us
    if packet.others:
        facts["chunks"] = [[vendor, kind, body.hex()] for vendor, kind, body in packet.others]
    return {"hep": facts} if facts else None
