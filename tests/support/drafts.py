"""Messages as filter scripts get them."""

from capture.addresses import packed_address
from capture.draft import Draft
from capture.hep.packet import Packet
from capture.interpret import Interpreter
from capture.settings import SipSettings

TIME_US = 1_795_000_000_123_456
INVITE = (
    b"INVITE sip:bob@example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1\r\n"
    b"From: <sip:alice@example.org>;tag=1\r\n"
    b"To: <sip:bob@example.com>\r\n"
    b"Call-ID: abc@192.0.2.1\r\n"
    b"CSeq: 1 INVITE\r\n"
    b"User-Agent: phone\r\n"
    b"Content-Length: 0\r\n\r\n"
)


def a_draft(
    payload: bytes = INVITE,
    *,
    source: str = "192.0.2.1",
    destination: str = "192.0.2.2",
    sip: SipSettings | None = None,
    **given: object,
) -> Draft:
    """A HEP3 packet of capture agent 2001: SIP, unless `protocol_type` says otherwise."""
    settings: dict[str, object] = {
        "family": 2,
        "ip_protocol": 17,
        "source_port": 5060,
        "destination_port": 5062,
        "protocol_type": 1,
        "capture_id": 2001,
    }
    packet = Packet(
        version=3,
        payload=payload,
        source=packed_address(source),
        destination=packed_address(destination),
        **(settings | given),  # type: ignore[arg-type]
    )
    interpreter = Interpreter(sip or SipSettings())
    meaning = interpreter.interpret(packet, None)
    return Draft(packet, meaning, TIME_US, custom_headers=interpreter.custom_headers)
