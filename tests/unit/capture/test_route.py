"""Which class a message belongs to."""

import pytest

from capture.route import MessageClass, classify, route_other, route_sip


@pytest.mark.parametrize(
    "method", ["INVITE", "ACK", "BYE", "CANCEL", "UPDATE", "PRACK", "REFER", "INFO", "NOTIFY"]
)
def test_methods_of_a_call_are_calls(method: str) -> None:
    assert route_sip(method) is MessageClass.CALL


@pytest.mark.parametrize(
    ("method", "message_class"),
    [
        ("REGISTER", MessageClass.REGISTRATION),
        ("OPTIONS", MessageClass.OTHER),
        ("SUBSCRIBE", MessageClass.OTHER),
        ("", MessageClass.OTHER),
    ],
)
def test_other_methods_are_filed_as_in_homer(method: str, message_class: MessageClass) -> None:
    assert route_sip(method) is message_class


@pytest.mark.parametrize(
    ("protocol_type", "message_class"),
    [
        (5, MessageClass.RTCP),
        (53, MessageClass.DNS),
        (54, MessageClass.ISUP),
        (100, MessageClass.LOG),
        (0, MessageClass.REPORT),
        (8, MessageClass.REPORT),
        (34, MessageClass.REPORT),
        (99, MessageClass.REPORT),
        (255, MessageClass.REPORT),
    ],
)
def test_other_protocols_are_filed_by_type(protocol_type: int, message_class: MessageClass) -> None:
    assert route_other(protocol_type) is message_class
    assert classify(protocol_type, b"INVITE sip:a SIP/2.0\r\n\r\n") == (protocol_type, message_class)


@pytest.mark.parametrize("payload", [b"INVITE sip:a SIP/2.0\r\n\r\n", b"HEP PING", b'{"x": 1}', b""])
def test_type_1_is_sip_whatever_is_in_it(payload: bytes) -> None:
    assert classify(1, payload) == (1, None)


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        (b"INVITE sip:a SIP/2.0\r\n\r\n" + b"\0" * 8, (1, None)),
        (b'{"payload":"INVITE sip:a SIP/2.0"}', (1, None)),
        (b'{ "sender_information":{}}', (5, MessageClass.RTCP)),
        (b"\x80\xc8\x00\x06", (5, MessageClass.RTCP)),
    ],
)
def test_type_that_was_not_sent_is_told_from_the_payload(
    payload: bytes, found: tuple[int, MessageClass | None]
) -> None:
    assert classify(None, payload) == found


def test_key_of_a_class_names_its_hepid_and_profile() -> None:
    assert {c.key: (c.hepid, c.profile, c.is_sip) for c in MessageClass} == {
        "1_call": (1, "call", True),
        "1_registration": (1, "registration", True),
        "1_default": (1, "default", True),
        "5_default": (5, "default", False),
        "35_default": (35, "default", False),
        "53_default": (53, "default", False),
        "54_default": (54, "default", False),
        "100_default": (100, "default", False),
    }
