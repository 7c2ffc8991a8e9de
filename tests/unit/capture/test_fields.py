"""Fields of a stored message, and the ids that ingest stores for it."""

import json
from typing import Any

import pytest

from capture.fields import (
    StoredMessage,
    address_pair,
    aleg_correlation,
    correlation_id_of,
    first_value,
    node_of,
    proto_name,
    read_fields,
    read_media,
    session_id_of,
    stored_ids,
)
from capture.media.isup import IsupMessage
from capture.media.log import LogLine
from capture.media.report import QualityReport
from capture.media.rtcp import RtcpReport
from capture.route import MessageClass
from capture.sip.message import SipMessage
from capture.sip.parse import parse_message

SIP = (
    b"INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9\r\nFrom: <sip:alice@a>;tag=1\r\n"
    b"To: <sip:bob@b>\r\nCall-ID: call\r\nCSeq: 1 INVITE\r\nX-CID: leg\r\nContent-Length: 0\r\n\r\n"
)
ISUP = b'{"cic":12,"opc":300,"dpc":20,"msg_name":"IAM","called_number":{"num":"4930"}}'


def a_stored(payload: bytes = SIP, **given: Any) -> StoredMessage:
    values: dict[str, Any] = {
        "message_class": MessageClass.CALL,
        "id": 42,
        "time_us": 1_795_408_344_775_048,
        "delay_us": 1500,
        "capture_id": 2001,
        "source": "192.0.2.1",
        "source_port": 5060,
        "destination": "192.0.2.2",
        "destination_port": 5062,
        "flags": 0,
        "protocol_type": 1,
        "ip_protocol": 17,
        "method": "INVITE",
        "node_name": None,
        "correlation_id": None,
        "session_id": None,
        "parse_error": None,
        "extra": None,
        "payload": payload,
    }
    return StoredMessage(**(values | given))


def a_report(payload: bytes, **given: Any) -> StoredMessage:
    return a_stored(
        payload,
        **({"message_class": MessageClass.REPORT, "protocol_type": 34, "method": None} | given),
    )


def test_envelope_is_given_by_internal_names() -> None:
    fields = read_fields(a_stored())

    assert {name: fields[name] for name in ENVELOPE} == ENVELOPE


ENVELOPE: dict[str, str | int | None] = {
    "id": 42,
    "time_us": 1_795_408_344_775_048,
    "delay_us": 1500,
    "source": "192.0.2.1",
    "source_port": 5060,
    "destination": "192.0.2.2",
    "destination_port": 5062,
    "family": 2,
    "ip_protocol": 17,
    "protocol_type": 1,
    "capture_id": 2001,
    "node": "2001",
    "method": "INVITE",
    "flags": 0,
    "parse_error": None,
    "raw": SIP.decode(),
}


def test_every_field_of_the_sip_message_is_given() -> None:
    fields = read_fields(a_stored())

    message = parse_message(SIP)
    assert all(fields[name] == getattr(message, name) for name in SipMessage.__struct_fields__)
    assert "proto" not in fields


def test_payload_is_shown_without_trailing_nuls() -> None:
    assert read_fields(a_stored(b"a\xff\0b\0\0"))["raw"] == "a\ufffd\ufffdb"


@pytest.mark.parametrize(
    ("source", "destination", "family"),
    [
        ("192.0.2.1", None, 2),
        ("2001:db8::1", "2001:db8::2", 10),
        (None, "2001:db8::2", 10),
        (None, None, None),
    ],
)
def test_family_is_told_from_the_addresses(
    source: str | None, destination: str | None, family: int | None
) -> None:
    assert read_fields(a_stored(source=source, destination=destination))["family"] == family


@pytest.mark.parametrize(
    ("node_name", "capture_id", "node"),
    [("sbc", 7, "sbc"), ("", 7, "7"), (None, 0, "0"), (None, None, "")],
)
def test_node_is_the_name_else_the_capture_id(
    node_name: str | None, capture_id: int | None, node: str
) -> None:
    assert node_of(node_name, capture_id) == node
    assert read_fields(a_stored(node_name=node_name, capture_id=capture_id))["node"] == node


@pytest.mark.parametrize(
    ("payload", "columns", "sid", "correlation_id"),
    [
        (SIP, {}, "call", "call"),
        (SIP, {"correlation_id": "leg"}, "call", "leg"),
        (SIP, {"session_id": "set"}, "set", "set"),
        (SIP, {"session_id": "set", "correlation_id": "leg"}, "set", "leg"),
        (b"no sip", {}, "192.0.2.1|192.0.2.2", "192.0.2.1|192.0.2.2"),
        (b"no sip", {"correlation_id": "leg"}, "leg", "leg"),
    ],
)
def test_session_id_is_the_column_else_the_payloads_else_the_correlation_else_the_addresses(
    payload: bytes, columns: dict[str, str], sid: str, correlation_id: str
) -> None:
    fields = read_fields(a_stored(payload, **columns))

    assert (fields["sid"], fields["correlation_id"]) == (sid, correlation_id)


def test_column_method_counts_over_the_payloads() -> None:
    assert read_fields(a_stored(method="BYE"))["method"] == "BYE"
    assert read_fields(a_stored(method=None))["method"] == "INVITE"


def test_custom_headers_are_fields_of_their_own() -> None:
    fields = read_fields(a_stored(), ["X-CID", "X-Absent", "via"])

    assert fields["custom:X-CID"] == "leg"
    assert fields["custom:via"] == "SIP/2.0/UDP a;branch=z9"
    assert "custom:X-Absent" not in fields


def test_extra_overlays_fields_and_takes_them_away() -> None:
    extra = {
        "fields": {"from_user": "changed", "to_user": None, "customer": "acme", "absent": None},
        "hep": {"mos": 4},
    }

    fields = read_fields(a_stored(extra=extra))

    assert (fields["from_user"], fields["customer"]) == ("changed", "acme")
    assert "to_user" not in fields
    assert "absent" not in fields
    assert "mos" not in fields


@pytest.mark.parametrize("extra", [{}, {"hep": {"vlan": 7}}, {"fields": None}])
def test_extra_without_fields_changes_nothing(extra: dict[str, Any]) -> None:
    assert read_fields(a_stored(extra=extra)) == read_fields(a_stored())


@pytest.mark.parametrize(
    ("protocol_type", "name"),
    [
        (5, "rtcp"),
        (34, "rtpagent"),
        (35, "rtcpxr"),
        (38, "horaclifix"),
        (53, "dns"),
        (54, "isup"),
        (100, "log"),
        (8, "8"),
        (0, "0"),
    ],
)
def test_protocols_have_homers_names(protocol_type: int, name: str) -> None:
    assert proto_name(protocol_type) == name
    assert read_fields(a_report(b"", protocol_type=protocol_type))["proto"] == name


def test_report_has_the_envelope_and_its_protocol_only() -> None:
    fields = read_fields(a_report(b"{}", session_id="call"))

    assert set(fields) == (set(ENVELOPE) - {"method"}) | {"sid", "correlation_id", "proto"}
    assert fields["sid"] == "call"


def test_isup_shows_its_circuit_and_numbers() -> None:
    stored = a_report(ISUP, message_class=MessageClass.ISUP, protocol_type=54)

    fields = read_fields(stored)

    assert (fields["cic"], fields["dpc"], fields["opc"]) == (12, 20, 300)
    assert (fields["msg_name"], fields["called_number"], fields["calling_number"]) == ("IAM", "4930", "")
    assert fields["sid"] == fields["call_id"] == "20:300:12"


def test_isup_that_cannot_be_read_is_shown_all_the_same() -> None:
    stored = a_report(b"\x01", message_class=MessageClass.ISUP, protocol_type=54, correlation_id="a:b:c")

    assert read_fields(stored)["sid"] == "a:b:c"


@pytest.mark.parametrize(
    ("parsed", "correlation_id", "sid", "said"),
    [
        (SipMessage(True, "INVITE", call_id="call"), "leg", "call", True),
        (SipMessage(True, "INVITE"), "leg", "leg", False),
        (SipMessage(True, "INVITE"), None, "192.0.2.1|192.0.2.2", False),
        (IsupMessage(12, 20, 300), "leg", "20:300:12", True),
        (IsupMessage(), "leg", "leg", False),
        (RtcpReport(), "leg", "leg", False),
        (RtcpReport(), None, "192.0.2.1|192.0.2.2", False),
        (QualityReport("call"), "leg", "leg", False),
        (QualityReport("call"), None, "call", False),
        (LogLine("text", session_id="call"), None, "call", False),
        (None, "leg", "leg", False),
        (None, None, "192.0.2.1|192.0.2.2", False),
    ],
)
def test_session_is_what_the_payload_says_else_the_correlation(
    parsed: SipMessage | IsupMessage | None, correlation_id: str | None, sid: str, said: bool
) -> None:
    assert session_id_of(parsed, correlation_id, "192.0.2.2", "192.0.2.1") == (sid, said)


@pytest.mark.parametrize(
    ("chunk", "aleg", "header_wins", "correlation_id"),
    [
        (b"chunk", "leg", False, "chunk"),
        (b"chunk", "leg", True, "leg"),
        (b"chunk", None, True, "chunk"),
        (b"", "leg", False, "leg"),
        (None, None, False, None),
        (b"\0\0", None, False, None),
        (b"c\xff\0\0", None, False, "c\ufffd"),
    ],
)
def test_correlation_is_the_chunk_or_the_header(
    chunk: bytes | None, aleg: str | None, header_wins: bool, correlation_id: str | None
) -> None:
    assert correlation_id_of(chunk, aleg, header_wins=header_wins) == correlation_id


@pytest.mark.parametrize("payload", [SIP, b"no sip", SIP.replace(b"Call-ID: call\r\n", b"")])
@pytest.mark.parametrize("correlation_id", [None, "call", "leg"])
def test_stored_ids_of_sip_are_read_back(payload: bytes, correlation_id: str | None) -> None:
    sid, said = session_id_of(parse_message(payload), correlation_id, "192.0.2.1", None)
    session_column, correlation_column = stored_ids(sid, said, correlation_id)

    fields = read_fields(
        a_stored(payload, session_id=session_column, correlation_id=correlation_column, destination=None)
    )

    assert (fields["sid"], fields["correlation_id"]) == (sid, correlation_id or sid)


@pytest.mark.parametrize("correlation_id", [None, "20:300:12", "leg"])
@pytest.mark.parametrize(
    ("message_class", "protocol_type", "payload"),
    [
        (MessageClass.ISUP, 54, ISUP),
        (MessageClass.ISUP, 54, b"{}"),
        (MessageClass.ISUP, 54, b"no isup"),
        (MessageClass.RTCP, 5, b"{}"),
        (MessageClass.REPORT, 34, b'{"CORRELATION_ID":"call"}'),
        (MessageClass.REPORT, 8, b"\x01"),
        (MessageClass.LOG, 100, b"ID=call"),
        (MessageClass.DNS, 53, b"{}"),
    ],
)
def test_stored_ids_of_media_are_read_back(
    message_class: MessageClass, protocol_type: int, payload: bytes, correlation_id: str | None
) -> None:
    media, _ = read_media(message_class, protocol_type, payload)
    sid, said = session_id_of(media, correlation_id, "192.0.2.1", "192.0.2.2")
    session_column, correlation_column = stored_ids(sid, said, correlation_id)

    fields = read_fields(
        a_report(
            payload,
            message_class=message_class,
            protocol_type=protocol_type,
            session_id=session_column,
            correlation_id=correlation_column,
        )
    )

    assert (fields["sid"], fields["correlation_id"]) == (sid, correlation_id or sid)


@pytest.mark.parametrize(
    ("message_class", "protocol_type", "is_error"),
    [
        (MessageClass.RTCP, 5, True),
        (MessageClass.REPORT, 34, True),
        (MessageClass.REPORT, 8, False),
        (MessageClass.ISUP, 54, True),
        (MessageClass.DNS, 53, True),
        (MessageClass.LOG, 100, False),
    ],
)
def test_only_a_broken_promise_is_an_error(
    message_class: MessageClass, protocol_type: int, is_error: bool
) -> None:
    _, error = read_media(message_class, protocol_type, b"\x01\x02")

    assert (error is not None) is is_error


def test_first_header_of_the_setting_names_the_leg() -> None:
    payload = json.dumps({"payload": SIP.decode()}).encode()

    assert aleg_correlation(payload, ["P-Charging-Vector", "x-cid", "Call-ID"]) == "leg"
    assert aleg_correlation(payload, ["Call-ID", "X-CID"]) == "call"
    assert aleg_correlation(payload, ["P-Charging-Vector"]) is None
    assert first_value({"X-CID": "leg"}, ["Other", "X-CID"]) == "leg"


@pytest.mark.parametrize(
    ("source", "destination", "pair"),
    [("b", "a", "a|b"), ("a", "b", "a|b"), (None, "a", "|a"), (None, None, "|")],
)
def test_pair_of_addresses_is_the_same_in_both_directions(
    source: str | None, destination: str | None, pair: str
) -> None:
    assert address_pair(source, destination) == pair
