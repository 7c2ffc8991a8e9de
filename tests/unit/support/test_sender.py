import socket
from collections.abc import Iterator

import pytest

from capture.hep.decode import decode_packet
from capture.sip.parse import parse_message
from tests.support.sender import Sender, call_id, number_of, packet, payload, payload_of

LOOPBACK = "127.0.0.1"


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((LOOPBACK, 0))
        sock.settimeout(10)
        yield sock


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server((LOOPBACK, 0)) as sock:
        sock.settimeout(10)
        yield sock


def received(sock: socket.socket, count: int) -> list[bytes]:
    return [sock.recv(65535) for _ in range(count)]


@pytest.mark.parametrize("number", [0, 5, 6, 24, 29, 1_000_000])
def test_packet_is_valid_hep_around_the_payload_of_its_number(number: int) -> None:
    decoded = decode_packet(packet(number, time_us=1_700_000_000_000_001))

    assert decoded.payload == payload(number) == payload_of(packet(number))
    assert (decoded.seconds, decoded.microseconds) == (1_700_000_000, 1)


def test_payload_is_sip_that_parses() -> None:
    for number in range(60):
        message = parse_message(payload(number))

        assert message.parse_error is None
        assert message.call_id == call_id(number)


def test_number_is_read_back_from_packet_and_payload() -> None:
    assert [number_of(packet(number)) for number in (0, 7, 123_456)] == [0, 7, 123_456]
    assert number_of(payload(99)) == 99


def test_sender_sends_each_number_once_in_order_over_udp(receiver: socket.socket) -> None:
    sender = Sender(receiver.getsockname(), rate=100_000, first=40, count=50).start()

    numbers = [number_of(data) for data in received(receiver, 50)]

    assert numbers == list(range(40, 90))
    assert sender.join() == sender.attempts == 50


def test_sender_keeps_to_its_rate(receiver: socket.socket) -> None:
    with Sender(receiver.getsockname(), rate=1000) as sender:
        receiver.recv(65535)
        sender.wait_for(101)
        received(receiver, 100)
        lead = sender.sent

    assert lead < 400, "a tenth of a second is due, the rest is for the machine"


def test_sender_stops_when_told(receiver: socket.socket) -> None:
    sender = Sender(receiver.getsockname(), rate=500).start()
    sender.wait_for(3)

    sent = sender.stop()

    assert [number_of(data) for data in received(receiver, sent)] == list(range(sent))
    receiver.setblocking(False)
    with pytest.raises(BlockingIOError):
        receiver.recv(1)


def test_tcp_sender_puts_whole_packets_back_to_back(listener: socket.socket) -> None:
    sender = Sender(listener.getsockname(), rate=100_000, tcp=True, count=30).start()
    connection, _ = listener.accept()
    with connection:
        data = b""
        while piece := connection.recv(65536):
            data += piece
    sender.join()

    lengths = [len(packet(number)) for number in range(30)]
    assert len(data) == sum(lengths)
    assert [number_of(data[sum(lengths[:number]) :]) for number in range(30)] == list(range(30))


def test_tcp_sender_connects_again_after_a_broken_connection(listener: socket.socket) -> None:
    with Sender(listener.getsockname(), rate=2000, tcp=True) as sender:
        first, _ = listener.accept()
        first.close()
        second, _ = listener.accept()
        with second:
            began_with = number_of(second.recv(65536))

    assert 0 < began_with <= sender.sent


def test_waiting_for_more_than_is_sent_is_an_error(receiver: socket.socket) -> None:
    sender = Sender(receiver.getsockname(), rate=1000, count=2).start()
    sender.join()

    with pytest.raises(TimeoutError, match="2 of 3"):
        sender.wait_for(3, timeout_s=0)
