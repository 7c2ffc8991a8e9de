"""Answers on their way to clients that take them, slowly or not at all."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Message

from api.edge import SLICE_BYTES, Edge

SCOPE = {"type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "method": "GET", "path": "/x"}
LONG = bytes(range(256)) * (SLICE_BYTES // 100)


class Client:
    """Takes so many messages and no more."""

    def __init__(self, takes: int) -> None:
        self.taken: list[Any] = []
        self._takes = takes

    async def send(self, message: Message) -> None:
        if len(self.taken) == self._takes:
            await asyncio.Event().wait()
        self.taken.append(message)

    async def receive(self) -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.taken[1:])


async def streamed() -> AsyncIterator[bytes]:
    for _ in range(5):
        yield LONG


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Response(b""), b""),
        (Response(b"short"), b"short"),
        (Response(LONG), LONG),
        (Response(LONG[:SLICE_BYTES]), LONG[:SLICE_BYTES]),
        (Response(LONG[: SLICE_BYTES + 1]), LONG[: SLICE_BYTES + 1]),
        (StreamingResponse(streamed()), LONG * 5),
    ],
)
async def test_answer_is_handed_over_in_slices_and_whole(answer: ASGIApp, expected: bytes) -> None:
    client = Client(takes=1000)

    await Edge(answer)(SCOPE, client.receive, client.send)

    assert client.body == expected
    assert max(len(message["body"]) for message in client.taken[1:]) <= SLICE_BYTES
    has_more = [message.get("more_body", False) for message in client.taken[1:]]
    assert has_more == [True] * (len(has_more) - 1) + [False]


@pytest.mark.parametrize("takes", [0, 1, 2])
@pytest.mark.parametrize("answer", [lambda: Response(LONG), lambda: StreamingResponse(streamed())])
async def test_client_that_takes_nothing_is_given_up(
    answer: Callable[[], ASGIApp], takes: int, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(takes)

    await Edge(answer(), stalled_s=0.01)(SCOPE, client.receive, client.send)

    said = [record for record in caplog.records if record.levelno >= logging.WARNING]
    words = "GET /x is cut off: nothing of the answer was taken for 0.01 s"
    assert [record.getMessage() for record in said] == [words]
    assert len(client.taken) == takes


async def test_exception_of_a_route_s_own_is_no_client_that_takes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(*_: Any) -> None:
        raise TimeoutError

    client = Client(takes=1000)

    await Edge(app)(SCOPE, client.receive, client.send)

    assert client.taken[0]["status"] == 500
    assert [record.getMessage() for record in caplog.records] == ["GET /x failed"]
