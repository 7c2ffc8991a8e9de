"""What scripts of our own API read: fields, headers, session descriptions, reports, log lines."""

import re

import pytest

from capture.errors import ScriptError
from tests.support.drafts import INVITE, a_draft
from tests.support.filtering import Filter, run_on_sip, tags_of

RINGING = INVITE.replace(b"INVITE sip:bob@example.com SIP/2.0", b"SIP/2.0 180 Ringing")
FULL = (
    b"REGISTER sip:example.com;transport=tls SIP/2.0\r\n"
    b"v: SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bK1\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.9\r\n"
    b"f: <sip:alice@example.org>;tag=1\r\n"
    b"t: <sip:bob@example.net>;tag=2\r\n"
    b"i: abc\r\n"
    b"CSeq: 7 REGISTER\r\n"
    b"m: <sip:carol@192.0.2.1>\r\n"
    b"P-Asserted-Identity: <sip:dave@example.edu>\r\n"
    b'Authorization: Digest username="eve"\r\n'
    b"User-Agent: phone\r\n"
    b"Server: proxy\r\n"
    b"Reason: Q.850;cause=16\r\n"
    b"Diversion: <sip:frank@example.com>\r\n"
    b"Expires: 60\r\n"
    b"Content-Type: text/plain\r\n"
    b"Content-Length: 5\r\n\r\n"
    b"hello"
)


def value_of(expression: str, payload: bytes = INVITE, **given: object) -> object:
    """An expression's value for a message of SIP, as text."""
    tagged = run_on_sip(f"tag('value', tostring({expression}))", a_draft(payload, **given))  # type: ignore[arg-type]
    return tags_of(tagged)["value"]


def error_of(body: str) -> str:
    with pytest.raises(ScriptError) as caught:
        run_on_sip(body)
    return str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("method", "REGISTER"),
        ("is_request", "true"),
        ("status", "nil"),
        ("reason_phrase", "nil"),
        ("ruri", "sip:example.com;transport=tls"),
        ("ruri_user", "nil"),
        ("ruri_domain", "example.com"),
        ("call_id", "abc"),
        ("from_user", "alice"),
        ("from_domain", "example.org"),
        ("from_tag", "1"),
        ("to_user", "bob"),
        ("to_domain", "example.net"),
        ("to_tag", "2"),
        ("cseq", "7 REGISTER"),
        ("cseq_method", "REGISTER"),
        ("contact_user", "carol"),
        ("contact_domain", "192.0.2.1"),
        ("user_agent", "phone"),
        ("server", "proxy"),
        ("via", "SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bK1"),
        ("via_branch", "z9hG4bK1"),
        ("auth_user", "eve"),
        ("pai_user", "dave"),
        ("pai_domain", "example.edu"),
        ("content_type", "text/plain"),
        ("reason", "Q.850;cause=16"),
        ("diversion", "<sip:frank@example.com>"),
        ("expires", "60"),
        ("body", "hello"),
        ("payload", FULL.decode()),
        ("source", "192.0.2.1"),
        ("source_port", "5060"),
        ("destination", "192.0.2.2"),
        ("destination_port", "5062"),
        ("node", "nil"),
        ("capture_id", "2001"),
        ("correlation_id", "nil"),
        ("session_id", "abc"),
        ("protocol_type", "1"),
        ("profile", "registration"),
    ],
)
def test_field_of_a_request(field: str, value: str) -> None:
    assert value_of(f"message.{field}", FULL) == value


def test_response_has_its_status_as_number_and_as_method() -> None:
    assert value_of("message.status + 1", RINGING) == "181"
    assert value_of("message.method", RINGING) == "180"
    assert value_of("message.is_request", RINGING) == "false"
    assert value_of("message.cseq_method", RINGING) == "INVITE"
    assert value_of("message.reason_phrase", RINGING) == "Ringing"


def test_time_is_in_seconds_to_the_microsecond() -> None:
    assert value_of("string.format('%.6f', message.time)") == "1795000000.123456"


def test_name_and_correlation_that_the_sender_gave_are_there() -> None:
    assert value_of("message.node", node_name=b"sbc") == "sbc"
    assert value_of("message.correlation_id", correlation_id=b"leg") == "leg"


@pytest.mark.parametrize(
    ("protocol", "via", "transport"),
    [
        (17, b"SIP/2.0/UDP", "udp"),
        (6, b"SIP/2.0/TCP", "tcp"),
        (6, b"SIP/2.0/TLS", "tls"),
        (22, b"SIP/2.0/WSS", "wss"),
        (50, b"SIP / 2.0 / WS", "ws"),
        (22, b"rubbish", "tls"),
        (132, b"SIP/2.0/TLS", "sctp"),
        (50, b"SIP/2.0/TCP", "nil"),
        (None, b"SIP/2.0/UDP", "nil"),
    ],
)
def test_transport_is_told_by_number_and_topmost_via(protocol: int, via: bytes, transport: str) -> None:
    payload = INVITE.replace(b"SIP/2.0/UDP", via)

    assert value_of("message.transport", payload, ip_protocol=protocol) == transport


def test_address_that_was_not_sent_is_nil() -> None:
    assert value_of("message.source_port", source_port=None) == "nil"


@pytest.mark.parametrize("name", ["X-CID", "x-cid", "X-cID "])
def test_header_is_found_in_any_case(name: str) -> None:
    payload = INVITE.replace(b"User-Agent", b"X-CID: one\r\nUser-Agent")

    assert value_of(f"message:header('{name}')", payload) == "one"


@pytest.mark.parametrize("name", ["Via", "v", "VIA"])
def test_header_gives_all_values_also_by_compact_names(name: str) -> None:
    values = value_of(f"table.concat({{message:header('{name}')}}, ' + ')", FULL)

    assert values == "SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bK1 + SIP/2.0/UDP 192.0.2.9"


def test_header_that_is_not_there_is_nil() -> None:
    assert value_of("message:header('X-None')") == "nil"
    assert value_of("#{message:header('X-None')}") == "0"


def test_header_with_as_many_lines_as_are_read_gives_them_all() -> None:
    payload = INVITE.replace(b"User-Agent", b"X: 1\r\n" * 1000 + b"User-Agent")

    assert value_of("select('#', message:header('X'))", payload) == "1000"


def test_earlier_change_is_what_is_read() -> None:
    tags = tags_of(
        run_on_sip(
            "set('from_user', 'x') tag('user', message.from_user) tag('tag', message:tag_value('user'))"
        )
    )

    assert tags == {"user": "x", "tag": "x"}


def test_tag_that_nobody_has_set_is_nil() -> None:
    assert value_of("message:tag_value('none')") == "nil"


SDP = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=talk\r\nc=IN IP4 192.0.2.5\r\nt=0 0\r\n"
    "m=audio 4000 RTP/SAVP 0 96\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1\r\na=sendonly\r\n"
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc|2^20\r\n"
    "m=video 0 RTP/AVP 97\r\nc=IN IP4 192.0.2.6\r\n"
)


def with_body(content_type: str, body: str) -> bytes:
    head = INVITE[:-4].replace(b"Content-Length: 0", f"Content-Type: {content_type}".encode())
    return head + f"\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("sdp.connection", "192.0.2.5"),
        ("sdp.session", "talk"),
        ("#sdp.media", "2"),
        ("sdp.media[1].kind", "audio"),
        ("sdp.media[1].port + 1", "4001"),
        ("sdp.media[1].protocol", "RTP/SAVP"),
        ("sdp.media[1].connection", "192.0.2.5"),
        ("sdp.media[1].direction", "sendonly"),
        ("#sdp.media[1].codecs", "2"),
        ("sdp.media[1].codecs[1].name", "PCMU"),
        ("sdp.media[1].codecs[1].payload_type + 0", "0"),
        ("sdp.media[1].codecs[1].channels", "nil"),
        ("sdp.media[1].codecs[2].rate + 0", "48000"),
        ("sdp.media[1].codecs[2].channels + 0", "2"),
        ("sdp.media[1].codecs[2].fmtp", "useinbandfec=1"),
        ("#sdp.media[1].crypto", "1"),
        ("sdp.media[1].crypto[1]", "1 AES_CM_128_HMAC_SHA1_80 inline:abc|2^20"),
        ("sdp.media[2].port", "0"),
        ("sdp.media[2].connection", "192.0.2.6"),
        ("sdp.media[2].direction", "sendrecv"),
        ("sdp.media[2].codecs[1].name", "nil"),
        ("#sdp.media[2].crypto", "0"),
    ],
)
def test_session_description(expression: str, value: str) -> None:
    payload = with_body("application/sdp", SDP)

    assert value_of(f"(function(sdp) return {expression} end)(message:sdp())", payload) == value


def test_session_description_is_found_among_other_parts() -> None:
    body = (
        f"--x\r\nContent-Type: text/plain\r\n\r\nhi\r\n--x\r\nContent-Type: application/sdp\r\n\r\n{SDP}--x--"
    )

    assert value_of("message:sdp().media[1].port", with_body("multipart/mixed;boundary=x", body)) == "4000"


@pytest.mark.parametrize(
    "payload", [INVITE, with_body("text/plain", SDP), with_body("application/sdp", "hello")]
)
def test_message_without_session_description_has_none(payload: bytes) -> None:
    assert value_of("message:sdp()", payload) == "nil"


def test_hostile_session_description_does_not_use_up_the_instructions() -> None:
    media = "m=audio 1 RTP/AVP " + " ".join(map(str, range(128))) + "\r\n"

    assert (
        value_of("#message:sdp().media > 1", with_body("application/sdp", "v=0\r\n" + media * 90)) == "true"
    )


def run_for(entry_point: str, body: str, payload: bytes, protocol_type: int) -> dict[str, object]:
    script = Filter(f"function {entry_point}(it)\n{body}\nend")
    return tags_of(script.run(a_draft(payload, protocol_type=protocol_type)))


def test_report_gives_its_json_as_tables() -> None:
    payload = b'{"ssrc":1,"report_blocks":[{"fraction_lost":128}]}'

    tags = run_for("on_rtcp", "tag('loss', it:json().report_blocks[1].fraction_lost / 256)", payload, 5)

    assert tags == {"loss": "0.5"}


def test_report_that_is_no_json_gives_nil() -> None:
    payload = b"\x80\xc8\x00\x06" + bytes(24)

    assert run_for("on_rtcp", "tag('json', tostring(it:json()))", payload, 5) == {"json": "nil"}


@pytest.mark.parametrize("payload", [b"hello", b'{"text":"hello","Event":"INFO"}'])
def test_log_line_is_its_text(payload: bytes) -> None:
    assert run_for("on_log", "tag('text', it.text)", payload, 100) == {"text": "hello"}


def test_empty_log_line_is_nil() -> None:
    assert run_for("on_log", "tag('text', tostring(it.text))", b"\0", 100) == {"text": "nil"}


def test_any_packet_has_the_common_fields() -> None:
    body = "tag('it', it.source .. ' ' .. it.protocol_type .. ' ' .. it.payload)"

    assert run_for("on_packet", body, b"x", 34) == {"it": "192.0.2.1 34 x"}


@pytest.mark.parametrize(
    ("expression", "hint"),
    [
        ("message.from_usr", "did you mean from_user?"),
        ("message.From", "did you mean from_user?"),
        ("message.callid", "did you mean call_id?"),
        ("message.srcIp", "did you mean source?"),
        ("message.raw", "did you mean payload?"),
        ("message.useragent", "did you mean user_agent?"),
        ("message.heder", "did you mean header?"),
        ("message.zzzzzzzz", ""),
        ("message[1]", ""),
    ],
)
def test_unknown_field_is_an_error_that_says_what_may_be_meant(expression: str, hint: str) -> None:
    words = error_of(f"local x = {expression}")

    assert words.startswith("a.lua:2: message has no field ")
    assert hint in words
    assert bool(hint) == ("did you mean" in words)


def test_field_of_sip_on_any_packet_names_the_function_that_has_it() -> None:
    script = Filter("function on_packet(packet)\nlocal x = packet.call_id\nend")

    with pytest.raises(
        ScriptError, match=re.escape('a.lua:2: packet has no field "call_id" (on_sip has it)')
    ):
        script.run()


def test_method_with_a_dot_for_the_colon_is_told_so() -> None:
    assert error_of("message.header('Via')") == "a.lua:2: write message:header(…), with a colon"


def test_header_with_a_name_that_is_none_is_an_error() -> None:
    assert error_of("message:header(('x'):rep(257))") == "a.lua:2: the name of a header has at most 256 bytes"
    assert value_of("message:header(('x'):rep(256))") == "nil"


def test_header_without_a_name_is_an_error() -> None:
    assert error_of("message:header(nil)") == "a.lua:2: the name of a header is text, not nil"


def test_field_cannot_be_assigned_to() -> None:
    assert error_of("message.from_user = 'x'") == 'a.lua:2: a field is set by set("from_user", value)'


def test_message_of_an_earlier_packet_is_of_no_use() -> None:
    script = Filter("function on_sip(message)\nkept = kept or message\ntag('x', kept.method)\nend")
    script.run()

    with pytest.raises(ScriptError) as caught:
        script.run()

    assert str(caught.value) == (
        "a.lua:3: this message belongs to an earlier packet: use the one that the function was given"
    )


def test_method_of_an_earlier_packet_is_of_no_use() -> None:
    script = Filter("function on_sip(message)\nkept = kept or message\ntag('x', #{kept:header('Via')})\nend")
    script.run()

    with pytest.raises(ScriptError, match=r"a\.lua:3: this message belongs to an earlier packet"):
        script.run()


def test_what_a_script_does_to_functions_of_lua_does_not_reach_the_fields() -> None:
    tricks = (
        "string.format = nil string.find = error tostring = error setmetatable = nil select = nil type = nil"
    )

    draft = Filter(f"{tricks}\nfunction on_sip(message) tag('via', message:header('Via')) end").run()

    assert tags_of(draft)["via"] == "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1"
