"""Whatever scripts do to a message: its row gives it back, and it is found by what it shows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.addresses import address_text
from capture.draft import PROFILES, SIP_TEXTS, Draft, Value
from capture.fields import StoredMessage, read_fields
from capture.hep.packet import Packet
from capture.interpret import Interpreter, Meaning
from capture.revise import Reviser
from capture.settings import SipSettings
from capture.store.columns import KEY_TEXT_COLUMNS
from capture.text import to_text

SIP = (
    b"INVITE sip:bob@example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1\r\n"
    b"From: <sip:alice@example.org>;tag=1\r\n"
    b"To: <sip:bob@example.com>\r\n"
    b"Call-ID: abc@192.0.2.1\r\n"
    b"CSeq: 1 INVITE\r\n"
    b"X-Trunk: blue\r\n"
    b"User-Agent: phone\r\n"
    b"Content-Length: 4\r\n\r\nbody"
)
PAYLOADS = [
    SIP,
    SIP.replace(b"INVITE", b"REGISTER"),
    SIP.replace(b"Call-ID: abc@192.0.2.1\r\n", b""),
    SIP.replace(b"abc@", b"xyz@").replace(b"X-Trunk", b"X-Other"),
    b"SIP/2.0 200 OK\r\nCall-ID: abc@192.0.2.1\r\nCSeq: 1 INVITE\r\nX-Trunk: red\r\n\r\n",
    b"no SIP at all",
    b'{"cic": 4, "opc": 1, "dpc": 2}',
    b"",
]
SETTINGS = SipSettings(custom_headers=("X-Trunk",))
INTERPRETER = Interpreter(SETTINGS)

texts = st.one_of(
    st.sampled_from(["", "alice", "abc@192.0.2.1", "REGISTER", "200", "\x00\ud800é"]), st.text(max_size=9)
)
sip_changes = st.tuples(st.sampled_from(sorted(SIP_TEXTS)), st.one_of(st.none(), texts))
other_changes = st.one_of(
    st.tuples(st.sampled_from(["sid", "correlation_id", "node_name"]), texts),
    st.tuples(st.sampled_from(["custom:X-Trunk", "custom:agent"]), st.one_of(st.none(), texts)),
    st.tuples(st.just("profile"), st.sampled_from(sorted(PROFILES))),
    st.tuples(
        st.sampled_from(["source", "destination"]), st.sampled_from(["192.0.2.9", "2001:db8::1", "no"])
    ),
    st.tuples(st.sampled_from(["source_port", "capture_id", "vlan", "ip_protocol"]), st.integers(-1, 70000)),
    st.tuples(st.sampled_from(["payload", "raw"]), st.sampled_from(PAYLOADS)),
)
changes = st.lists(st.one_of(sip_changes, other_changes), max_size=6)
type_changes = st.tuples(st.just("protocol_type"), st.sampled_from([1, 5, 54, 100, 112]))
all_changes = st.lists(st.one_of(sip_changes, other_changes, type_changes), max_size=6)


def a_packet(payload: bytes, protocol_type: int = 1) -> Packet:
    return Packet(
        version=3,
        payload=payload,
        family=2,
        source=b"\xc0\x00\x02\x01",
        destination=b"\xc0\x00\x02\x02",
        source_port=5060,
        destination_port=5062,
        ip_protocol=17,
        protocol_type=protocol_type,
        capture_id=7,
    )


def revised(draft: Draft) -> tuple[Packet, Meaning]:
    packet, meaning, _ = Reviser(INTERPRETER, lambda name: True).revise(draft, None)
    return packet, meaning


def shown_by(packet: Packet, meaning: Meaning) -> dict[str, str | int | None]:
    return read_fields(
        StoredMessage(
            message_class=meaning.message_class,
            id=1,
            time_us=1,
            delay_us=0,
            capture_id=packet.capture_id,
            source=address_text(packet.source),
            source_port=packet.source_port,
            destination=address_text(packet.destination),
            destination_port=packet.destination_port,
            flags=meaning.flags,
            protocol_type=meaning.protocol_type,
            ip_protocol=packet.ip_protocol,
            method=meaning.method,
            node_name=meaning.node_name,
            correlation_id=meaning.correlation_id,
            session_id=meaning.session_id,
            parse_error=meaning.parse_error,
            extra=dict(meaning.extra) if meaning.extra else None,
            payload=packet.payload,
        ),
        SETTINGS.custom_headers,
    )


@given(st.sampled_from(PAYLOADS), changes)
def test_row_gives_back_every_field_as_scripts_left_it(payload: bytes, made: list[tuple[str, Value]]) -> None:
    packet = a_packet(payload)
    draft = Draft(packet, INTERPRETER.interpret(packet, None), 1)
    for name, value in made:
        draft.write(name, value)
    expected = {name: draft.read(name) for name in SIP_TEXTS}

    shown = shown_by(*revised(draft))

    assert {name: shown.get(name) for name in SIP_TEXTS} == expected
    assert shown["raw"] == to_text(draft.payload.rstrip(b"\0"))
    for name in (
        "sid",
        "source",
        "destination",
        "source_port",
        "destination_port",
        "ip_protocol",
        "capture_id",
    ):
        assert shown[name] == draft.read(name), name
    assert shown["correlation_id"] == (draft.read("correlation_id") or draft.read("sid"))
    assert shown["node"] == (draft.read("node_name") or str(draft.read("capture_id")))
    for name in ("custom:X-Trunk", "custom:agent"):
        if name in draft.changes:
            assert shown.get(name) == draft.changes[name]


@given(st.sampled_from(PAYLOADS), st.sampled_from([1, 1, 1, 5, 54, 100]), all_changes)
def test_changed_message_is_found_by_what_it_shows(
    payload: bytes, protocol_type: int, made: list[tuple[str, Value]]
) -> None:
    packet = a_packet(payload, protocol_type)
    draft = Draft(packet, INTERPRETER.interpret(packet, None), 1)
    for name, value in made:
        draft.write(name, value)

    revised_packet, meaning = revised(draft)

    shown = shown_by(revised_packet, meaning)
    keys = dict(zip(KEY_TEXT_COLUMNS, meaning.key_values, strict=True))
    extra = meaning.key_extra or {}
    for name, key in keys.items():
        if name != "correlation_id":
            assert (shown.get(name) or "") == key, name
    assert shown["correlation_id"] == (keys["correlation_id"] or keys["sid"])
    for name, value in shown.items():
        if name.startswith("custom:"):
            assert (value or None) == extra.get(name), name
    if shown.get("call_id") and shown["call_id"] != shown["sid"]:
        assert extra["call_id"] == shown["call_id"]


COLUMNS = set(StoredMessage.__struct_fields__) | {"sid", "node"}
"""What a search reads of a row's columns, and takes for final."""


@given(st.sampled_from(PAYLOADS), st.sampled_from([1, 54, 100]), all_changes)
def test_overlay_never_names_what_has_a_column(
    payload: bytes, protocol_type: int, made: list[tuple[str, Value]]
) -> None:
    packet = a_packet(payload, protocol_type)
    draft = Draft(packet, INTERPRETER.interpret(packet, None), 1)
    for name, value in made:
        draft.write(name, value)

    _, meaning = revised(draft)

    overlay = (meaning.extra or {}).get("fields", {})
    assert isinstance(overlay, dict)
    assert COLUMNS.isdisjoint(overlay)


def test_tag_that_is_taken_away_asks_for_no_name() -> None:
    packet = a_packet(SIP)
    draft = Draft(packet, INTERPRETER.interpret(packet, None), 1)
    asked: list[str] = []
    draft.write("custom:X-Trunk", None)
    draft.write("custom:agent", b"7")

    Reviser(INTERPRETER, lambda name: not asked.append(name)).revise(draft, None)

    assert asked == ["agent"]


@pytest.mark.parametrize("protocol_type", [1, 100])
def test_tag_that_was_not_there_leaves_the_row_as_it_was_when_it_is_taken_away(protocol_type: int) -> None:
    packet = a_packet(SIP, protocol_type)
    draft = Draft(packet, INTERPRETER.interpret(packet, None), 1)
    moved = Draft(packet, draft.meaning, 1)
    draft.write("custom:agent", None)
    moved.write("custom:agent", None)
    moved.write("source_port", 5080)

    unchanged, (_, meaning) = revised(draft), revised(moved)

    assert unchanged == (packet, draft.meaning)
    assert "fields" not in (meaning.extra or {})


def test_header_that_no_setting_names_is_taken_away_for_when_one_does() -> None:
    packet = a_packet(SIP.replace(b"X-Trunk", b"x-other"))
    draft = Draft(packet, INTERPRETER.interpret(packet, None), 1)
    draft.write("custom:X-Other", None)

    _, meaning = revised(draft)

    assert (meaning.extra or {})["fields"] == {"custom:X-Other": None}


@given(st.sampled_from([5, 34, 54, 100]), st.lists(other_changes, max_size=5))
def test_what_is_no_sip_is_given_back_too(protocol_type: int, made: list[tuple[str, Value]]) -> None:
    packet = a_packet(b'{"cic": 3, "opc": 1, "dpc": 2}', protocol_type)
    draft = Draft(packet, INTERPRETER.interpret(packet, None), 1)
    for name, value in made:
        draft.write(name, value)

    revised_packet, meaning = revised(draft)

    shown = shown_by(revised_packet, meaning)
    assert shown["sid"] == draft.read("sid") == meaning.key_values[0]
    assert shown["raw"] == to_text(draft.payload.rstrip(b"\0"))
    if shown.get("call_id") and shown["call_id"] != shown["sid"]:
        assert (meaning.key_extra or {})["call_id"] == shown["call_id"]
