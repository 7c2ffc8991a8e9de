"""The scanner processes of an API process: few, started when first needed, kept for the next long scan."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import msgspec

from api.search.candidate import Candidate
from api.search.scanner import LENGTH, Rows, Task

log = logging.getLogger(__name__)

_places = msgspec.msgpack.Decoder(list[int])


class ScannerGone(Exception):
    """A scanner process ended in the middle of its work."""


class Scanner:
    """One process, asked one thing at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._sent: set[int] = set()
        self._task: Task | None = None
        self.idle = True
        """False while an answer is awaited: given up then, the process is of no more use."""

    @classmethod
    async def start(cls) -> "Scanner":
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "api.search.scanner",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        return cls(process)

    async def places(
        self, task: Task, rows: Sequence[Candidate], dictionaries: Mapping[int, bytes]
    ) -> list[int]:
        """Which of the rows match, by their place in the list. ScannerGone when the process has ended."""
        needed = {row.raw_codec for row in rows} - self._sent
        news = {number: dictionaries[number] for number in needed if number in dictionaries}
        self.idle = False
        try:
            if self._task is not task:
                await self._send(msgspec.msgpack.encode(task))
                self._task = task
            await self._send(msgspec.msgpack.encode(Rows(list(rows), news)))
            self._sent |= news.keys()
            places = _places.decode(await self._receive())
        except (OSError, asyncio.IncompleteReadError) as error:
            log.error("a scanner process has ended by itself")
            raise ScannerGone from error
        self.idle = True
        return places

    def kill(self) -> None:
        """End the process, whatever it is doing."""
        if self._process.returncode is None:
            self._process.kill()

    async def close(self) -> None:
        """End the process and wait until it is gone."""
        self.kill()
        await self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def _send(self, frame: bytes) -> None:
        pipe = self._process.stdin
        assert pipe is not None  # noqa: S101 (asked for at the start)
        pipe.write(LENGTH.pack(len(frame)) + frame)
        await pipe.drain()

    async def _receive(self) -> bytes:
        pipe = self._process.stdout
        assert pipe is not None  # noqa: S101 (asked for at the start)
        (length,) = LENGTH.unpack(await pipe.readexactly(LENGTH.size))
        return await pipe.readexactly(length)


class Scanners:
    """At most `most` processes; who finds none free waits for one."""

    def __init__(self, most: int = 2) -> None:
        self._room = asyncio.Semaphore(most)
        self._free: list[Scanner] = []

    @asynccontextmanager
    async def borrow(self) -> AsyncIterator[Scanner]:
        """A scanner for one search."""
        async with self._room:
            scanner = self._free.pop() if self._free else await Scanner.start()
            try:
                yield scanner
            finally:
                if scanner.idle:
                    self._free.append(scanner)
                else:
                    await asyncio.shield(scanner.close())

    async def close(self) -> None:
        """End all processes that are free."""
        while self._free:
            await self._free.pop().close()
