"""Bodies, bounded and typed, and how they are described."""

from collections.abc import AsyncIterator

import msgspec
import pytest
from fastapi import Request
from starlette.types import Message

from api.errors import BodyTooLarge, RequestError
from api.wire import read_body, schema_of


class Inner(msgspec.Struct):
    number: int


class Outer(msgspec.Struct):
    first: Inner
    others: list[Inner] = []


class Sender:
    """A client that sends chunks, and whose every chunk read is counted."""

    def __init__(self, *chunks: bytes, leaves: bool = False) -> None:
        self.read = 0
        self._chunks = self._all(chunks, leaves)

    async def _all(self, chunks: tuple[bytes, ...], leaves: bool) -> AsyncIterator[Message]:
        for chunk in chunks:
            self.read += 1
            yield {"type": "http.request", "body": chunk, "more_body": True}
        if leaves:
            yield {"type": "http.disconnect"}
        yield {"type": "http.request", "body": b"", "more_body": False}

    async def __call__(self) -> Message:
        return await anext(self._chunks)


def a_request(sender: Sender, length: str | None = None) -> Request:
    headers = [] if length is None else [(b"content-length", length.encode())]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, sender)


async def test_body_comes_whole() -> None:
    assert await read_body(a_request(Sender(b"ab", b"", b"c")), limit_bytes=3) == b"abc"


async def test_body_that_grows_too_long_is_not_read_on() -> None:
    sender = Sender(*[b"x" * 10] * 100)

    with pytest.raises(BodyTooLarge):
        await read_body(a_request(sender), limit_bytes=25)

    assert sender.read == 3


@pytest.mark.parametrize("length", ["26", "9" * 5000])
async def test_body_that_says_it_is_too_long_is_not_read_at_all(length: str) -> None:
    sender = Sender(b"x")

    with pytest.raises(BodyTooLarge):
        await read_body(a_request(sender, length), limit_bytes=25)

    assert sender.read == 0


@pytest.mark.parametrize("length", ["-1", "abc", "²"])
async def test_length_that_is_none_is_not_believed(length: str) -> None:
    assert await read_body(a_request(Sender(b"x"), length), limit_bytes=25) == b"x"


async def test_client_that_leaves_in_the_middle_is_no_crash() -> None:
    with pytest.raises(RequestError):
        await read_body(a_request(Sender(b"x", leaves=True)), limit_bytes=25)


def test_schema_stands_by_itself() -> None:
    schema = schema_of(Outer)

    assert "$ref" not in str(schema)
    assert schema["properties"]["first"]["properties"]["number"] == {"type": "integer"}
    assert schema["properties"]["others"]["items"]["required"] == ["number"]
