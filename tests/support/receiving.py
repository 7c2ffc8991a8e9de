"""Journals in memory and peers on the loopback, for tests of intake on the test's own loop."""

import asyncio
import socket
import struct
from collections.abc import Callable, Sequence
from typing import cast

from capture.errors import JournalError
from capture.intake.journals import Journals
from capture.journal.figures import IntakeFigure
from capture.journal.log import JournalWriter
from capture.journal.record import Arrival, Carrier

PATIENCE_S = 20.0


class MemoryWriter:
    """A journal that keeps what is appended in a list, with as much room as the test gives it."""

    def __init__(self, room: int = 1 << 30, last_number: int = 0) -> None:
        self.room = room
        """How many more arrivals fit."""
        self.broken = False
        self.appended: list[Arrival] = []
        self.appends: list[int] = []
        """How many arrivals each call was given."""
        self.last_number = last_number
        self.appended_bytes = 0
        self.synced_us = 0
        self.closed = False
        self._changed = asyncio.Event()

    @property
    def full(self) -> bool:
        return self.room <= 0

    def append(self, arrivals: Sequence[Arrival]) -> int:
        self.appends.append(len(arrivals))
        self._changed.set()
        if self.broken:
            raise JournalError("the disk is on fire")
        fitting = arrivals[: max(0, self.room)]
        self.appended += fitting
        self.room -= len(fitting)
        self.last_number += len(fitting)
        self.appended_bytes += sum(len(arrival[4]) for arrival in fitting)
        return len(fitting)

    def close(self) -> None:
        self.closed = True

    @property
    def packets(self) -> list[bytes]:
        return [bytes(arrival[4]) for arrival in self.appended]

    def carried(self, carrier: Carrier) -> list[bytes]:
        """Packets that came in so."""
        return [bytes(arrival[4]) for arrival in self.appended if arrival[1] == carrier]

    async def wait_for(self, count: int) -> None:
        """Until so many arrivals are appended."""
        await self._wait(lambda: len(self.appended) >= count)

    async def wait_for_appends(self, count: int) -> None:
        """Until so many calls were made, whatever became of them."""
        await self._wait(lambda: len(self.appends) >= count)

    async def _wait(self, happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not happened():
                self._changed.clear()
                await self._changed.wait()


def journals_of(*writers: MemoryWriter) -> Journals:
    """Journals with these writers and figures of their own."""
    figures = [[0] * len(IntakeFigure) for _ in writers]
    return Journals([cast("JournalWriter", writer) for writer in writers], figures)


class Peer:
    """A TCP connection to the intake under test; nothing is ever sent back, so that an answer is its end."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.port: int = sock.getsockname()[1]

    @classmethod
    async def connect(cls, address: tuple[str, int], source: str | None = None) -> "Peer":
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source is not None:
            sock.bind((source, 0))
        try:
            await asyncio.get_running_loop().sock_connect(sock, address)
        except OSError:
            sock.close()
            raise
        return cls(sock)

    async def send(self, data: bytes, piece: int = 0) -> None:
        """In pieces of so many bytes, with a turn of the loop for the other end in between; 0: in one."""
        loop = asyncio.get_running_loop()
        for start in range(0, len(data), piece or len(data)):
            await loop.sock_sendall(self._socket, data[start : start + (piece or len(data))])
            await asyncio.sleep(0)

    async def closed_by_other(self) -> bool:
        """Wait for the end; whether it came without a word."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await asyncio.get_running_loop().sock_recv(self._socket, 1) == b""
            except ConnectionResetError:
                return True

    def is_open(self) -> bool:
        """Whether the other end has not closed it yet."""
        try:
            return self._socket.recv(1) != b""
        except BlockingIOError:
            return True
        except ConnectionResetError:
            return False

    def close(self) -> None:
        self._socket.close()

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()
