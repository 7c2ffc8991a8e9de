"""SIP of real senders, and the torture messages of RFC 4475, as parsed from what the HEP decoder gives."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from capture.fields import read_media, session_id_of
from capture.hep.decode import decode_packet
from capture.route import MessageClass, classify, route_sip
from capture.sip.message import SipMessage
from capture.sip.parse import body, header_values, parse_message
from tests.support.captures import CORPUS, hep_packets

CAPTURES = sorted(CORPUS.glob("*.pcap"))
TORTURE = [json.loads(line) for line in (CORPUS / "torture" / "index.jsonl").read_text().splitlines()]

# What the grammar of RFC 3261 says of them. Those that are broken for an endpoint only (RFC 4475 3.3)
# have no error; nor have a Date that nobody reads (baddate) and headers in a request URI (escruri).
TORTURE_ERRORS = {
    "badinv01": "empty parameter",
    "clerr": "body shorter than Content-Length",
    "ncl": "Content-Length is not a number",
    "scalar02": "CSeq number too large",
    "scalarlg": "CSeq number too large",
    "quotbal": "unbalanced quote",
    "ltgtruri": "request URI in <>",
    "lwsruri": "blanks in start line",
    "lwsstart": "blanks in start line",
    "trws": "blanks in start line",
    "regbadct": "URI with ? outside <>",
    "badaspec": "blank in URI",
    "baddn": "display name without quotes",
    "badvers": "version is not SIP/2.0",
    "mismatch01": "CSeq method differs from the request's",
    "mismatch02": "CSeq method differs from the request's",
    "bigcode": "status is not three digits",
    "insuf": "no call-id header",
    "multi01": "second cseq header",
    "mcl01": "second content-length header",
}


def torture_payloads() -> list[bytes]:
    return [decode_packet(packet).payload for packet in hep_packets(CORPUS / "torture" / "rfc4475.pcap")]


def torture(name: str) -> SipMessage:
    number = next(index for index, message in enumerate(TORTURE) if message["name"] == name)
    return parse_message(torture_payloads()[number])


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_packets_give_the_expected_method_call_and_cseq(path: Path) -> None:
    expected = [json.loads(line) for line in path.with_suffix(".expect.jsonl").read_text().splitlines()]

    read = []
    for packet, line in zip(hep_packets(path), expected, strict=True):
        payload = decode_packet(packet).payload
        message = parse_message(payload)
        read.append({"first": message.method, "call_id": message.call_id, "cseq": message.cseq})
        if "sip" in line:
            assert read[-1] == line["sip"]
            assert classify(line.get("type"), payload) == (1, None)

    assert len(read) == len(expected)


def test_corpus_of_sip_is_whole() -> None:
    lines = [line for path in CAPTURES for line in path.with_suffix(".expect.jsonl").read_text().splitlines()]

    assert len(lines) == 1667
    assert sum('"sip":' in line for line in lines) > 1200


def test_sip_inside_json_is_read() -> None:
    packets = [decode_packet(packet) for packet in hep_packets(CORPUS / "opensips-hep3-json.pcap")]
    messages = [parse_message(packet.payload) for packet in packets if packet.protocol_type == 1]

    assert len(messages) == 63
    assert all(message.call_id.endswith("@127.0.0.1") for message in messages)
    assert {message.method for message in messages} >= {"REGISTER", "INVITE", "BYE", "200"}


def test_messages_of_hep_senders_are_well_formed_but_for_known_ones() -> None:
    errors: dict[str, int] = {}
    for path in CAPTURES:
        for packet in hep_packets(path):
            decoded = decode_packet(packet)
            if classify(decoded.protocol_type, decoded.payload)[0] == 1:
                error = parse_message(decoded.payload).parse_error
                errors[error or ""] = errors.get(error or "", 0) + 1

    # Kamailio's and OpenSIPS's test agents answered without Via; a compact INVITE has `\\"` in a quoted name;
    # hepgen.js announces longer bodies than it sends.
    assert set(errors) == {
        "",
        "no via header",
        "text behind the quoted name",
        "body shorter than Content-Length",
    }
    assert errors[""] > 1300


@pytest.mark.parametrize("message", TORTURE, ids=lambda message: message["name"])
def test_torture_message_is_read(message: dict[str, Any]) -> None:
    payload = torture_payloads()[message["n"] - 1]

    read = parse_message(payload)

    assert hashlib.sha256(payload).hexdigest() == message["sha256"]
    assert read.method == message["first"]
    assert read.call_id == "".join(message["call_id"][:1])
    assert read.cseq == "".join(message["cseq"][:1])
    assert header_values(payload, "Call-ID") == message["call_id"]
    assert header_values(payload, "CSeq") == message["cseq"]
    assert read.parse_error == TORTURE_ERRORS.get(message["name"])


def test_torture_index_is_whole() -> None:
    assert len(TORTURE) == len(torture_payloads()) == 49
    assert set(TORTURE_ERRORS) < {message["name"] for message in TORTURE}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("wsinv", {"from_user": "jdrosen", "from_tag": "98asjd8", "to_tag": "1918181833n"}),
        ("wsinv", {"via": "SIP  /   2.0 /UDP 192.0.2.2;branch=390skdjuw", "via_branch": "390skdjuw"}),
        ("intmeth", {"from_user": "mundane", "from_tag": "_token~1'+`*%!-.", "ruri_domain": "example.com"}),
        ("esc01", {"ruri_user": "sips%3Auser%40example.com", "to_user": "%75se%72"}),
        ("escnull", {"from_user": "null-%00-null", "contact_user": "%00"}),
        ("lwsdisp", {"from_user": "caller", "from_domain": "example.com", "from_tag": "323"}),
        ("semiuri", {"ruri_user": "user;par=u%40example.net", "ruri_domain": "example.com"}),
        ("unreason", {"reason_phrase": "= 2**3 * 5**2 но сто девяносто девять - простое"}),
        ("noreason", {"reason_phrase": "", "method": "100"}),
        ("transports", {"via": "SIP/2.0/UDP t1.example.com;branch=z9hG4bKkdjuw"}),
        ("quotbal", {"to_user": "j.user", "to_domain": "example.com"}),
        ("badaspec", {"to_user": "t.watson", "to_domain": "example.org"}),
        ("unksm2", {"to_user": "2983792873", "from_domain": "www.example.com", "from_tag": "3234233"}),
        ("novelsc", {"ruri_user": "", "ruri_domain": "192.0.2.103"}),
        ("multi01", {"from_tag": "3413415", "to_user": "user", "contact_domain": "host25.example.net"}),
        ("inv2543", {"from_user": "+13035551111", "to_user": "+16505552222", "to_domain": "ss1.example.net"}),
    ],
)  # fmt: skip
def test_torture_fields_are_read(name: str, values: dict[str, str]) -> None:
    message = torture(name)

    assert {field: getattr(message, field) for field in values} == values


def test_torture_bodies_are_cut_by_their_length() -> None:
    payloads = dict(zip((message["name"] for message in TORTURE), torture_payloads(), strict=True))

    assert body(payloads["dblreq"]) == b""
    assert body(payloads["mpart01"]).startswith(b"--7a9cbec02ceef655")
    assert len(body(payloads["mpart01"])) == 553
    assert len(body(payloads["clerr"])) == 154


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_message_cut_anywhere_is_read_without_error(path: Path) -> None:
    payload = decode_packet(next(hep_packets(path))).payload

    for size in range(len(payload)):
        parse_message(payload[:size])


def test_reports_and_logs_name_the_call_of_their_correlation_id() -> None:
    told = set()
    for path in CAPTURES:
        for packet in map(decode_packet, hep_packets(path)):
            kind, message_class = classify(packet.protocol_type, packet.payload)
            if message_class is None or packet.correlation_id is None:
                continue
            media, error = read_media(message_class, kind, packet.payload)
            sid, said = session_id_of(media, None, None, None)
            told.add((message_class, sid == packet.correlation_id.decode(), said))
            assert error is None

    assert (MessageClass.ISUP, True, True) in told
    assert (MessageClass.ISUP, False, True) not in told
    assert (MessageClass.REPORT, True, False) in told
    assert (MessageClass.LOG, True, False) in told


def test_classes_of_the_corpus_are_homers() -> None:
    classes: dict[str, int] = {}
    for path in CAPTURES:
        for packet in map(decode_packet, hep_packets(path)):
            _, found = classify(packet.protocol_type, packet.payload)
            message_class = found or route_sip(parse_message(packet.payload).cseq_method)
            classes[message_class.key] = classes.get(message_class.key, 0) + 1

    assert sum(classes.values()) == 1667
    assert classes["54_default"] == 2
    # M2UA, then the RTP agents' reports: one call over many hops, two legs, and none.
    assert classes["35_default"] == 6 + 143 + 7 + 7
    assert set(classes) == {
        "1_call",
        "1_registration",
        "1_default",
        "5_default",
        "35_default",
        "54_default",
        "100_default",
    }
