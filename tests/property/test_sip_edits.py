"""What is taken out of any message is gone from what is read of it, and nothing else is."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from capture.sip.edit import (
    REQUEST_URI,
    USER_HEADERS,
    mask_user,
    redact_body,
    redact_sdp_keys,
    remove_header,
)
from capture.sip.grammar import header_name
from capture.sip.lines import is_wrapped, split_head
from capture.sip.message import SipMessage
from capture.sip.parse import body, header_values, parse_message

PIECES = [
    *(
        b"INVITE sip:bob@example.com SIP/2.0",
        b"SIP/2.0 200 OK",
        b"From",
        b"f",
        b"to",
        b"i",
        b"Via",
        b"m",
        b"X-A",
    ),
    *(
        b": ",
        b":",
        b"\r\n",
        b"\n",
        b"\r\n\r\n",
        b"\r\n ",
        b"\t",
        b" ",
        b"<",
        b">",
        b'"',
        b"\\",
        b";tag=",
        b",",
    ),
    *(
        b"sip:",
        b"tel:",
        b"bob",
        b"@",
        b"example.com",
        b"[::1]",
        b"?",
        b";",
        b"\0",
        b"\xff",
        b"\xc3\xa9",
        b"\r",
    ),
    *(b"Authorization: Digest username=", b"uri=", b"k=", b"a=crypto:1 S inline:abc", b"{", b"="),
]
sip_like = st.lists(st.sampled_from(PIECES) | st.binary(max_size=4), max_size=40).map(b"".join)
with_start = sip_like.map(b"INVITE sip:bob@example.com SIP/2.0\r\nFrom: <sip:bob@h>;tag=bob\r\n".__add__)
USER_FIELDS = {
    "ruri_user": REQUEST_URI,
    "from_user": "from",
    "to_user": "to",
    "contact_user": "contact",
    "pai_user": "p-asserted-identity",
}


def others(message: SipMessage, *fields: str) -> list[object]:
    """All that is read but some fields."""
    return [getattr(message, name) for name in message.__struct_fields__ if name not in fields]


@settings(max_examples=300)
@example(b"INVITE sip:bob@h SIP/2.0\r\nFrom: <sip:bob@h>\r\n\r", "f")
@given(sip_like | with_start, st.sampled_from(["From", "f", "X-A", "via", "contact", "i", "X-B"]))
def test_header_that_was_removed_is_gone_and_the_others_are_as_they_were(payload: bytes, name: str) -> None:
    edited = remove_header(payload, name)

    assert (edited is None) == is_wrapped(payload)
    if edited is None or not parse_message(payload).method:
        return
    assert header_values(edited, name) == []
    for other in ("From", "To", "Via", "Contact", "X-A", "Call-ID"):
        if header_name(other) != header_name(name):
            assert header_values(edited, other) == header_values(payload, other)
    assert split_head(edited)[1][split_head(edited)[2] :] == split_head(payload)[1][split_head(payload)[2] :]


@settings(max_examples=500)
@given(sip_like | with_start, st.sampled_from(sorted(USER_FIELDS)))
@example(b"a\r\nFrom: <sip:b\\ob@h>;tag=bob", "from_user")
@example(b"sip:INVITE sip:bob@example.com SIP/2.0", "ruri_user")
@example(b"From: sip:bob@example.com SIP/2.0", "from_user")
@example(b"From: sip:bob@example.com SIP/2.0", "ruri_user")
def test_user_that_was_masked_is_not_read_any_more(payload: bytes, field: str) -> None:
    user = getattr(parse_message(payload), field)

    edited = mask_user(payload, [USER_FIELDS[field]], user, "x")

    assert (edited is None) == is_wrapped(payload)
    if edited is not None and user not in ("", "x"):
        assert getattr(parse_message(edited), field) != user


address_like = st.lists(
    st.sampled_from(
        [
            *(
                '"Bob" ',
                "Bob ",
                '"',
                "<sip:",
                "<sips:",
                "<",
                ">",
                "sip:",
                "bob",
                "bob",
                "@",
                "example.com",
                ":",
                "1",
            ),
            *(";lr", ";tag=", ",", " ", "[::1]", "?x=1", "\\", "\t", "é", "=", ";", "\r\n ", "@h>"),
        ]
    ),
    max_size=10,
).map("".join)


@settings(max_examples=500)
@given(address_like, st.sampled_from(["x", ""]))
@example('"Bob" <sip:bob@example.com:1;lr>;tag=bob', "x")
@example("<sip:bob@h>;tag=bob;x=@h>", "x")
@example("bob <sip:bob@bob;bob>\t;bob", "x")
def test_header_masked_at_one_stroke_is_the_one_masked_step_by_step(value: str, behind: str) -> None:
    # A quoted parameter is nothing usual, and means nothing.
    other = f"{value};{behind}" if behind else value
    one = mask_user(f"BYE sip:h SIP/2.0\r\nFrom: {other}\r\n\r\n".encode(), ["from"], "bob", "masked")
    two = mask_user(f'BYE sip:h SIP/2.0\r\nFrom: {other};q=""\r\n\r\n'.encode(), ["from"], "bob", "masked")

    assert one is not None
    assert two is not None
    if parse_message(f'BYE sip:h SIP/2.0\r\nFrom: {other};q=""\r\n\r\n'.encode()).parse_error is None:
        assert two.replace(b';q=""', b"") == one


users = st.text("abc123+-_.!~*'", min_size=1, max_size=8)
names = st.text("abc123+ -", max_size=8)
addresses = st.builds('"{}" <sip:{}@{}>;tag={}'.format, names, users, st.just("example.com"), users)


@settings(max_examples=300)
@given(addresses, addresses, users, users, st.sampled_from(sorted(USER_FIELDS)))
def test_nothing_else_is_read_differently(
    sender: str, recipient: str, contact: str, auth: str, field: str
) -> None:
    payload = (
        f"INVITE sip:{contact}@example.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=1\r\n"
        f"From: {sender}\r\nt: {recipient}\r\n"
        f"Contact: <sip:{contact}@h>\r\nP-Asserted-Identity: <tel:{auth}>\r\nCall-ID: {auth}\r\n"
        "CSeq: 1 INVITE\r\n"
        f'Authorization: Digest username="{auth}"\r\n\r\n{sender}'
    ).encode()
    before = parse_message(payload)

    edited = mask_user(payload, [USER_FIELDS[field]], getattr(before, field), "masked")

    assert edited is not None
    after = parse_message(edited)
    assert getattr(after, field) == "masked"
    touched = (field, "ruri") if field == "ruri_user" else (field,)
    assert others(after, *touched) == others(before, *touched)
    assert body(edited) == body(payload)


@settings(max_examples=200)
@given(sip_like | with_start)
def test_redacted_message_has_its_length_and_its_header(payload: bytes) -> None:
    for edited in (redact_body(payload), redact_sdp_keys(payload)):
        assert (edited is None) == is_wrapped(payload)
        if edited is not None:
            assert len(edited) == len(payload)
            lines, message, body_at = split_head(payload)
            assert split_head(edited)[0] == lines
            assert message[:body_at] in edited


@settings(max_examples=200)
@example(b"\r\n\r\n", "", "")
@given(sip_like | with_start, st.text(max_size=3), st.text(max_size=3))
def test_message_without_the_user_stays_as_it_was(payload: bytes, user: str, masked: str) -> None:
    edited = mask_user(payload, USER_HEADERS, f"no such user {user}", masked)

    assert edited is None or edited == payload
