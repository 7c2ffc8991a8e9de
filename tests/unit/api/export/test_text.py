"""Messages as text."""

import pytest

from api.callflow.hosts import End
from api.export.captured import Captured
from api.export.text import as_text, rfc3339

ALICE, BOB = End("10.0.0.1", 5060), End("2001:db8::2", 5062)


def a_message(payload: bytes = b"x", ip_protocol: int = 17, via: str = "") -> Captured:
    return Captured(1_765_000_012_345_678, ALICE, BOB, ip_protocol, payload, is_sip=True, via=via)


def test_message_stands_behind_its_time_and_ends() -> None:
    assert as_text(a_message(b"INVITE \xff\x00\r\n\r\n")) == (
        b"proto:UDP 2025-12-06T05:46:52.345678Z  10.0.0.1:5060 ---> [2001:db8::2]:5062\r\n"
        b"\r\nINVITE \xff\x00\r\n\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("ip_protocol", "via", "shown"),
    [
        (6, "", "TCP"),
        (17, "SIP/2.0/TCP a", "UDP"),
        (132, "", "SCTP"),
        (22, "", "TLS"),
        (22, "SIP/2.0/TLS 10.0.0.1", "TLS"),
        (22, "SIP/2.0/ws 10.0.0.1", "WS"),
        (50, "SIP/2.0/WSS 10.0.0.1", "WSS"),
        (50, "SIP/2.0/EVIL\r\nproto:x 10.0.0.1", "WS"),
        (0, "", "UDP"),
        (255, "", "UDP"),
    ],
)
def test_transport_has_its_name(ip_protocol: int, via: str, shown: str) -> None:
    assert as_text(a_message(ip_protocol=ip_protocol, via=via)).startswith(f"proto:{shown} ".encode())


@pytest.mark.parametrize(
    ("time_us", "shown"),
    [
        (1_765_000_012_345_678, "2025-12-06T05:46:52.345678Z"),
        (1_765_000_012_345_670, "2025-12-06T05:46:52.34567Z"),
        (1_765_000_012_000_001, "2025-12-06T05:46:52.000001Z"),
        (1_765_000_012_000_000, "2025-12-06T05:46:52Z"),
        (0, "1970-01-01T00:00:00Z"),
    ],
)
def test_time_has_no_zeros_at_its_end(time_us: int, shown: str) -> None:
    assert rfc3339(time_us) == shown
