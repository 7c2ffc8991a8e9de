"""The window in which an equal message is the same message."""

from capture.duplicates import DuplicateWindow
from capture.hep.packet import Packet

NOW = 1_795_000_000_000_000


def a_packet(
    payload: bytes = b"INVITE", source: bytes = b"\x01\x02\x03\x04", source_port: int = 5060
) -> Packet:
    return Packet(3, payload, source=source, source_port=source_port, destination=b"\x05\x06\x07\x08")


def test_equal_message_within_the_window_is_a_duplicate() -> None:
    window = DuplicateWindow(500_000)

    assert not window.is_duplicate(a_packet(), NOW, NOW)
    assert window.is_duplicate(a_packet(), NOW + 400_000, NOW + 400_000)
    assert window.is_duplicate(a_packet(), NOW - 400_000, NOW + 800_000)


def test_equal_message_after_the_window_is_another() -> None:
    window = DuplicateWindow(500_000)
    window.is_duplicate(a_packet(), NOW, NOW)

    assert not window.is_duplicate(a_packet(), NOW + 500_001, NOW + 1)


def test_another_hop_is_another_message() -> None:
    window = DuplicateWindow(500_000)
    window.is_duplicate(a_packet(), NOW, NOW)

    assert not window.is_duplicate(a_packet(source_port=5061), NOW, NOW)
    assert not window.is_duplicate(a_packet(source=b"\x01\x02\x03\x05"), NOW, NOW)
    assert not window.is_duplicate(a_packet(b"INVITE "), NOW, NOW)


def test_forgotten_message_is_stored_again() -> None:
    window = DuplicateWindow(500_000)
    window.is_duplicate(a_packet(), NOW, NOW)

    window.forget()

    assert not window.is_duplicate(a_packet(), NOW, NOW)


def test_senders_with_clocks_far_apart_do_not_hide_each_others_duplicates() -> None:
    window = DuplicateWindow(500_000)
    for step in range(4):
        fresh, old = a_packet(b"fresh%d" % step), a_packet(b"old%d" % step)
        arrival = NOW + step * 100_000
        assert not window.is_duplicate(fresh, arrival, arrival)
        assert not window.is_duplicate(old, arrival - 10**15, arrival)
        assert window.is_duplicate(fresh, arrival, arrival)
        assert window.is_duplicate(old, arrival - 10**15, arrival)
