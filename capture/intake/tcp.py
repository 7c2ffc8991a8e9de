"""HEP over TCP: connections, their frames and their limits.

A frame that was read is kept until the journal has room for it; meanwhile no connection is read, so that
senders wait instead of losing packets. Nothing is ever sent to a peer.
"""

import asyncio
import logging
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import cast

from capture.hep.framing import Framer, Rubbish
from capture.intake.journals import Journals
from capture.intake.sockets import TCP_BACKLOG
from capture.intake.tally import Tally
from capture.intake.udp import pack_host
from capture.journal.figures import IntakeFigure
from capture.journal.record import Arrival, Carrier
from capture.settings import IntakeSettings

RETRY_S = 0.1
"""How often a full journal is tried again: room comes from a worker in another process, which deletes
segments."""

ACCEPTS_PER_WAKE_UP = 100

logger = logging.getLogger(__name__)


class TcpServer:
    """All connections of the listeners."""

    def __init__(
        self,
        journals: Journals,
        settings: IntakeSettings,
        after_read: Callable[[int], None] = lambda size: None,
    ) -> None:
        """`after_read` is called with the number of bytes after each read."""
        self.settings = settings
        self.reads = 0
        """Connections made and chunks of data read so far: nothing happens while it stands still."""
        self.after_read = after_read
        self._journals = journals
        self._loop = asyncio.get_running_loop()
        self._servers: list[asyncio.Server] = []
        self._connections: set[Connection] = set()
        self._per_address: Counter[bytes] = Counter()
        self._waiting: list[Arrival] = []
        self._retry: asyncio.TimerHandle | None = None
        self._refused = Tally(logger, "TCP connections refused")
        self._rubbish = Tally(logger, "runs of bytes on TCP that are no HEP packet")

    async def listen(self, listeners: Sequence[socket.socket]) -> None:
        for listener in listeners:
            self._servers.append(
                await self._loop.create_server(
                    lambda: Connection(self), sock=listener, backlog=ACCEPTS_PER_WAKE_UP
                )
            )
            # The loop takes its number of accepts in one go for the length of the kernel's queue too.
            listener.listen(TCP_BACKLOG)

    @property
    def full(self) -> bool:
        """Whether frames wait for room in the journal and nothing is read."""
        return bool(self._waiting)

    def admit(self, connection: "Connection") -> bool:
        self.reads += 1
        number, of_address = len(self._connections), self._per_address[connection.peer]
        if number >= self.settings.tcp_connections or of_address >= self.settings.tcp_connections_per_address:
            self._refuse(connection, f"{number} open, {of_address} of them from {connection.name}")
            return False
        self._connections.add(connection)
        self._per_address[connection.peer] += 1
        self._journals.count(IntakeFigure.CONNECTIONS_TOTAL, 1)
        self._journals.show(IntakeFigure.CONNECTIONS, len(self._connections))
        return True

    def _refuse(self, connection: "Connection", detail: str) -> None:
        if not self._per_address[connection.peer]:
            del self._per_address[connection.peer]
        self._journals.count(IntakeFigure.CONNECTIONS_REFUSED, 1)
        self._refused.add(1, detail)

    def forget(self, connection: "Connection") -> None:
        """Of a connection that was admitted."""
        self._connections.remove(connection)
        self._per_address[connection.peer] -= 1
        if not self._per_address[connection.peer]:
            del self._per_address[connection.peer]
        self._journals.show(IntakeFigure.CONNECTIONS, len(self._connections))

    def note_rubbish(self, length: int, name: str) -> None:
        self._journals.count(IntakeFigure.RUBBISH_BYTES, length)
        self._rubbish.add(1, f"{length} bytes from {name}")

    def deliver(self, arrivals: list[Arrival]) -> None:
        """Append, or keep and stop reading until there is room.

        What is kept is bounded: one read of one connection, since the first to find no room pauses all.
        """
        if self._waiting:
            self._waiting += arrivals
            return
        self._waiting = self._journals.append(arrivals)
        if self._waiting:
            for connection in self._connections:
                connection.pause()
            self._retry = self._loop.call_later(RETRY_S, self.retry)

    def retry(self) -> None:
        """Append what waits; read again once all of it is in the journal."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if not self._waiting:
            return
        # Taken out first: what is lost to an error of the disk has been counted by `append`.
        waiting, self._waiting = self._waiting, []
        self._waiting = self._journals.append(waiting)
        if self._waiting:
            self._retry = self._loop.call_later(RETRY_S, self.retry)
            return
        for connection in self._connections:
            connection.resume()

    def check_limits(self) -> None:
        """Close what is idle, stalled or never began; while nothing is read nobody's silence counts."""
        if self.full:
            return
        now = self._loop.time()
        for connection in tuple(self._connections):
            reason = connection.overdue(now)
            if reason is not None:
                logger.info("closing the TCP connection of %s: %s", connection.name, reason)
                connection.abort()

    def report(self, period_s: float) -> None:
        self._refused.report(period_s)
        self._rubbish.report(period_s)

    def close(self) -> None:
        """Close listeners and connections; frames that still find no room are dropped and counted."""
        for server in self._servers:
            server.close()
        for connection in tuple(self._connections):
            connection.abort()
            connection.finish()
        try:
            self.retry()
        finally:
            self.give_up()

    def give_up(self) -> None:
        """Count the frames that wait as dropped."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        waiting, self._waiting = self._waiting, []
        self._journals.drop(waiting)


class Connection(asyncio.Protocol):
    """One sender's stream."""

    def __init__(self, server: TcpServer) -> None:
        self.peer = b""
        self.name = ""
        self._server = server
        self._framer = Framer()
        self._port = 0
        self._transport: asyncio.Transport | None = None
        """None before the connection is admitted and after it has ended."""
        self._opened = self._heard = 0.0
        self._framed = False
        self._partial_since: float | None = None
        """Since when what was read ends in the middle of a packet, by the loop's clock."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)
        host, self._port = transport.get_extra_info("peername")[:2]
        self.peer = pack_host(host)
        self.name = f"[{host}]:{self._port}" if ":" in host else f"{host}:{self._port}"
        if not self._server.admit(self):
            transport.abort()
            return
        self._transport = transport
        self._opened = self._heard = asyncio.get_running_loop().time()
        if self._server.full:
            # Not now: in Python 3.11.2 the transport, which begins to read after this call, then
            # forgets that it was told to pause.
            asyncio.get_running_loop().call_soon(self._pause_if_full)

    def data_received(self, data: bytes) -> None:
        self._heard = now = asyncio.get_running_loop().time()
        framed = self._take(self._framer.feed(data))
        if not self._framer.pending:
            self._partial_since = None
        elif framed or self._partial_since is None:
            self._partial_since = now
        self._server.reads += 1
        self._server.after_read(len(data))

    def connection_lost(self, exc: Exception | None) -> None:
        self.finish()

    def finish(self) -> None:
        """Hand over what is left, the beginning of a packet that never ended, and leave the server."""
        if self._transport is None:
            return
        self._take(self._framer.finish())
        self._server.forget(self)
        self._transport = None

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _take(self, found: Sequence[bytes | Rubbish]) -> bool:
        """Deliver frames and runs of rubbish; whether a frame was among them."""
        if not found:
            return False
        framed = False
        now_us = time.time_ns() // 1000
        peer, port, tcp = self.peer, self._port, Carrier.TCP
        arrivals: list[Arrival] = []
        for item in found:
            if isinstance(item, bytes):
                framed = True
                arrivals.append((now_us, tcp, peer, port, item))
            else:
                arrivals.append((now_us, Carrier.TCP_RUBBISH, peer, port, item.head))
                self._server.note_rubbish(item.length, self.name)
        self._framed = self._framed or framed
        self._server.deliver(arrivals)
        return framed

    def overdue(self, now: float) -> str | None:
        """Which limit of time is past."""
        settings = self._server.settings
        if not self._framed and now - self._opened > settings.tcp_first_packet_s:
            return f"no packet in the first {settings.tcp_first_packet_s:g} s"
        if self._partial_since is not None and now - self._partial_since > settings.tcp_stalled_s:
            return f"in the middle of a packet for {settings.tcp_stalled_s:g} s"
        if now - self._heard > settings.tcp_idle_s:
            return f"silent for {settings.tcp_idle_s:g} s"
        return None

    def pause(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def _pause_if_full(self) -> None:
        if self._server.full:
            self.pause()

    def resume(self) -> None:
        """Read again; the time in which nothing was read does not count as silence."""
        if self._transport is None:
            return
        self._heard = now = asyncio.get_running_loop().time()
        self._opened = now
        if self._partial_since is not None:
            self._partial_since = now
        self._transport.resume_reading()
