import pytest

from capture.hep.packet import Packet, is_keep_alive


@pytest.mark.parametrize(
    "packet",
    [
        Packet(3, b""),
        Packet(3, b"HEPPING", protocol_type=0),
        Packet(3, b"HEP PING", protocol_type=1),
        Packet(3, b"\r\n\r\n", protocol_type=1),
        Packet(2, b"\0\0"),
    ],
)
def test_packets_without_a_message_are_keep_alives(packet: Packet) -> None:
    assert is_keep_alive(packet)


@pytest.mark.parametrize(
    "packet",
    [
        Packet(3, b"OPTIONS sip:a SIP/2.0\r\n\r\n", protocol_type=1),
        Packet(3, b"{}", protocol_type=5),
        Packet(3, b"HEP PINGS", protocol_type=1),
        Packet(1, b"\r\nx"),
    ],
)
def test_packets_with_a_message_are_none(packet: Packet) -> None:
    assert not is_keep_alive(packet)
