import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from capture.intake.tcp import TcpServer
from capture.intake.udp import pack_host
from capture.journal.figures import IntakeFigure
from capture.journal.record import Carrier
from capture.settings import IntakeSettings
from tests.support.receiving import PATIENCE_S, MemoryWriter, Peer, journals_of
from tests.support.sender import packet

PACKETS = [packet(number, time_us=1_700_000_000_000_000) for number in range(10)]
CHECK_S = 0.02
"""How often the tests look for connections past their limits."""


class Served:
    """A server on the loopback, its journal and its limits looked after."""

    def __init__(self, writer: MemoryWriter, settings: IntakeSettings) -> None:
        self.journals = journals_of(writer)
        self.server = TcpServer(self.journals, settings)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.address: tuple[str, int] = self._listener.getsockname()
        self._peers: list[Peer] = []
        self._looked = asyncio.Event()

    async def listen(self) -> None:
        await self.server.listen([self._listener])

    async def look_after(self) -> None:
        while True:
            await asyncio.sleep(CHECK_S)
            self.server.check_limits()
            self._looked.set()

    def figure(self, figure: IntakeFigure) -> int:
        return self.journals.read(figure)

    async def connect(self, source: str | None = None) -> Peer:
        peer = await Peer.connect(self.address, source)
        self._peers.append(peer)
        return peer

    async def wait_for_connections(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self.figure(IntakeFigure.CONNECTIONS) != count:
                self._looked.clear()
                await self._looked.wait()

    async def wait_for_looks(self, count: int) -> None:
        """Until limits have been checked so often from now on."""
        async with asyncio.timeout(PATIENCE_S):
            for _ in range(count):
                self._looked.clear()
                await self._looked.wait()

    def close(self) -> None:
        self.server.close()
        for peer in self._peers:
            peer.close()


@asynccontextmanager
async def serving(writer: MemoryWriter, **settings: float) -> AsyncIterator[Served]:
    served = Served(writer, IntakeSettings.model_validate(settings))
    await served.listen()
    running = asyncio.create_task(served.look_after())
    try:
        yield served
    finally:
        running.cancel()
        await asyncio.wait([running])
        served.close()
        # The closed connections say so in the loop's next turns.
        await asyncio.sleep(0)


async def test_frames_are_appended_whole_with_their_sender() -> None:
    writer = MemoryWriter()
    async with serving(writer) as served:
        peer = await served.connect()

        await peer.send(b"".join(PACKETS))
        await writer.wait_for(10)

    assert writer.packets == PACKETS
    assert {arrival[1:4] for arrival in writer.appended} == {(Carrier.TCP, pack_host("127.0.0.1"), peer.port)}


async def test_stream_byte_by_byte_gives_the_same_frames() -> None:
    writer = MemoryWriter()
    async with serving(writer) as served:
        peer = await served.connect()

        await peer.send(b"".join(PACKETS[:3]), piece=1)
        await writer.wait_for(3)

    assert writer.packets == PACKETS[:3]


async def test_connections_do_not_mix() -> None:
    writer = MemoryWriter()
    async with serving(writer) as served:
        peers = [await served.connect() for _ in range(5)]

        for half in (slice(0, 300), slice(300, None)):
            for peer, data in zip(peers, PACKETS, strict=False):
                await peer.send(data[half])
        await writer.wait_for(5)

    assert sorted(writer.packets) == sorted(PACKETS[:5])
    ports = {bytes(arrival[4]): arrival[3] for arrival in writer.appended}
    assert ports == {data: peer.port for peer, data in zip(peers, PACKETS, strict=False)}


async def test_rubbish_between_frames_is_one_record_and_the_connection_goes_on() -> None:
    writer = MemoryWriter()
    rubbish = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n" * 10
    async with serving(writer) as served:
        peer = await served.connect()

        await peer.send(PACKETS[0] + rubbish + PACKETS[1] + b"\r\n\r\n" + PACKETS[2], piece=100)
        await writer.wait_for(5)

        assert served.figure(IntakeFigure.RUBBISH_BYTES) == len(rubbish) + 4
        assert peer.is_open()

    assert writer.carried(Carrier.TCP) == PACKETS[:3]
    assert writer.packets[1::2] == [rubbish[:64], b"\r\n\r\n"]
    assert writer.carried(Carrier.TCP_RUBBISH) == [rubbish[:64], b"\r\n\r\n"]


@pytest.mark.parametrize("length", [0, 5, 65535])
async def test_frame_whose_length_lies_costs_what_it_covers_and_no_more(length: int) -> None:
    writer = MemoryWriter()
    liar = b"HEP3" + length.to_bytes(2, "big") + b"\0\0\0\x01\xff\xff" + b"lies"
    async with serving(writer) as served:
        peer = await served.connect()

        await peer.send(liar + b"".join(PACKETS))
        await writer.wait_for(11)

    assert writer.packets == [liar, *PACKETS]
    assert writer.appended[0][1] == Carrier.TCP_RUBBISH


async def test_beginning_of_a_frame_that_never_ended_is_one_record() -> None:
    writer = MemoryWriter()
    async with serving(writer) as served:
        peer = await served.connect()

        await peer.send(PACKETS[0] + PACKETS[1][:100])
        peer.close()
        await writer.wait_for(2)

    assert writer.carried(Carrier.TCP) == PACKETS[:1]
    assert writer.carried(Carrier.TCP_RUBBISH) == [PACKETS[1][:64]]


async def test_reset_connection_is_forgotten_and_keeps_what_it_brought() -> None:
    writer = MemoryWriter()
    async with serving(writer, tcp_connections=1) as served:
        peer = await served.connect()
        await peer.send(PACKETS[0])
        await writer.wait_for(1)

        peer.reset()
        await served.wait_for_connections(0)
        second = await served.connect()
        await second.send(PACKETS[1])
        await writer.wait_for(2)

        assert served.figure(IntakeFigure.CONNECTIONS) == 1
        assert served.figure(IntakeFigure.CONNECTIONS_TOTAL) == 2
        assert served.figure(IntakeFigure.CONNECTIONS_REFUSED) == 0


async def test_more_connections_than_the_limit_are_closed_at_once_and_counted() -> None:
    writer = MemoryWriter()
    async with serving(writer, tcp_connections=3) as served:
        peers = [await served.connect() for _ in range(3)]

        refused = [await served.connect() for _ in range(4)]

        assert all([await peer.closed_by_other() for peer in refused])
        assert served.figure(IntakeFigure.CONNECTIONS) == 3
        assert served.figure(IntakeFigure.CONNECTIONS_REFUSED) == 4
        for peer, data in zip(peers, PACKETS, strict=False):
            await peer.send(data)
        await writer.wait_for(3)


async def test_connections_of_one_address_have_a_limit_of_their_own() -> None:
    writer = MemoryWriter()
    async with serving(writer, tcp_connections_per_address=2) as served:
        first = [await served.connect("127.0.0.2") for _ in range(2)]

        refused = await served.connect("127.0.0.2")
        other = await served.connect("127.0.0.3")

        assert await refused.closed_by_other()
        await other.send(PACKETS[0])
        await writer.wait_for(1)
        first[0].close()
        await served.wait_for_connections(2)
        again = await served.connect("127.0.0.2")
        await again.send(PACKETS[1])
        await writer.wait_for(2)


async def test_burst_of_connections_beyond_a_hundred_waits_in_the_kernels_queue() -> None:
    writer = MemoryWriter()
    async with serving(writer, tcp_connections_per_address=1000) as served:
        # Not one turn of the loop in between, so that all wait in the queue at once.
        socks = [socket.create_connection(served.address, timeout=0.5) for _ in range(300)]
        for number, sock in enumerate(socks):
            sock.sendall(packet(number))
        await writer.wait_for(300)
        assert served.figure(IntakeFigure.CONNECTIONS) == 300
        for sock in socks:
            sock.close()


async def test_connection_that_brings_no_packet_is_closed() -> None:
    async with serving(MemoryWriter(), tcp_first_packet_s=0.1) as served:
        silent = await served.connect()
        assert await silent.closed_by_other()
        assert served.figure(IntakeFigure.CONNECTIONS) == 0


async def test_rubbish_does_not_count_as_a_first_packet() -> None:
    writer = MemoryWriter()
    async with serving(writer, tcp_first_packet_s=0.1) as served:
        chatty = await served.connect()
        await chatty.send(b"no HEP")
        assert await chatty.closed_by_other()
        await writer.wait_for(1)

    assert writer.carried(Carrier.TCP_RUBBISH) == [b"no HEP"]


async def test_connection_that_stalls_in_a_packet_is_closed_though_it_trickles() -> None:
    writer = MemoryWriter()
    async with serving(writer, tcp_stalled_s=0.2) as served:
        peer = await served.connect()
        await peer.send(PACKETS[0] + PACKETS[1][:20])
        trickle = asyncio.create_task(_trickle(peer, PACKETS[1][20:]))

        assert await peer.closed_by_other()
        trickle.cancel()
        await writer.wait_for(2)

    assert writer.carried(Carrier.TCP) == PACKETS[:1]
    assert len(writer.carried(Carrier.TCP_RUBBISH)) == 1


async def _trickle(peer: Peer, data: bytes) -> None:
    try:
        for byte in data:
            await peer.send(bytes((byte,)))
            await asyncio.sleep(0.02)
    except OSError:
        return


async def test_busy_connection_that_always_ends_in_a_packet_is_not_stalled() -> None:
    writer = MemoryWriter()
    data = b"".join(PACKETS * 4)
    async with serving(writer, tcp_stalled_s=0.5) as served:
        peer = await served.connect()
        # For longer than the limit, and never does a piece end where a packet does.
        for start in range(0, len(data), 701):
            await peer.send(data[start : start + 701])
            await asyncio.sleep(0.02)
        await writer.wait_for(40)

    assert writer.packets == PACKETS * 4


async def test_idle_connection_is_closed() -> None:
    writer = MemoryWriter()
    async with serving(writer, tcp_idle_s=0.2) as served:
        peer = await served.connect()
        await peer.send(PACKETS[0])
        assert await peer.closed_by_other()

    assert writer.packets == PACKETS[:1], "and no rubbish"


async def test_full_journal_is_not_read_for_and_loses_nothing() -> None:
    writer = MemoryWriter(room=5)
    data = PACKETS * 2000
    async with serving(writer) as served:
        peer, other = await served.connect(), await served.connect()
        sending = asyncio.create_task(peer.send(b"".join(data)))
        await writer.wait_for(5)
        await writer.wait_for_appends(len(writer.appends) + 3)  # tries again, and again

        assert not sending.done(), "20 MB are more than all buffers in between: the sender waits"
        assert served.server.full
        await other.send(PACKETS[0])
        reads = served.server.reads
        await writer.wait_for_appends(len(writer.appends) + 2)
        assert served.server.reads == reads, "nothing is read from the others either"

        writer.room = 1 << 30
        await sending
        await writer.wait_for(len(data) + 1)

    mine = [bytes(arrival[4]) for arrival in writer.appended if arrival[3] == peer.port]
    assert mine == data
    assert served.figure(IntakeFigure.DROPPED) == 0


async def test_connection_made_while_the_journal_is_full_is_not_read() -> None:
    writer = MemoryWriter(room=0)
    async with serving(writer) as served:
        first = await served.connect()
        await first.send(PACKETS[0])
        await writer.wait_for_appends(1)

        reads = served.server.reads
        late = await served.connect()
        await late.send(PACKETS[1])
        await writer.wait_for_appends(3)
        assert served.server.reads == reads + 1, "the connection itself"

        writer.room = 10
        await writer.wait_for(2)

    assert writer.packets == PACKETS[:2]


async def test_silence_does_not_count_while_nothing_is_read() -> None:
    writer = MemoryWriter(room=0)
    async with serving(writer, tcp_idle_s=0.4, tcp_first_packet_s=0.4, tcp_stalled_s=0.4) as served:
        peer = await served.connect()
        await peer.send(PACKETS[0] + PACKETS[1][:50])
        await writer.wait_for_appends(6)  # at 0.1 s each: past every limit
        assert peer.is_open()

        writer.room = 10
        await writer.wait_for(1)
        await served.wait_for_looks(2)
        assert peer.is_open(), "reading has only just begun again"
        await peer.send(PACKETS[1][50:])
        await writer.wait_for(2)

    assert writer.packets == PACKETS[:2]


async def test_closing_with_a_full_journal_counts_what_was_read_as_dropped() -> None:
    writer = MemoryWriter(room=1)
    async with serving(writer) as served:
        peer = await served.connect()
        await peer.send(b"".join(PACKETS[:4]))
        await writer.wait_for(1)
        appends = len(writer.appends)
        await writer.wait_for_appends(appends + 1)

        served.server.close()

        assert served.figure(IntakeFigure.DROPPED) == 3
        assert await peer.closed_by_other()

    assert served.figure(IntakeFigure.DROPPED) == 3, "once"


async def test_closing_appends_what_has_found_room_meanwhile() -> None:
    writer = MemoryWriter(room=0)
    async with serving(writer) as served:
        peer = await served.connect()
        await peer.send(PACKETS[0])
        await writer.wait_for_appends(1)
        writer.room = 1
        served.server.close()

        assert served.figure(IntakeFigure.DROPPED) == 0

    assert writer.packets == PACKETS[:1]


async def test_trouble_is_told_once_not_once_a_packet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    writer = MemoryWriter()
    async with serving(writer) as served:
        peer = await served.connect()
        await peer.send((b"rubbish" + PACKETS[0]) * 50)
        await writer.wait_for(100)

        assert len(caplog.messages) == 1
        assert "127.0.0.1" in caplog.messages[0]
        served.server.report(10.0)

    assert caplog.messages[1:] == ["runs of bytes on TCP that are no HEP packet: 49 more in 10 s"]
