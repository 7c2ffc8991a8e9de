"""Whole SIP messages."""

import json

import pytest

from capture.sip.message import SipMessage
from capture.sip.parse import body, header_values, looks_like_sip, parse_message, parse_with_headers

REQUEST = (
    "INVITE sip:bob@example.com:5070;lr SIP/2.0",
    "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport",
    "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK0",
    'From: "Alice" <sip:alice@example.com>;tag=ft',
    "To: <sip:bob@example.net>;tag=tt",
    "Call-ID: call@192.0.2.1",
    "CSeq: 7 INVITE",
    "Contact: <sip:ann@192.0.2.1:5062;transport=UDP>",
    "P-Asserted-Identity: <tel:+49301>, <sip:+49301@example.com>",
    'Proxy-Authorization: Digest username="auth", realm="x"',
    "User-Agent: Acme/1.0",
    "Server: Proxy/2",
    'Reason: Q.850;cause=16;text="x"',
    "Diversion: <sip:div@example.com>;reason=busy",
    "Expires: 60",
    "Content-Type: application/sdp",
    "Content-Length: 5",
)

FOLDED = [line.replace(": ", " \t:\r\n  ", 1) for line in REQUEST[1:]]
UPPER = [line.partition(":")[0].upper() + line[line.index(":") :] for line in REQUEST[1:]]


def a_message(*lines: str, body: bytes = b"", end: str = "\r\n") -> bytes:
    return end.join([*lines, "", ""]).encode() + body


def with_line(old: str, new: str | None) -> bytes:
    """`REQUEST` with the lines that start so replaced by one or none."""
    lines = [line for line in REQUEST if not line.startswith(old)]
    return a_message(*lines, *([new] if new is not None else []), body=b"v=0\r\n")


def test_every_field_of_a_request_is_read() -> None:
    assert parse_message(a_message(*REQUEST, body=b"v=0\r\n")) == SipMessage(
        is_request=True,
        method="INVITE",
        ruri="sip:bob@example.com:5070;lr",
        ruri_user="bob",
        ruri_domain="example.com",
        call_id="call@192.0.2.1",
        cseq="7 INVITE",
        cseq_method="INVITE",
        from_user="alice",
        from_domain="example.com",
        from_tag="ft",
        to_user="bob",
        to_domain="example.net",
        to_tag="tt",
        contact_user="ann",
        contact_domain="192.0.2.1",
        contact_port="5062",
        pai_user="+49301",
        pai_domain="",
        auth_user="auth",
        user_agent="Acme/1.0",
        server="Proxy/2",
        via="SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport",
        via_branch="z9hG4bK1",
        content_type="application/sdp",
        reason='Q.850;cause=16;text="x"',
        diversion="<sip:div@example.com>;reason=busy",
        expires="60",
    )


def test_response_has_its_status_as_method() -> None:
    message = parse_message(a_message("SIP/2.0 180 Ringing", *REQUEST[1:], body=b"v=0\r\n"))

    assert (message.is_request, message.method, message.reason_phrase) == (False, "180", "Ringing")
    assert (message.ruri, message.ruri_user, message.cseq_method) == ("", "", "INVITE")
    assert message.parse_error is None


@pytest.mark.parametrize(
    "payload",
    [
        a_message(*REQUEST, end="\n", body=b"v=0\r\n"),
        b"\r\n\r\n" + a_message(*REQUEST, body=b"v=0\r\n"),
        a_message(*REQUEST, body=b"v=0\r\n") + b"\0" * 8,
        a_message(*REQUEST, body=b"v=0\r\n") + a_message("BYE sip:x SIP/2.0", "Call-ID: other"),
        a_message(REQUEST[0], *FOLDED, body=b"v=0\r\n"),
        a_message(REQUEST[0], *UPPER, body=b"v=0\r\n"),
        json.dumps({"payload": a_message(*REQUEST, body=b"v=0\r\n").decode()}).encode(),
    ],
    ids=["bare LF", "leading CRLF", "trailing NULs", "second message", "folded", "upper case", "JSON"],
)
def test_the_same_is_read_however_it_is_written(payload: bytes) -> None:
    assert parse_message(payload) == parse_message(a_message(*REQUEST, body=b"v=0\r\n"))


def test_compact_names_are_read() -> None:
    message = parse_message(
        a_message(
            "MESSAGE sip:bob@example.com SIP/2.0",
            "v: SIP/2.0/TCP a;branch=z9hG4bK2",
            "f: <sip:alice@a>;tag=1",
            "t: <sip:bob@b>",
            "i: call",
            "CSeq: 1 MESSAGE",
            "m: <sip:carol@c>",
            "c: text/plain",
            "l: 0",
        )
    )

    assert (message.via_branch, message.from_user, message.to_user) == ("z9hG4bK2", "alice", "bob")
    assert (message.call_id, message.contact_user, message.content_type) == ("call", "carol", "text/plain")
    assert message.parse_error is None


@pytest.mark.parametrize("name", ["Via", "From", "To", "Call-ID", "CSeq"])
def test_missing_header_is_named_and_the_rest_is_read(name: str) -> None:
    message = parse_message(with_line(name, None))

    assert message.parse_error == f"no {name.lower()} header"
    assert message.method == "INVITE"
    assert message.user_agent == "Acme/1.0"


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("CSeq", "CSeq: 7 BYE", "CSeq method differs from the request's"),
        ("CSeq", "CSeq: INVITE", "CSeq is not a number and a method"),
        ("Content-Length", "Content-Length: 6", "body shorter than Content-Length"),
        ("Content-Length", "Content-Length: -1", "Content-Length is not a number"),
        ("Content-Length", "Content-Length: " + "9" * 5000, "body shorter than Content-Length"),
        ("Content-Length", "Content-Length: 4", None),
        ("Content-Length", None, None),
        ("Contact", "Contact: <sip:x@y>;;", "empty parameter"),
        ("Contact", "Contact: *", None),
        ("From", 'From: "Alice <sip:alice@example.com>', "unbalanced quote"),
        ("X", "Call-ID: another", "second call-id header"),
        ("X", "no colon at all", "header line without a colon"),
    ],
)
def test_parse_error_says_what_is_not_well_formed(old: str, new: str | None, error: str | None) -> None:
    assert parse_message(with_line(old, new)).parse_error == error


def test_message_without_start_line_is_read_all_the_same() -> None:
    message = parse_message(a_message(*REQUEST[1:]))

    assert (message.method, message.parse_error) == ("", "no start line")
    assert (message.call_id, message.via_branch, message.cseq_method) == (
        "call@192.0.2.1",
        "z9hG4bK1",
        "INVITE",
    )


@pytest.mark.parametrize(
    "payload", [b"", b"\r\n\r\n", b"HEP PING", b"HEPPING", b"\0", b'{"x": 1}', b"\xff" * 40]
)
def test_what_is_no_sip_at_all_has_no_fields(payload: bytes) -> None:
    assert parse_message(payload) == SipMessage(is_request=False, method="", parse_error="no start line")


def test_bytes_that_are_not_utf8_and_nuls_become_replacement_characters() -> None:
    payload = a_message(*REQUEST, body=b"v=0\r\n").replace(b"alice", b"al\xe9ce").replace(b"Acme", b"A\0me")

    message = parse_message(payload)

    assert message.from_user == "al\ufffdce"
    assert message.user_agent == "A\ufffdme/1.0"
    assert message.parse_error is None


@pytest.mark.parametrize(
    ("via", "topmost", "branch"),
    [
        ("SIP/2.0/UDP a;branch=1, SIP/2.0/UDP b;branch=2", "SIP/2.0/UDP a;branch=1", "1"),
        (
            'SIP/2.0/UDP a;x=",;branch=0";branch=1 , SIP/2.0/UDP b',
            'SIP/2.0/UDP a;x=",;branch=0";branch=1',
            "1",
        ),
        ("SIP / 2.0 / UDP a ; BRANCH = 1 ;rport", "SIP / 2.0 / UDP a ; BRANCH = 1 ;rport", "1"),
        ("SIP/2.0/UDP a", "SIP/2.0/UDP a", ""),
        ('SIP/2.0/UDP a;x="unclosed, b', 'SIP/2.0/UDP a;x="unclosed, b', ""),
    ],
)
def test_topmost_via_and_its_branch_are_read(via: str, topmost: str, branch: str) -> None:
    message = parse_message(a_message(REQUEST[0], f"Via: {via}", *REQUEST[3:]))

    assert (message.via, message.via_branch) == (topmost, branch)


@pytest.mark.parametrize(
    ("lines", "user"),
    [
        (['Authorization: Digest username="alice", realm="x"'], "alice"),
        (['Authorization: Digest realm="x", username="alice"'], "alice"),
        (['Authorization: Digest realm=", username=\\"eve\\"", UserName = "alice"'], "alice"),
        (['Authorization: Digest username="a\\"b", realm="x"'], 'a"b'),
        (["Authorization: Digest realm=x,username=alice"], "alice"),
        (['Proxy-Authorization: Digest username="alice"'], "alice"),
        (["Authorization: Bearer x", 'Proxy-Authorization: Digest username="alice"'], "alice"),
        (['Authorization: Digest username="alice"', 'Proxy-Authorization: Digest username="bob"'], "alice"),
        (["Authorization: NoOneKnowsThisScheme opaque-data=here"], ""),
        ([], ""),
    ],
)
def test_user_of_the_credentials_is_read(lines: list[str], user: str) -> None:
    assert parse_message(a_message(REQUEST[0], *lines)).auth_user == user


def test_long_header_section_is_read_like_a_short_one() -> None:
    filler = [f"X-Filler: {'x' * 5000}"]

    assert parse_message(a_message(*REQUEST, *filler, body=b"v=0\r\n")) == parse_message(
        a_message(*REQUEST, body=b"v=0\r\n")
    )


def test_custom_headers_come_with_the_message() -> None:
    payload = a_message(*REQUEST, "x-cid: a", "X-CID: b", "X-Empty:", body=b"v=0\r\n")

    message, values = parse_with_headers(payload, ["X-CID", "User-Agent", "X-Empty", "X-Absent"])

    assert message == parse_message(payload)
    assert values == {"X-CID": "a", "User-Agent": "Acme/1.0"}
    assert parse_with_headers(payload, []) == (message, {})


def test_any_header_can_be_asked_for() -> None:
    payload = a_message(*REQUEST[:3], "v : SIP/2.0/UDP c", "X-Fold: a", "  b", body=b"Via: not a header")

    assert header_values(payload, "via") == [
        "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport",
        "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK0",
        "SIP/2.0/UDP c",
    ]
    assert header_values(payload, "X-FOLD") == ["a b"]
    assert header_values(payload, "Subject") == []


@pytest.mark.parametrize(
    ("length", "rest", "expected"),
    [
        ("3", b"abcdef", b"abc"),
        ("9", b"abc", b"abc"),
        ("x", b"abc\0\0", b"abc"),
        (None, b"a\0b\0\0", b"a\0b"),
    ],
)
def test_body_is_as_long_as_its_length_says(length: str | None, rest: bytes, expected: bytes) -> None:
    lines = [REQUEST[0]] if length is None else [REQUEST[0], f"l: {length}"]

    assert body(a_message(*lines, body=rest)) == expected


def test_body_of_a_wrapped_message_is_found() -> None:
    assert body(json.dumps({"payload": "A sip:b SIP/2.0\r\n\r\nbody"}).encode()) == b"body"


@pytest.mark.parametrize(
    ("payload", "is_sip"),
    [
        (a_message(*REQUEST), True),
        (b"\r\n\r\n", True),
        (b'{"payload":"INVITE"}', True),
        (b'{ "sender_information":{}}', False),
        (b"\x80\xc8\x00\x06", False),
        (b"", True),
    ],
)
def test_payload_without_a_type_is_told_apart(payload: bytes, is_sip: bool) -> None:
    assert looks_like_sip(payload) is is_sip
