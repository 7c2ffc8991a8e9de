"""Homer's field ids and what each one means here: the one table behind the mapping and the search.

Source: the field lists of Homer 7 (`mapping_schema`, `protocol_header`, `data_header`). Values are those of
`capture.fields.read_fields`, by internal name, but for three that are told from `time_us`: `time_seconds`
(whole seconds), `time_useconds` (the microseconds within that second), `create_date` (whole milliseconds).
Elements that are no fields (`limit`, `smartinput`, `profile`, `node`, `range`) are not here.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from capture.route import MessageClass

FieldType = Literal["string", "integer"]


CUSTOM = "custom:"
"""Before the name of a custom header or tag, in internal names."""


class Field(NamedTuple):
    """What a Homer id stands for."""

    internal: str
    """The name in `capture.fields.read_fields`."""
    type: FieldType
    """`integer`: the value is a number; `string`: it is text, whatever type a client claims."""


COMMON_FIELDS: dict[str, Field] = {
    "sid": Field("sid", "string"),
    "id": Field("id", "integer"),
    "create_date": Field("create_date", "integer"),
    "raw": Field("raw", "string"),
    "protocol_header.correlation_id": Field("correlation_id", "string"),
    "protocol_header.srcIp": Field("source", "string"),
    "protocol_header.srcPort": Field("source_port", "integer"),
    "protocol_header.dstIp": Field("destination", "string"),
    "protocol_header.dstPort": Field("destination_port", "integer"),
    "protocol_header.timeSeconds": Field("time_seconds", "integer"),
    "protocol_header.timeUseconds": Field("time_useconds", "integer"),
    "protocol_header.payloadType": Field("protocol_type", "integer"),
    "protocol_header.protocolFamily": Field("family", "integer"),
    "protocol_header.protocol": Field("ip_protocol", "integer"),
    # Text, though Homer's own mapping calls it a number: it is the node name where the sender has one.
    "protocol_header.captureId": Field("node", "string"),
    # The HEP key is not stored: absent in every message, as in Homer when a sender has none.
    "protocol_header.capturePass": Field("capture_pass", "string"),
    # Not Homer's: why a message is not well-formed.
    "data_header.parse_error": Field("parse_error", "string"),
}
"""Fields of every class."""

SIP_FIELDS: dict[str, Field] = {
    "data_header.method": Field("method", "string"),
    "data_header.callid": Field("call_id", "string"),
    "data_header.ruri_user": Field("ruri_user", "string"),
    "data_header.ruri_domain": Field("ruri_domain", "string"),
    "data_header.from_user": Field("from_user", "string"),
    "data_header.from_domain": Field("from_domain", "string"),
    "data_header.from_tag": Field("from_tag", "string"),
    "data_header.to_user": Field("to_user", "string"),
    "data_header.to_domain": Field("to_domain", "string"),
    "data_header.to_tag": Field("to_tag", "string"),
    "data_header.cseq": Field("cseq", "string"),
    "data_header.user_agent": Field("user_agent", "string"),
    "data_header.via": Field("via", "string"),
    "data_header.contact_user": Field("contact_user", "string"),
    "data_header.contact_domain": Field("contact_domain", "string"),
    "data_header.pid_user": Field("pai_user", "string"),
    "data_header.auth_user": Field("auth_user", "string"),
    "data_header.server": Field("server", "string"),
    "data_header.content_type": Field("content_type", "string"),
    "data_header.reason": Field("reason", "string"),
    "data_header.diversion": Field("diversion", "string"),
    "data_header.expires": Field("expires", "string"),
    # In Homer's seeds, and written by nothing there either: a filter script may set it, as a tag.
    "data_header.protocol": Field("custom:protocol", "string"),
    # Not Homer's: what this parser reads besides.
    "data_header.cseq_method": Field("cseq_method", "string"),
    "data_header.contact_port": Field("contact_port", "string"),
    "data_header.pid_domain": Field("pai_domain", "string"),
    "data_header.via_branch": Field("via_branch", "string"),
    "data_header.reason_phrase": Field("reason_phrase", "string"),
}
"""Fields of the three SIP classes."""

REPORT_FIELDS: dict[str, Field] = {
    "data_header.node": Field("node", "string"),
    "data_header.proto": Field("proto", "string"),
}
"""Fields of RTCP, reports, DNS and logs."""

ISUP_FIELDS: dict[str, Field] = {
    "data_header.callid": Field("call_id", "string"),
    "data_header.msg_name": Field("msg_name", "string"),
    "data_header.calling_number": Field("calling_number", "string"),
    "data_header.called_number": Field("called_number", "string"),
    "data_header.cic": Field("cic", "integer"),
    "data_header.opc": Field("opc", "integer"),
    "data_header.dpc": Field("dpc", "integer"),
}
"""Fields of ISUP."""

HOMER_FIELDS: dict[str, Field] = COMMON_FIELDS | SIP_FIELDS | REPORT_FIELDS | ISUP_FIELDS
"""Every id of any class but custom headers."""


def custom_fields(names: Iterable[str]) -> dict[str, Field]:
    """`data_header.NAME` for each name, spelt as the operator or a script has it."""
    return {f"data_header.{name}": Field(f"{CUSTOM}{name}", "string") for name in names}


def class_fields(
    message_class: MessageClass, custom_headers: Iterable[str] = (), script_names: Iterable[str] = ()
) -> dict[str, Field]:
    """The fields that messages of one class can have, by Homer id; any other id is unknown there.

    `custom_headers` are those of `sip.custom_headers`, which only SIP has; scripts set theirs on anything.
    """
    own = _own_fields(message_class)
    custom = custom_fields(custom_headers) if message_class.is_sip else {}
    # A custom header named as a standard field must not hide it.
    return custom | custom_fields(script_names) | COMMON_FIELDS | own


def _own_fields(message_class: MessageClass) -> dict[str, Field]:
    if message_class.is_sip:
        return SIP_FIELDS
    return ISUP_FIELDS if message_class is MessageClass.ISUP else REPORT_FIELDS
