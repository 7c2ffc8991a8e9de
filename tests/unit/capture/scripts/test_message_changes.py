"""What scripts of our own API change of a message."""

import re

import pytest

from capture.draft import MOST_ADDED_BYTES, Draft
from capture.errors import ScriptError
from capture.settings import SipSettings
from tests.support.drafts import INVITE, a_draft
from tests.support.filtering import Filter, run_on_sip, tags_of

CALL = (
    INVITE[:-4]
    .replace(b"alice", b"+491701234567")
    .replace(b"Content-Length: 0", b"X-Tenant: one\r\nx-tenant: two")
    + b"\r\nP-Asserted-Identity: <sip:+491701234567@example.org>"
    + b"\r\nContent-Length: 5\r\n\r\nhello"
)
WRAPPED = b'{"payload": "' + CALL.replace(b"\r\n", b"\\r\\n") + b'"}'


def error_of(body: str, draft: Draft | None = None) -> str:
    with pytest.raises(ScriptError) as caught:
        run_on_sip(body, draft)
    return str(caught.value)


@pytest.mark.parametrize(
    ("field", "value", "name", "stored"),
    [
        ("from_user", "'x'", "from_user", "x"),
        ("from_user", "5", "from_user", "5"),
        ("user_agent", "nil", "user_agent", None),
        ("method", "'BYE'", "method", "BYE"),
        ("node", "'sbc'", "node_name", "sbc"),
        ("source", "'2001:db8::0001'", "source", "2001:db8::1"),
        ("source_port", "5070", "source_port", 5070),
        ("destination_port", "'5070'", "destination_port", 5070),
        ("capture_id", "7", "capture_id", 7),
        ("session_id", "'other'", "sid", "other"),
        ("correlation_id", "'leg'", "correlation_id", "leg"),
        ("time", "1795000000.25", "time_us", 1_795_000_000_250_000),
        ("protocol_type", "100", "protocol_type", 100),
    ],
)
def test_field_is_set(field: str, value: str, name: str, stored: object) -> None:
    assert run_on_sip(f"set('{field}', {value})").changes == {name: stored}


def test_payload_that_is_set_is_read_anew() -> None:
    draft = run_on_sip(
        "set('payload', (message.payload:gsub('alice', 'carol'))) tag('user', message.from_user)"
    )

    assert draft.payload == INVITE.replace(b"alice", b"carol")
    assert tags_of(draft) == {"user": "carol"}


@pytest.mark.parametrize(
    ("field", "why"),
    [
        ("body", "use redact_body(), or set the payload"),
        ("status", "set method: of a response it is the status"),
        ("is_request", "it follows from the payload"),
        ("transport", "it follows from the packet"),
        ("profile", "use route(profile)"),
    ],
)
def test_field_that_cannot_be_set_says_what_to_do(field: str, why: str) -> None:
    assert error_of(f"set('{field}', 'x')") == f"a.lua:2: {field} cannot be set: {why}"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("set('from_usr', 'x')", 'set: there is no field "from_usr" (did you mean from_user?)'),
        ("set('node_name', 'x')", 'set: there is no field "node_name" (did you mean node?)'),
        ("set(nil, 'x')", "set: there is no field nil"),
        ("set('from_user', {})", "from_user is text or a number, not a table"),
        ("set('from_user', true)", "from_user is text"),
        ("set('source', 'home')", "source is an IPv4 or IPv6 address"),
        ("set('source_port', 70000)", "source_port is a whole number from 0 to 65535"),
        ("set('source_port', nil)", "source_port is a whole number from 0 to 65535"),
        ("set('capture_id', 1.5)", "capture_id is a whole number from 0 to 4294967295"),
        ("set('session_id', '')", "session_id: a session id is text that is not empty"),
        ("set('payload', nil)", "payload: the payload is text"),
        ("set('node', tag)", "node is text or a number, not a function"),
    ],
)
def test_value_that_cannot_be_is_an_error(call: str, words: str) -> None:
    assert error_of(call) == f"a.lua:2: {words}"


def test_field_of_sip_of_another_packet_is_an_error() -> None:
    script = Filter("function on_log(line)\nset('from_user', 'x')\nend")

    with pytest.raises(ScriptError, match=r"a\.lua:2: from_user: this packet is not SIP"):
        script.run(a_draft(b"hello", protocol_type=100))


@pytest.mark.parametrize(
    ("value", "stored"), [("'x'", "x"), ("5", "5"), ("0.5", "0.5"), ("true", "true"), ("nil", None)]
)
def test_tag_is_text(value: str, stored: str | None) -> None:
    assert tags_of(run_on_sip(f"tag('name', {value})")) == {"name": stored}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("tag(nil, 'x')", "tag: the name is text, not nil"),
        ("tag('', 'x')", "tag: the name of a tag has 1 to 64 printable characters"),
        ("tag(('x'):rep(65), 'x')", "tag: the name of a tag has 1 to 64 printable characters"),
        ("tag('name', {})", "tag: the value is text, not a table"),
    ],
)
def test_tag_that_cannot_be_is_an_error(call: str, words: str) -> None:
    assert error_of(call) == f"a.lua:2: {words}"


def test_removed_header_is_gone_from_the_payload_alone() -> None:
    draft = run_on_sip(
        "remove_header('X-TENANT') tag('left', tostring(message:header('X-Tenant')))", a_draft(CALL)
    )

    assert draft.payload == CALL.replace(b"X-Tenant: one\r\nx-tenant: two\r\n", b"")
    assert tags_of(draft) == {"left": "nil"}


def test_headers_of_the_settings_are_read_of_the_payload_as_it_is_now() -> None:
    settings = SipSettings(custom_headers=("X-Tenant", "X-New"))
    draft = a_draft(CALL, sip=settings)
    kept = "X-New: n\\r\\nX-Tenant"

    run_on_sip("remove_header('X-Tenant') tag('left', tostring(message:tag_value('X-Tenant')))", draft)
    run_on_sip(f"set('payload', (message.payload:gsub('Via', '{kept}: three\\r\\nVia')))", draft)
    names = draft.tag_names()
    run_on_sip("tag('read', message:tag_value('X-New') .. message:tag_value('X-Tenant'))", draft)

    assert tags_of(draft) == {"left": "nil", "read": "nthree"}
    assert names == ["X-Tenant", "X-New", "left"]


def test_several_headers_are_removed_by_any_of_their_names() -> None:
    draft = run_on_sip("remove_header('x-tenant', 'v', 'X-None')", a_draft(CALL))

    assert draft.payload == re.sub(rb"(?:X-Tenant|x-tenant|Via): [^\r]*\r\n", b"", CALL)


def test_header_whose_name_is_part_of_another_one_is_left_alone() -> None:
    assert (
        run_on_sip(
            "remove_header('Tenant', 'ag', 'l')", a_draft(CALL.replace(b"Content-Length", b"X"))
        ).changes
        == {}
    )


def test_header_that_is_not_there_is_removed_in_peace() -> None:
    assert run_on_sip("remove_header('X-None')").payload == INVITE


def test_masked_user_is_hidden_in_its_field_and_in_every_header() -> None:
    draft = run_on_sip(
        "mask('from_user', 3) tag('user', message.from_user) tag('pai', message.pai_user)", a_draft(CALL)
    )

    assert draft.payload == CALL.replace(b"+491701234567", b"**********567")
    assert tags_of(draft) == {"user": "**********567", "pai": "**********567"}
    assert draft.read("call_id") == "abc@192.0.2.1"


def test_mask_hides_all_where_nothing_is_to_be_kept() -> None:
    draft = run_on_sip("mask('from_user')", a_draft(CALL))

    assert draft.read("from_user") == "*************"


def test_several_users_are_masked_at_once() -> None:
    draft = run_on_sip(
        "set('to_user', '5551234') mask({ 'from_user', 'pai_user', 'to_user' }, 3)", a_draft(CALL)
    )

    assert draft.payload == CALL.replace(b"+491701234567", b"**********567")
    assert [draft.read(field) for field in ("from_user", "pai_user", "to_user")] == [
        "**********567",
        "**********567",
        "****234",
    ]


def test_mask_of_a_user_that_is_not_there_does_nothing() -> None:
    assert run_on_sip("mask('auth_user', 3)").changes == {}


def test_mask_hides_also_what_a_script_has_set() -> None:
    draft = run_on_sip("set('from_user', '004917099') mask('from_user', 2)", a_draft(CALL))

    assert draft.read("from_user") == "*******99"


@pytest.mark.parametrize(
    "field", ["from_user", "to_user", "ruri_user", "contact_user", "pai_user", "auth_user"]
)
def test_each_user_can_be_masked(field: str) -> None:
    payload = CALL.replace(
        b"X-Tenant: one",
        b'Contact: <sip:carol@192.0.2.1>\r\nAuthorization: Digest username="eve"\r\nX-Tenant: one',
    )
    before = a_draft(payload).read(field)

    draft = run_on_sip(f"mask('{field}', 1)", a_draft(payload))

    assert draft.read(field) == "*" * (len(str(before)) - 1) + str(before)[-1]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("mask('from')", 'mask: "from" is not one of the users (did you mean from_user?)'),
        ("mask('user_agent')", 'mask: "user_agent" is not one of the users'),
        ("mask('from_user', -1)", "mask: keep_last is a whole number from 0 to 1000, not -1"),
        ("mask('from_user', 1.5)", "mask: keep_last is a whole number from 0 to 1000, not 1.5"),
        ("mask('from_user', 1e300)", "mask: keep_last is a whole number from 0 to 1000, not 1e+300"),
        ("mask('from_user', '3')", 'mask: keep_last is a whole number from 0 to 1000, not "3"'),
        ("mask({ 'from_user', 'via' })", 'mask: "via" is not one of the users'),
        ("mask(nil)", 'mask: "nil" is not one of the users'),
        ("remove_header()", "remove_header: the name is text, not nil"),
        ("remove_header('a', {})", "remove_header: the name is text, not a table"),
        ("remove_header(unpack({}, 1, 65))", "remove_header: more than 64 names"),
        ("remove_header(('x'):rep(257))", "remove_header: the name has at most 256 bytes"),
        ("route('calls')", "route: a profile is one of call, registration, default"),
        ("route(nil)", "route: the profile is text, not nil"),
        ("remove_header(nil)", "remove_header: the name is text, not nil"),
        ("correlate()", "correlate: no value"),
        ("correlate(nil)", "correlate: value 1 is text, not nil"),
        ("correlate('a', nil)", "correlate: value 2 is text, not nil"),
    ],
)
def test_change_that_cannot_be_is_an_error(call: str, words: str) -> None:
    assert error_of(call) == f"a.lua:2: {words}"


def test_redacted_body_has_its_length() -> None:
    draft = run_on_sip("redact_body() tag('body', message.body)", a_draft(CALL))

    assert draft.payload == CALL.replace(b"hello", b"xxxxx")
    assert tags_of(draft) == {"body": "xxxxx"}


def test_keys_of_a_session_description_are_redacted_alone() -> None:
    sdp = b"v=0\r\nm=audio 1 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0\r\n"
    payload = CALL.replace(b"hello", sdp)

    assert run_on_sip("redact_sdp_keys()", a_draft(payload)).payload == payload.replace(
        b"c2VjcmV0", b"xxxxxxxx"
    )


@pytest.mark.parametrize(
    "call", ["redact_body()", "mask('from_user', 3)", "remove_header('X-Tenant')", "redact_sdp_keys()"]
)
def test_sip_inside_json_is_taken_out_of_it_to_be_changed(call: str) -> None:
    assert run_on_sip(call, a_draft(WRAPPED)).payload == run_on_sip(call, a_draft(CALL)).payload


@pytest.mark.parametrize(
    "call",
    ["redact_body()", "mask('from_user', 3)", "remove_header('X')", "redact_sdp_keys()", "route('call')"],
)
def test_what_is_of_sip_alone_is_an_error_elsewhere(call: str) -> None:
    script = Filter(f"function on_packet(packet)\n{call}\nend")

    with pytest.raises(ScriptError, match=r"a\.lua:2: .*: this packet is not SIP"):
        script.run(a_draft(b"hello", protocol_type=100))


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("redact_body", ""),
        ("remove_header", "'X-Tenant'"),
        ("redact_sdp_keys", ""),
        ("mask", "'from_user'"),
        ("mask", "{}"),
    ],
)
def test_what_cannot_be_hidden_is_an_error(name: str, what: str) -> None:
    words = error_of(f"{name}({what})", a_draft(WRAPPED[:-1]))

    assert words == f"a.lua:2: {name}: the JSON around this message cannot be read"


def test_correlation_by_one_value_is_that_value() -> None:
    assert run_on_sip("correlate('leg')").changes == {"correlation_id": "leg"}


def test_correlation_by_several_values_is_a_hash_of_them() -> None:
    one, other, swapped = (
        run_on_sip(f"correlate({values})").changes["correlation_id"]
        for values in ("'a', 'b'", "message.from_user and 'a', 'b'", "'b', 'a'")
    )

    assert one == other != swapped
    assert len(str(one)) == 32


@pytest.mark.parametrize("profile", ["call", "registration", "default"])
def test_message_is_routed(profile: str) -> None:
    assert run_on_sip(f"route('{profile}')").changes == {"profile": profile}


def test_payload_becomes_no_more_than_so_much_longer() -> None:
    longest = len(INVITE) + MOST_ADDED_BYTES
    draft = run_on_sip(f"set('payload', message.payload .. ('x'):rep({MOST_ADDED_BYTES}))")

    error = error_of("set('payload', message.payload .. 'x')", draft)

    assert len(draft.payload) == longest
    assert "the payload may become 65536 bytes longer at most" in error


@pytest.mark.parametrize(
    "body",
    [
        f"tag('long', ('x'):rep({MOST_ADDED_BYTES + 1}))",
        f"tag('a', ('x'):rep({MOST_ADDED_BYTES})) tag('b', 'x')",
        f"set('from_user', ('x'):rep({MOST_ADDED_BYTES})) set('node', 'x')",
        # Short ones go another way.
        "for n = 1, 400 do tag('a' .. n, 'x') end for n = 1, 400 do tag('a' .. n, ('x'):rep(200)) end",
        # Names count, too.
        "for n = 1, 1500 do tag(('a'):rep(50) .. n, '') end",
        "for n = 1, 1500 do tag(('a'):rep(50) .. n, nil) end",
    ],
)
def test_text_for_a_message_is_bounded(body: str) -> None:
    assert "scripts may give a message 65536 characters at most" in error_of(body)


def test_only_the_last_text_of_a_field_counts() -> None:
    draft = run_on_sip("for n = 1, 5 do tag('long', (' '):rep(60000) .. n) set('node', ('x'):rep(5000)) end")

    assert tags_of(draft) == {"long": " " * 60_000 + "5"}


def test_text_that_was_undone_leaves_its_room() -> None:
    draft = a_draft()
    error_of("tag('long', ('x'):rep(60000)) error('no')", draft)
    draft.undo(None)

    assert len(str(tags_of(run_on_sip("tag('other', ('x'):rep(60000))", draft))["other"])) == 60_000


@pytest.mark.parametrize("time_s", ["0", "os.time() + 2 * 86400", "2^52"])
def test_time_that_no_sender_could_have_is_refused(time_s: str) -> None:
    assert "time is a time from the year 2000 to tomorrow" in error_of(f"set('time', {time_s})")


def test_number_that_only_the_message_as_received_has_is_hidden_too() -> None:
    draft = a_draft(CALL)
    draft.write("raw", b"INVITE sip:bob@example.com SIP/2.0\r\n\r\n")

    run_on_sip("mask('from_user', 3)", draft)

    assert draft.read("from_user") in (None, "")


def test_message_in_json_without_such_a_number_stays_as_it_is() -> None:
    assert run_on_sip("mask('auth_user', 3)", a_draft(WRAPPED)).changes == {}


def test_tag_that_is_set_by_one_script_after_the_other_counts_once() -> None:
    once, often = Filter("function on_sip(message) tag('name', 'value') end"), a_draft()
    for _ in range(3):
        once.run(often)

    assert often.added_bytes == once.run(a_draft()).added_bytes == len("custom:name" + "value")
