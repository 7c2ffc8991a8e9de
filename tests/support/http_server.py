"""A small HTTP server in the test's own loop: it notes what it is asked and answers as a function says."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec


@dataclass(frozen=True)
class Asked:
    """One request, as it came."""

    method: str
    target: str
    """Path and query, encoded."""
    headers: Mapping[str, str]
    """By names in small letters."""
    body: bytes

    @property
    def path(self) -> str:
        """Encoded."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """Decoded; a name that comes twice fails the test."""
        pairs = parse_qsl(urlsplit(self.target).query, keep_blank_values=True, strict_parsing=True)
        assert len(dict(pairs)) == len(pairs), self.target
        return dict(pairs)


@dataclass(frozen=True)
class Said:
    """One answer. Without `length` it ends with the connection."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = -1
    """Announced; -1: the body's own."""
    waits_for: asyncio.Event | None = None
    """Before a word is said."""
    stalls_on: asyncio.Event | None = None
    """After the body."""
    endless: bytes = b""
    """Repeated after the body until nobody reads any more."""
    slowness_s: float = 0
    """Between all of these."""


def said_json(value: Any, status: int = 200, **headers: str) -> Said:
    """An answer in JSON."""
    return Said(msgspec.json.encode(value), status, {"Content-Type": "application/json", **headers})


Answers = Callable[[Asked], Said]


class HttpServer:
    """Where it is, and what it was asked."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.asked: list[Asked] = []
        self.url = ""
        self.connections = 0
        self.came = asyncio.Event()
        """Set when it was asked something."""
        self.gone = asyncio.Event()
        """Set when a client has closed its connection before it had its answer."""

    @property
    def last(self) -> Asked:
        """The latest request."""
        return self.asked[-1]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        try:
            while (asked := await _read(reader)) is not None:
                self.asked.append(asked)
                self.came.set()
                if not await self._say(self.answers(asked), asked, reader, writer):
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            self.gone.set()
        finally:
            writer.close()

    async def _say(
        self, said: Said, asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Whether the connection may be used again."""
        if said.waits_for is not None and await self._is_left(said.waits_for, reader):
            return False
        await asyncio.sleep(said.slowness_s)
        length = len(said.body) if said.length == -1 else said.length
        lines = [f"HTTP/1.1 {said.status} {HTTPStatus(said.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in said.headers.items()]
        lines += [f"Content-Length: {length}"] if length is not None else ["Connection: close"]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        if asked.method != "HEAD":
            writer.write(said.body)
        await writer.drain()
        if said.stalls_on is not None and await self._is_left(said.stalls_on, reader):
            return False
        while said.endless:
            await asyncio.sleep(said.slowness_s)
            writer.write(said.endless)
            await writer.drain()
        return length is not None and length == len(said.body)

    async def _is_left(self, event: asyncio.Event, reader: asyncio.StreamReader) -> bool:
        """Wait for the event; True when the client has gone before."""
        waiting, reading = asyncio.create_task(event.wait()), asyncio.create_task(reader.read(1))
        await asyncio.wait((waiting, reading), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if reading.done():
            self.gone.set()
            return True
        reading.cancel()
        return False


async def _read(reader: asyncio.StreamReader) -> Asked | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers: dict[str, str] = {}
    for line in filter(None, lines):
        name, _, value = line.partition(":")
        assert name.lower() not in headers, f"{name} comes twice"
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(method, target, headers, body)


@asynccontextmanager
async def http_server(answers: Answers, tls: ssl.SSLContext | None = None) -> AsyncIterator[HttpServer]:
    """A server on a free port of this machine, gone at the end."""
    server = HttpServer(answers)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    port = listening.sockets[0].getsockname()[1]
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield server
    finally:
        listening.close()
