"""What comes before a request's body is bounded, whoever sends it and however it comes."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from api.request_head import LINE_BYTES, MOST_HEAD_BYTES, MOST_WAITING, BoundedProtocol
from api.run import server_config
from api.settings import ApiOptions
from tests.support.api import AWAY

WAIT_S = 20
REQUEST = b"POST /x HTTP/1.1\r\nHost: a\r\n"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = await Request(scope, receive).body()
    await PlainTextResponse(f"{len(scope['headers'])} headers, {len(body)} bytes")(scope, receive, send)


class HastyProtocol(BoundedProtocol):
    head_s = 0.01


@asynccontextmanager
async def served(
    app: ASGIApp = echo, protocol: type[BoundedProtocol] = BoundedProtocol
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to the protocol that the API is served by."""
    config = server_config(app, ApiOptions(database_url=AWAY))
    config.load()
    assert config.http_protocol_class is BoundedProtocol
    server = await asyncio.get_running_loop().create_server(
        lambda: protocol(config, ServerState(), {}), "127.0.0.1", 0
    )
    async with server, asyncio.timeout(WAIT_S):
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        yield reader, writer
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def answer_to(pieces: Iterable[bytes]) -> bytes:
    """All that comes back until the server closes, or one answer of 200."""
    async with served() as (reader, writer):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            # So that it comes apart from the next one.
            await asyncio.sleep(0)
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " in head:
            return head + await reader.read(100)
        return head + await reader.read()


def headers(size: int) -> bytes:
    """Headers that count for so many bytes."""
    value = b"v" * 1000
    each = len(b"n") + len(value) + LINE_BYTES
    return b"".join(b"n: %b\r\n" % value for _ in range(size // each))


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * (MOST_HEAD_BYTES + 1) + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        REQUEST + b"n: " + b"v" * (MOST_HEAD_BYTES + 1) + b"\r\n\r\n",
        REQUEST + headers(MOST_HEAD_BYTES + 2000) + b"\r\n",
        REQUEST + b"n:\r\n" * (MOST_HEAD_BYTES // 4) + b"\r\n",
        REQUEST
        + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
        + headers(MOST_HEAD_BYTES + 2000)
        + b"\r\n",
    ],
    ids=["request line", "one header", "many headers", "small headers", "trailers"],
)
@pytest.mark.parametrize("piece_bytes", [1_000_000, 999])
async def test_head_that_is_too_large_is_refused_and_the_connection_closed(
    head: bytes, piece_bytes: int
) -> None:
    answer = await answer_to(head[at : at + piece_bytes] for at in range(0, len(head), piece_bytes))

    assert answer.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "endless",
    [b"GET /", REQUEST + b"n", REQUEST + b"n: ", REQUEST + b"Transfer-Encoding: chunked\r\n\r\n1;"],
    ids=["request line", "name", "value", "chunk extension"],
)
async def test_head_that_never_ends_is_given_up(endless: bytes) -> None:
    pieces = [endless, *[b"a" * 8192] * (16 * MOST_HEAD_BYTES // 8192)]

    answer = await answer_to(pieces)

    assert answer.startswith(b"HTTP/1.1 431 ")


async def test_largest_head_is_read() -> None:
    head = REQUEST + headers(MOST_HEAD_BYTES - 2000)

    answer = await answer_to([head + b"Content-Length: 0\r\n\r\n"])

    assert b" 200 OK" in answer
    assert answer.endswith(b"headers, 0 bytes")


async def test_body_is_not_counted() -> None:
    body = b"b" * (4 * MOST_HEAD_BYTES)

    answer = await answer_to([REQUEST + b"Content-Length: %d\r\n\r\n" % len(body), body])

    assert answer.endswith(b"2 headers, %d bytes" % len(body))


async def test_each_request_of_a_connection_is_counted_anew() -> None:
    request = REQUEST + headers(MOST_HEAD_BYTES // 2) + b"Content-Length: 0\r\n\r\n"
    async with served() as (reader, writer):
        for _ in range(4):
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
            await reader.readexactly(length)

            assert b" 200 OK" in head


@pytest.mark.parametrize(
    "head",
    [
        b"\x16\x03\x01\x02\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        REQUEST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        REQUEST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n123456",
        REQUEST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        REQUEST + b"Transfer-Encoding: chunked\r\n\r\n1\nx\n0\n\n",
        b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT /x HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    ids=[
        *("TLS", "no host", "two hosts", "bare line feed", "two framings", "two lengths", "unknown framing"),
        *("bare line feed in chunk", "tunnel", "tunnel to a path"),
    ],
)
async def test_what_is_no_request_is_refused(head: bytes) -> None:
    assert (await answer_to([head])).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "framed",
    [b"Content-Length: 5\r\n\r\nhello", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"],
    ids=["length", "chunks"],
)
async def test_request_that_would_go_on_in_another_protocol_is_read_as_it_is(framed: bytes) -> None:
    wishes = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    async with served() as (reader, writer):
        for _ in range(2):
            writer.write(REQUEST + wishes + framed)

            assert b" 200 OK" in await reader.readuntil(b"\r\n\r\n")
            assert await reader.readuntil(b"bytes") == b"4 headers, 5 bytes"


@pytest.mark.parametrize(
    "behind",
    [b"no request\r\n\r\n", REQUEST + headers(MOST_HEAD_BYTES + 2000) + b"\r\n"],
    ids=["no request", "too large"],
)
async def test_what_cannot_be_read_leaves_the_answer_before_it_whole(behind: bytes) -> None:
    async with served() as (reader, writer):
        writer.write(REQUEST + b"Content-Length: 0\r\n\r\n" + behind)

        answer = await reader.read()

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(b"\r\n\r\n2 headers, 0 bytes")


async def test_few_requests_are_read_while_one_is_answered() -> None:
    async with served() as (reader, writer):
        writer.write((REQUEST + b"Content-Length: 0\r\n\r\n") * 3 * MOST_WAITING)

        answers = await reader.read()

    assert answers.count(b"2 headers, 0 bytes") == 1 + MOST_WAITING
    assert answers.count(b"connection: close") == 1


@pytest.mark.parametrize("begun", [b"", b"GET", REQUEST, b"\r\n"])
async def test_head_that_does_not_come_is_not_waited_for(begun: bytes) -> None:
    async with served(protocol=HastyProtocol) as (reader, writer):
        writer.write(begun)

        assert await reader.read() == b""


async def test_answer_takes_its_time_whatever_comes_behind_the_request() -> None:
    given_up = asyncio.Event()

    class Telling(HastyProtocol):
        def _give_up(self) -> None:
            given_up.set()
            super()._give_up()

    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        await given_up.wait()
        await PlainTextResponse("patience")(scope, receive, send)

    async with served(waiting, Telling) as (reader, writer):
        writer.write(REQUEST + b"Content-Length: 0\r\n\r\n" + b"GET")

        assert await reader.readuntil(b"patience")
