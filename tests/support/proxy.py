"""A proxy before PostgreSQL that cuts connections where a test says: in mid-COPY, or before an answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, quote, urlsplit


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
        while data := await reader.read(8192):
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
