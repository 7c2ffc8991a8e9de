"""DNS as JSON."""

import pytest

from capture.errors import MediaError
from capture.media.dns import DnsMessage, parse_dns


def test_first_question_is_read() -> None:
    payload = (
        b'{"id":7,"qr":true,"rcode":"3","questions":[{"name":"_sip._udp.example.com","type":"SRV"},'
        b'{"name":"other","type":"A"}]}'
    )

    message = parse_dns(payload)

    assert message == DnsMessage(7, True, 3, "_sip._udp.example.com", "SRV")
    assert message.session_id is None


@pytest.mark.parametrize("payload", [b"{}", b'{"questions":null,"qr":0}', b'{"questions":[1],"qr":[]}'])
def test_missing_keys_leave_nothing(payload: bytes) -> None:
    assert parse_dns(payload) == DnsMessage()


@pytest.mark.parametrize("payload", [b"", b"text", b"[]"])
def test_anything_else_is_an_error(payload: bytes) -> None:
    with pytest.raises(MediaError):
        parse_dns(payload)
