"""What of a stored message goes into a file."""

from typing import Any

import pytest

from api.callflow.hosts import NO_DESTINATION, NO_SOURCE, End
from api.export.captured import captured
from api.search.decide import Found
from capture.fields import StoredMessage, read_fields
from capture.route import MessageClass

TIME_US = 1_765_000_012_345_678


def found(message_class: MessageClass = MessageClass.CALL, **changes: Any) -> Found:
    row: dict[str, Any] = dict.fromkeys(StoredMessage.__struct_fields__) | {
        "message_class": message_class,
        "id": 1,
        "time_us": TIME_US,
        "delay_us": 0,
        "source": "10.0.0.1",
        "source_port": 5060,
        "destination": "2001:db8::1",
        "destination_port": 5061,
        "flags": 0,
        "protocol_type": 1,
        "ip_protocol": 6,
        "payload": b"INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP a\r\n\r\n\x00",
    }
    stored = StoredMessage(**row | changes)
    return Found(stored, read_fields(stored), None)


def test_message_is_as_it_was_on_the_wire() -> None:
    message = captured(found())

    assert message.time_us == TIME_US
    assert (message.source, message.destination) == (End("10.0.0.1", 5060), End("2001:db8::1", 5061))
    assert (message.ip_protocol, message.is_sip, message.via) == (6, True, "SIP/2.0/TCP a")
    assert message.payload.endswith(b"\r\n\r\n\x00")
    assert (message.vlan, message.tos) == (None, None)


def test_what_was_not_captured_is_made_up() -> None:
    nothing = dict.fromkeys(("source", "source_port", "destination", "destination_port", "ip_protocol"))
    message = captured(found(MessageClass.LOG, **nothing))

    assert (message.source, message.destination) == (NO_SOURCE, NO_DESTINATION)
    assert (message.ip_protocol, message.is_sip) == (17, False)


@pytest.mark.parametrize(
    ("facts", "vlan", "tos"),
    [
        ({"vlan": 5, "tos": 184}, 5, 184),
        ({"vlan": 65_535, "tos": 255}, 65_535, 255),
        ({"vlan": 65_536, "tos": 256}, None, None),
        ({"vlan": -1, "tos": "x"}, None, None),
        ("none", None, None),
    ],
)
def test_only_what_fits_its_header_is_taken(facts: Any, vlan: int | None, tos: int | None) -> None:
    message = captured(found(extra={"hep": facts}))

    assert (message.vlan, message.tos) == (vlan, tos)


def test_what_a_script_has_set_counts() -> None:
    fields = {
        "source": "10.9.9.9",
        "source_port": "x",
        "destination": None,
        "ip_protocol": "tcp",
        "raw": None,
    }
    message = captured(found(extra={"fields": fields}))

    assert (message.source, message.destination) == (End("10.9.9.9", 0), NO_DESTINATION)
    assert (message.ip_protocol, message.payload) == (17, b"")
