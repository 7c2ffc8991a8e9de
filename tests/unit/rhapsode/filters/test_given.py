"""Packets from the fields that a test gives."""

import pytest

from capture.hep.packet import Packet
from capture.scripts.lua import Value
from rhapsode.filters.given import GivenPacket, given_field

FIELDS: dict[str, Value] = {
    "source": b"2001:db8::1",
    "source_port": 5080,
    "destination": b"2001:db8::2",
    "destination_port": 5060.0,
    "transport": b"TCP",
    "time": 1_700_000_000.25,
    "node": b"sbc-1",
    "capture_id": 2001,
    "correlation_id": b"abc",
    "protocol_type": 5,
    "vlan": 42,
    "hep_key": b"secret",
    "payload": b"{}",
}


def given(**fields: Value) -> GivenPacket:
    packet = GivenPacket(0)
    for name, value in fields.items():
        assert packet.give(name, value) is None
    return packet


def test_every_field_stands_in_the_packet() -> None:
    packet = given(**FIELDS)

    assert packet.time_us == 1_700_000_000_250_000
    assert packet.packet() == Packet(
        version=3,
        payload=b"{}",
        family=10,
        ip_protocol=6,
        source=bytes.fromhex("20010db8000000000000000000000001"),
        destination=bytes.fromhex("20010db8000000000000000000000002"),
        source_port=5080,
        destination_port=5060,
        seconds=1_700_000_000,
        microseconds=250_000,
        protocol_type=5,
        capture_id=2001,
        auth_key=b"secret",
        correlation_id=b"abc",
        node_name=b"sbc-1",
        vlan=42,
    )


def test_fields_of_a_packet_can_be_given_again() -> None:
    packet = given(**FIELDS).packet()

    again = given(**{name: given_field(packet, name) for name in FIELDS})

    assert again.packet() == packet


def test_packet_without_a_field_has_none_to_give() -> None:
    packet = Packet(version=1, payload=b"")

    assert [given_field(packet, name) for name in FIELDS if name != "payload"] == [None] * (len(FIELDS) - 1)


def test_time_is_that_of_the_clock_unless_it_is_given() -> None:
    assert GivenPacket(1.5).packet().seconds == 1
    assert GivenPacket(1.5).time_us == 1_500_000


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("color", b"red", "a message has no field color"),
        ("source", b"localhost", "source is an IPv4 or IPv6 address, with :PORT or without"),
        ("destination", 1, "destination is an IPv4 or IPv6 address, with :PORT or without"),
        ("source_port", 65536, "source_port is a number from 0 to 65535"),
        ("source_port", b"5060", "source_port is a number from 0 to 65535"),
        ("capture_id", 1.5, "capture_id is a whole number"),
        ("vlan", float("nan"), "vlan is a number from 0 to 65535"),
        ("transport", b"pigeon", "transport is one of udp, tcp, tls, sctp"),
        ("time", b"now", "time is seconds since 1970"),
        ("time", float("inf"), "time is seconds since 1970"),
        ("node", True, "node is text"),
    ],
)
def test_value_that_cannot_be_is_refused_in_words(name: str, value: Value, words: str) -> None:
    assert GivenPacket(0).give(name, value) == words
