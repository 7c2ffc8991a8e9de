"""A proxy before PostgreSQL that cuts connections where a test says.

In the middle of what a client sends, before a statement, or before an answer.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, quote, urlsplit


@dataclass
class Cut:
    """A place in what a client sends; its connection is cut there once, without anybody being told."""

    statement: bytes
    """Begins with what is sent from these bytes on."""
    occurrence: int = 1
    """Which of several alike."""
    passing: int = 0
    """So many bytes from there on go through; with 0 not even the statement does."""
    end: bytes = b""
    """What ends the statement: it does not go through, however many bytes may pass."""
    made: threading.Event = field(default_factory=threading.Event)
    _behind: int = 0
    """Where in the bytes that come next the statement begins."""

    def begins_in(self, data: bytes) -> bool:
        """Whether the statement does; if so, what lies before it goes through as well."""
        at = data.find(self.statement)
        while at >= 0 and self.occurrence > 1:
            self.occurrence -= 1
            at = data.find(self.statement, at + 1)
        self._behind = max(at, 0)
        self.passing += self._behind
        return at >= 0

    def through(self, data: bytes) -> int | None:
        """How many bytes of `data`, which follows on the last, go through; None: all, it is not cut yet."""
        end = data.find(self.end, self._behind) if self.end else -1
        self._behind = 0
        if end < 0 and self.passing >= len(data):
            self.passing -= len(data)
            return None
        return min(self.passing, end) if end >= 0 else self.passing


class Proxy:
    """Passes bytes both ways until told to cut."""

    def __init__(self, database_url: str) -> None:
        self._upstream = urlsplit(database_url)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.cut_after_client_bytes: int | None = None
        """The next so many bytes from clients go through, then every connection is cut."""
        self.cut_answer_to: bytes | None = None
        """Once a client has sent these bytes, wait for the server's answer and cut, not passing it on."""
        self.cut: Cut | None = None
        """Where to cut next; forgotten once that is done."""
        self.cuts = 0

    @property
    def url(self) -> str:
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        user = self._upstream.username or "postgres"
        password = f":{quote(self._upstream.password)}" if self._upstream.password else ""
        return f"postgresql://{quote(user)}{password}@127.0.0.1:{port}{self._upstream.path}?sslmode=disable"

    async def start(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        up_reader, up_writer = await self._connect()
        answer_is_cut = asyncio.Event()
        passing = [
            asyncio.create_task(self._to_server(reader, up_writer, answer_is_cut)),
            asyncio.create_task(self._to_client(up_reader, writer, answer_is_cut)),
        ]
        try:
            await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in passing:
                each.cancel()
            await asyncio.gather(*passing, return_exceptions=True)
            for end in (writer, up_writer):
                # Abort, not close: what is buffered must not slip through after the cut.
                end.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host = (parse_qs(self._upstream.query).get("host") or [self._upstream.hostname or "127.0.0.1"])[0]
        port = self._upstream.port or 5432
        if host.startswith("/"):
            return await asyncio.open_unix_connection(Path(host) / f".s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)

    async def _to_server(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer_is_cut: asyncio.Event
    ) -> None:
        cut: Cut | None = None
        while data := await reader.read(8192):
            if cut is None and self.cut is not None and self.cut.begins_in(data):
                cut, self.cut = self.cut, None
            if cut is not None and (through := cut.through(data)) is not None:
                writer.write(data[:through])
                with suppress(ConnectionError):
                    await writer.drain()
                self.cuts += 1
                cut.made.set()
                return
            if self.cut_answer_to is not None and self.cut_answer_to in data:
                answer_is_cut.set()
            if self.cut_after_client_bytes is not None:
                self.cut_after_client_bytes -= len(data)
                if self.cut_after_client_bytes < 0:
                    self.cuts += 1
                    return
            writer.write(data)
            with suppress(ConnectionError):
                await writer.drain()

    async def _to_client(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer_is_cut: asyncio.Event
    ) -> None:
        while data := await reader.read(65536):
            if answer_is_cut.is_set():
                self.cuts += 1
                return
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def proxied(database_url: str) -> AsyncIterator[Proxy]:
    """A running proxy before `database_url`."""
    proxy = await Proxy(database_url).start()
    try:
        yield proxy
    finally:
        await proxy.stop()


@contextmanager
def proxy_beside(database_url: str) -> Iterator[Proxy]:
    """A running proxy on a loop in a thread of its own, for tests that have none."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="proxy", daemon=True)
    thread.start()
    proxy = Proxy(database_url)
    asyncio.run_coroutine_threadsafe(proxy.start(), loop).result()
    try:
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(proxy.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
