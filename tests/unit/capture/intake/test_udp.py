import socket
import time
from collections.abc import Iterator

import pytest

from capture.errors import JournalError
from capture.intake.journals import Journals
from capture.intake.udp import DATAGRAMS_PER_WAKE_UP, KNOWN_PEERS, Peers, UdpReader, pack_host
from capture.journal.figures import IntakeFigure
from capture.journal.record import Carrier
from tests.support.receiving import MemoryWriter, journals_of

MAPPED = bytes(10) + b"\xff\xff"


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.bind(("127.0.0.1", 0))
        yield sock


@pytest.fixture
def sender(receiver: socket.socket) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.connect(receiver.getsockname())
        yield sock


async def test_datagrams_are_appended_as_received_with_time_and_sender(
    receiver: socket.socket, sender: socket.socket
) -> None:
    writer = MemoryWriter()
    reader = UdpReader(receiver, journals_of(writer))
    given = [b"HEP3 one", b"", b"no HEP at all\0", b"x" * 65507]
    before_us = time.time_ns() // 1000
    for datagram in given:
        sender.send(datagram)

    count = reader.drain()

    assert count == 4
    assert writer.packets == given
    assert writer.appends == [4], "one write"
    peer = (MAPPED + bytes((127, 0, 0, 1)), sender.getsockname()[1])
    assert {arrival[1:4] for arrival in writer.appended} == {(Carrier.UDP, *peer)}
    assert all(before_us <= arrival[0] <= time.time_ns() // 1000 for arrival in writer.appended)


async def test_one_wake_up_reads_a_limited_number(receiver: socket.socket, sender: socket.socket) -> None:
    writer = MemoryWriter()
    reader = UdpReader(receiver, journals_of(writer))
    for number in range(DATAGRAMS_PER_WAKE_UP + 10):
        sender.send(str(number).encode())

    assert [reader.drain(), reader.drain(), reader.drain()] == [DATAGRAMS_PER_WAKE_UP, 10, 0]
    assert writer.packets == [str(number).encode() for number in range(DATAGRAMS_PER_WAKE_UP + 10)]


async def test_empty_socket_costs_no_append(receiver: socket.socket) -> None:
    writer = MemoryWriter()

    assert UdpReader(receiver, journals_of(writer)).drain() == 0
    assert writer.appends == []


async def test_datagrams_without_room_are_dropped_and_counted(
    receiver: socket.socket, sender: socket.socket
) -> None:
    writer = MemoryWriter(room=2)
    journals = journals_of(writer)
    reader = UdpReader(receiver, journals)
    for datagram in (b"1", b"2", b"3", b"4", b"5"):
        sender.send(datagram)

    reader.drain()
    writer.room = 10
    sender.send(b"6")
    reader.drain()

    assert writer.packets == [b"1", b"2", b"6"]
    assert journals.read(IntakeFigure.DROPPED) == 3


async def test_broken_journal_is_not_hidden(receiver: socket.socket, sender: socket.socket) -> None:
    writer = MemoryWriter()
    writer.broken = True
    journals: Journals = journals_of(writer)
    sender.send(b"1")

    with pytest.raises(JournalError):
        UdpReader(receiver, journals).drain()

    assert journals.read(IntakeFigure.DROPPED) == 1


@pytest.mark.parametrize("gather", [False, True])
async def test_every_wake_up_reads_what_is_there(
    receiver: socket.socket, sender: socket.socket, gather: bool
) -> None:
    writer = MemoryWriter()
    reader = UdpReader(receiver, journals_of(writer), gather=gather)
    for number in range(20):
        sender.send(str(number).encode())
        reader.wake_up()
        assert len(writer.packets) == number + 1


async def test_closed_ports_answer_does_not_stop_the_reader(receiver: socket.socket) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        receiver.connect(gone.getsockname())
    receiver.send(b"to nobody: the error waits at the socket")

    assert UdpReader(receiver, journals_of(MemoryWriter())).drain() == 0


def test_hosts_are_packed_to_16_bytes() -> None:
    assert pack_host("192.0.2.1") == MAPPED + bytes((192, 0, 2, 1))
    assert pack_host("::ffff:192.0.2.1") == pack_host("192.0.2.1")
    assert pack_host("2001:db8::1") == bytes.fromhex("20010db8000000000000000000000001")
    assert pack_host("fe80::1%eth0") == bytes.fromhex("fe800000000000000000000000000001")


def test_memory_of_peers_is_bounded() -> None:
    peers = Peers()

    for port in range(3 * KNOWN_PEERS):
        assert peers["192.0.2.1", port] == (pack_host("192.0.2.1"), port)

    assert len(peers) <= KNOWN_PEERS
