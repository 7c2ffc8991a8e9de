"""Which packets are let in."""

from ipaddress import ip_address

import pytest

from capture.gate import Gate
from capture.settings import AcceptSettings


def peer(text: str) -> bytes:
    address = ip_address(text)
    return address.packed if address.version == 6 else ip_address(f"::ffff:{text}").packed


def a_gate(**given: list[str]) -> Gate:
    return Gate(AcceptSettings.model_validate(given))


def test_without_settings_everything_is_admitted() -> None:
    assert a_gate().admits(None, peer("203.0.113.9"))


@pytest.mark.parametrize(
    ("key", "admitted"), [(b"one", True), (b"two", True), (b"three", False), (None, False)]
)
def test_one_of_the_keys_is_needed(key: bytes | None, admitted: bool) -> None:
    assert a_gate(keys=["one", "two"]).admits(key, peer("192.0.2.1")) is admitted


@pytest.mark.parametrize(
    ("address", "admitted"),
    [("192.0.2.1", True), ("192.0.3.1", False), ("2001:db8::7", True), ("2001:db9::7", False)],
)
def test_sender_must_be_in_a_named_network(address: str, admitted: bool) -> None:
    gate = a_gate(addresses=["192.0.2.0/24", "2001:db8::/32"])

    assert gate.admits(None, peer(address)) is admitted
    assert gate.admits(None, peer(address)) is admitted


def test_keyless_sender_needs_no_key_but_must_still_be_welcome() -> None:
    gate = a_gate(keys=["one"], addresses=["192.0.2.0/24"], keyless_addresses=["192.0.2.7", "198.51.100.1"])

    assert gate.admits(None, peer("192.0.2.7"))
    assert gate.admits(b"wrong", peer("192.0.2.7"))
    assert not gate.admits(None, peer("192.0.2.8"))
    assert not gate.admits(b"one", peer("198.51.100.1"))
