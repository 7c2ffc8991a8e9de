"""What `GET /mapping/protocol` says: one row a message class, from which the web UI builds forms and columns.

Source: the seed rows of Homer 7's `mapping_schema`; the ids are those of `api.search.fields`, all of them,
also the ones Homer's seeds forget. Pure: no database, and the same guids on every machine.
"""

import uuid
from collections.abc import Iterable
from typing import Any, NamedTuple

from api.search.fields import Field, class_fields
from capture.route import MessageClass

_NAMESPACE = uuid.UUID("5b0f3c5e-5c0d-4c5c-9a2b-6a0f4f6d7c11")
LOOKUP_RANGE_S = (-300, 200)
"""How far before and behind a message others of its call are looked for."""

ALIASES = {1: "SIP", 5: "RTCP", 35: "REPORT", 53: "DNS", 54: "ISUP", 100: "LOG"}
METHODS = {
    MessageClass.CALL: ["INVITE", "BYE", "100", "200", "183", "CANCEL"],
    MessageClass.REGISTRATION: ["INVITE", "BYE", "100", "200", "REGISTER", "CANCEL", "OPTIONS", "NOTIFY"],
    MessageClass.OTHER: ["INVITE", "BYE", "100", "200", "REGISTER", "CANCEL", "OPTIONS", "NOTIFY"],
}
"""What the form offers for a method."""


class Label(NamedTuple):
    """How a field is shown."""

    name: str
    hide: bool = True
    """Not a column until the user asks for it."""
    extra: dict[str, Any] = {}  # noqa: RUF012 - never changed


_SHOWN = False
LABELS: dict[str, Label] = {
    "sid": Label("Session ID", _SHOWN, {"index": "secondary", "sid_type": True}),
    "data_header.method": Label("SIP Method", _SHOWN, {"method_type": True}),
    "protocol_header.correlation_id": Label("Correlation ID", extra={"sid_type": True}),
    "data_header.callid": Label("CallID", extra={"sid_type": True}),
    "data_header.ruri_user": Label("RURI user"),
    "data_header.ruri_domain": Label("RURI domain"),
    "data_header.from_user": Label("SIP From user", _SHOWN),
    "data_header.from_domain": Label("SIP From domain"),
    "data_header.to_user": Label("SIP To user", _SHOWN),
    "data_header.to_domain": Label("SIP To domain"),
    "data_header.user_agent": Label("User Agent"),
    "data_header.msg_name": Label("ISUP Message", _SHOWN),
    "data_header.calling_number": Label("Calling number", _SHOWN),
    "data_header.called_number": Label("Called number", _SHOWN),
    "data_header.cic": Label("CIC", _SHOWN),
    "data_header.opc": Label("OPC", _SHOWN),
    "data_header.dpc": Label("DPC", _SHOWN),
    "data_header.proto": Label("Protocol", _SHOWN),
    "data_header.node": Label("Capture node", _SHOWN),
    "protocol_header.srcIp": Label("Source IP", _SHOWN),
    "protocol_header.srcPort": Label("Src Port", _SHOWN),
    "protocol_header.dstIp": Label("Destination IP", _SHOWN),
    "protocol_header.dstPort": Label("Dst Port", _SHOWN),
    "protocol_header.timeSeconds": Label("Timeseconds"),
    "protocol_header.timeUseconds": Label("Usecond time"),
    "protocol_header.payloadType": Label("Payload type"),
    "protocol_header.protocolFamily": Label("Proto Family"),
    "protocol_header.protocol": Label("Protocol Type"),
    "protocol_header.captureId": Label("Capture ID"),
    "protocol_header.capturePass": Label("Capture Pass", extra={"skip": True}),
    "data_header.cseq": Label("SIP Cseq"),
    "data_header.cseq_method": Label("SIP Cseq method"),
    "data_header.from_tag": Label("SIP From tag"),
    "data_header.to_tag": Label("SIP To tag"),
    "data_header.contact_user": Label("SIP Contact user"),
    "data_header.contact_domain": Label("SIP Contact domain"),
    "data_header.contact_port": Label("SIP Contact port"),
    "data_header.pid_user": Label("P-Asserted-Identity user"),
    "data_header.pid_domain": Label("P-Asserted-Identity domain"),
    "data_header.auth_user": Label("Auth user"),
    "data_header.via": Label("SIP Via"),
    "data_header.via_branch": Label("SIP Via branch"),
    "data_header.server": Label("SIP Server"),
    "data_header.content_type": Label("SIP Content-Type"),
    "data_header.reason": Label("SIP Reason"),
    "data_header.reason_phrase": Label("SIP Reason phrase"),
    "data_header.diversion": Label("SIP Diversion"),
    "data_header.expires": Label("SIP Expires"),
    "data_header.protocol": Label("SIP Protocol"),
    "data_header.parse_error": Label("Parse error"),
    "raw": Label("RAW"),
}
"""In the order of forms and columns: the UI takes it from the list, not from `position`. Of the searchable
fields `id` and `create_date` are not here: the UI makes these columns by itself."""


def mapping_rows(
    node_name: str, custom_headers: Iterable[str] = (), script_names: Iterable[str] = ()
) -> list[dict[str, Any]]:
    """One row a class."""
    headers, names = tuple(custom_headers), tuple(script_names)
    return [
        _row(message_class, node_name, class_fields(message_class, headers, names))
        for message_class in MessageClass
    ]


def _row(message_class: MessageClass, node_name: str, known: dict[str, Field]) -> dict[str, Any]:
    return {
        "guid": str(uuid.uuid5(_NAMESPACE, message_class.key)),
        "profile": message_class.profile,
        "hepid": message_class.hepid,
        "hep_alias": ALIASES[message_class.hepid],
        "partid": 10,
        "version": 1,
        "retention": 10,
        "partition_step": 10,
        "create_index": {},
        "create_table": "",
        "correlation_mapping": correlation_mapping(message_class),
        "fields_mapping": _fields(message_class, node_name, known),
        "fields_settings": {},
        "schema_mapping": {},
        "schema_settings": {},
        "user_mapping": None,
    }


def _fields(message_class: MessageClass, node_name: str, known: dict[str, Field]) -> list[dict[str, Any]]:
    fields: list[dict[str, Any]] = []
    for id_, label in _labels(message_class, known):
        field = {
            "id": id_,
            "name": label.name,
            "type": known[id_].type,
            "index": "none",
            "form_type": "input",
        }
        fields.append(field | {"skip": False, "hide": label.hide} | label.extra)
        if id_ == "data_header.method" and message_class.is_sip:
            fields[-1]["form_default"] = METHODS[message_class]
        if id_ == "raw" and not message_class.is_sip:
            fields[-1]["hide"] = False
    if message_class.is_sip:
        fields += _controls(node_name)
    return [field | {"position": position} for position, field in enumerate(fields, 1)]


def _labels(message_class: MessageClass, known: Iterable[str]) -> list[tuple[str, Label]]:
    """Custom headers and tags come last, under their own names, be it that of a field of another class."""
    standard = class_fields(message_class)
    labels = [(id_, label) for id_, label in LABELS.items() if id_ in standard]
    return labels + [(id_, Label(id_.removeprefix("data_header."))) for id_ in known if id_ not in standard]


def _controls(node_name: str) -> list[dict[str, Any]]:
    """Elements of the UI's form that are no fields of a message."""
    common = {"type": "string", "index": "none", "hide": True}
    return [
        common
        | {"id": "profile", "name": "Profile", "form_type": "select", "skip": False, "profile": True}
        | {"form_default": ["call", "registration", "default"]},
        common
        | {"id": "node", "name": "Node", "form_type": "multiselect", "skip": True, "system_param": True}
        | {"mapping": "param.location.node", "_form_api": "/database/node/list"}
        | {"form_default": [{"value": node_name.lower(), "name": node_name}]},
        common
        | {"id": "smartinput", "name": "Smart Input", "form_type": "smart-input", "skip": False}
        | {"form_api": "/smart/search/tag/:hepid/:hepprofile"},
    ]


def correlation_mapping(message_class: MessageClass) -> list[dict[str, Any]]:
    """Homer's rules, where to look for what belongs to a message of this class.

    Other legs come first, and those of the correlation id tell their session ids, so that the logs and RTCP
    of every leg are found.
    """
    if message_class.is_sip:
        legs = _rule("protocol_header.correlation_id", message_class, "sid")
        rules = [legs | {"append_sid": True}]
        if message_class is MessageClass.CALL:
            # Kamailio's and SEMS's B2BUAs name the other leg so.
            script = "data.map(function (callid) { return callid + '_b2b-1'; })"
            leg = _rule("data_header.callid", MessageClass.CALL, "data_header.callid")
            # Before the one that tells, as both are looked up at once then.
            rules.insert(0, leg | {"input_function_js": script})
        return rules + [
            _rule("data_header.callid", other, "sid") for other in (MessageClass.LOG, MessageClass.RTCP)
        ]
    if message_class is MessageClass.ISUP:
        return []
    return [
        _rule("sid", other, "data_header.callid")
        for other in (MessageClass.CALL, MessageClass.REGISTRATION, MessageClass.OTHER)
    ]


def _rule(source_field: str, message_class: MessageClass, lookup_field: str) -> dict[str, Any]:
    return {
        "source_field": source_field,
        "lookup_id": message_class.hepid,
        "lookup_profile": message_class.profile,
        "lookup_field": lookup_field,
        "lookup_range": list(LOOKUP_RANGE_S),
    }
