import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing

import pytest

from capture.errors import JournalError
from capture.intake.journals import Journals
from capture.intake.run import Intake
from capture.intake.sockets import Sockets, open_sockets
from capture.journal.figures import IntakeFigure
from capture.journal.record import Carrier
from capture.settings import IntakeSettings
from tests.support.receiving import PATIENCE_S, MemoryWriter, Peer, journals_of
from tests.support.sender import packet

PACKETS = [packet(number) for number in range(600)]


class Receiving:
    """Intake on the test's loop, with its sockets and what to send to them."""

    def __init__(self, writer: MemoryWriter, sockets: Sockets) -> None:
        self.journals: Journals = journals_of(writer)
        self.intake = Intake(sockets, self.journals, IntakeSettings())
        self.address = ("127.0.0.1", sockets.port)
        self.stopped = False

    def send(self, *datagrams: bytes) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for datagram in datagrams:
                sender.sendto(datagram, self.address)

    async def stop(self, hurried: Callable[[], bool] = lambda: False) -> None:
        self.stopped = True
        await self.intake.stop(hurried)

    async def failed(self) -> BaseException:
        """Wait until intake cannot go on; why."""
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.wait([self.intake.ended])
        error = self.intake.ended.exception()
        assert error is not None
        return error


@asynccontextmanager
async def receiving(writer: MemoryWriter) -> AsyncIterator[Receiving]:
    with closing(open_sockets("127.0.0.1:0", IntakeSettings())) as sockets:
        at = Receiving(writer, sockets)
        await at.intake.start()
        yield at
        if not at.stopped:
            await at.stop()


async def test_datagrams_and_frames_are_appended_as_they_come() -> None:
    writer = MemoryWriter()
    async with receiving(writer) as at:
        at.send(*PACKETS[:3])
        await writer.wait_for(3)
        with closing(await Peer.connect(at.address)) as peer:
            await peer.send(PACKETS[3])
            await writer.wait_for(4)

    assert writer.packets == PACKETS[:4]


async def test_stopping_reads_the_sockets_empty() -> None:
    writer = MemoryWriter()
    async with receiving(writer) as at:
        at.send(*PACKETS[:500])  # more than one wake-up reads
        peer = await Peer.connect(at.address)
        await peer.send(b"".join(PACKETS[500:]))

        await at.stop()

        assert writer.carried(Carrier.UDP) == PACKETS[:500]
        assert writer.carried(Carrier.TCP) == PACKETS[500:]
        assert await peer.closed_by_other()
        peer.close()


async def test_hurried_stop_does_not_wait_for_the_sockets_to_be_empty() -> None:
    writer = MemoryWriter()
    async with receiving(writer) as at:
        at.send(*PACKETS)

        await at.stop(lambda: True)

        assert writer.packets == []


async def test_endless_senders_do_not_keep_intake_from_stopping() -> None:
    writer = MemoryWriter()
    async with receiving(writer) as at:
        sending = asyncio.create_task(_send_for_ever(at))
        await writer.wait_for(1)
        began = asyncio.get_running_loop().time()

        await at.stop()

        assert 0.9 < asyncio.get_running_loop().time() - began < 5
        sending.cancel()


async def _send_for_ever(at: Receiving) -> None:
    while True:
        at.send(b"more")
        await asyncio.sleep(0)


async def test_stopping_with_a_full_journal_counts_what_is_left_as_dropped() -> None:
    writer = MemoryWriter(room=10)
    async with receiving(writer) as at:
        at.send(*PACKETS[:100])
        await at.stop()

        assert writer.packets == PACKETS[:10]
        assert at.journals.read(IntakeFigure.DROPPED) == 90


async def test_broken_journal_ends_intake_with_its_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL + 1)
    writer = MemoryWriter()
    async with receiving(writer) as at:
        writer.broken = True
        at.send(PACKETS[0])

        error = await at.failed()

        assert isinstance(error, JournalError)
        assert at.journals.read(IntakeFigure.DROPPED) >= 1
        writer.broken = False


async def test_broken_journal_ends_intake_over_tcp_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL + 1)
    writer = MemoryWriter()
    async with receiving(writer) as at:
        writer.broken = True
        with closing(await Peer.connect(at.address)) as peer:
            await peer.send(PACKETS[0])
            error = await at.failed()

        assert isinstance(error, JournalError)
        assert at.journals.read(IntakeFigure.DROPPED) == 1
        writer.broken = False


async def test_giving_up_counts_the_frames_that_wait_for_room() -> None:
    writer = MemoryWriter(room=0)
    async with receiving(writer) as at:
        with closing(await Peer.connect(at.address)) as peer:
            await peer.send(PACKETS[0])
            await writer.wait_for_appends(1)

        at.intake.give_up()

        assert at.journals.read(IntakeFigure.DROPPED) == 1


async def test_granted_buffer_is_among_the_figures() -> None:
    async with receiving(MemoryWriter()) as at:
        assert at.journals.read(IntakeFigure.RECEIVE_BUFFER_BYTES) > 0


async def test_no_connections_allowed_means_udp_alone() -> None:
    writer = MemoryWriter()
    settings = IntakeSettings(tcp_connections=0)
    with closing(open_sockets("127.0.0.1:0", settings)) as sockets:
        intake = Intake(sockets, journals_of(writer), settings)
        await intake.start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"HEP3", ("127.0.0.1", sockets.port))
        await writer.wait_for(1)
        with pytest.raises(ConnectionRefusedError):
            await Peer.connect(("127.0.0.1", sockets.port))
        await intake.stop()
