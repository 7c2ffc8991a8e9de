"""How files are made while they are sent, and what becomes of them when nobody takes them any more."""

import asyncio
import gc
import weakref
from collections.abc import Iterable, Iterator

import pytest
from starlette.types import Message

from api.sending import SLICE_BYTES, FileOf, slices

SCOPE = {"type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}}
"""As uvicorn says it."""


class Item:
    """Of which a slice is made."""


class Client:
    """Takes so many slices and no more; what then becomes of the answer is for `leave` to say."""

    def __init__(self, takes: int) -> None:
        self.slices: list[bytes] = []
        self.has_ended = False
        self._takes = takes
        self.has_enough = asyncio.Event()
        self._leaving = asyncio.Event()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            return
        if len(self.slices) == self._takes:
            self.has_enough.set()
            await asyncio.Event().wait()
        self.slices.append(message["body"])
        self.has_ended = not message["more_body"]

    async def receive(self) -> Message:
        await self._leaving.wait()
        return {"type": "http.disconnect"}

    def leave(self) -> None:
        self._leaving.set()


def parts(items: Iterable[Item]) -> Iterator[bytes]:
    return (b"x" * SLICE_BYTES for _ in items)


def a_file(count: int) -> tuple[FileOf, list[weakref.ref[Item]]]:
    items = [Item() for _ in range(count)]
    return FileOf(items, parts, "text/plain", {}), [weakref.ref(item) for item in items]


def alive(items: Iterable[weakref.ref[Item]]) -> int:
    return sum(item() is not None for item in items)


@pytest.fixture
def no_collection() -> Iterator[None]:
    """The garbage is not collected, as in a server it may not be for hours."""
    gc.disable()
    yield
    gc.enable()


async def test_file_is_sent_as_a_whole() -> None:
    client = Client(takes=10)
    file, items = a_file(3)

    await file(SCOPE, client.receive, client.send)

    assert client.slices == [b"x" * SLICE_BYTES] * 3 + [b""]
    assert client.has_ended
    assert alive(items) == 0


@pytest.mark.usefixtures("no_collection")
async def test_items_are_let_go_of_one_by_one_and_all_at_once_when_the_client_leaves() -> None:
    client = Client(takes=3)
    file, items = a_file(10)
    sending = asyncio.create_task(file(SCOPE, client.receive, client.send))
    await client.has_enough.wait()

    assert alive(items) == 7
    client.leave()
    await sending

    # Whatever still holds the file itself, and with it the item in hand.
    assert alive(items) <= 1
    assert not client.has_ended


async def test_file_is_made_piece_by_piece_as_it_is_sent() -> None:
    made = 0

    def parts() -> Iterator[bytes]:
        nonlocal made
        for _ in range(10):
            made += 1
            yield b"x" * (SLICE_BYTES // 2)

    sent = slices(parts())

    assert len(await anext(sent)) == SLICE_BYTES
    assert made == 2
    assert sum([len(piece) async for piece in sent]) == 4 * SLICE_BYTES


async def test_small_parts_are_sent_together_and_nothing_is_nothing() -> None:
    assert [piece async for piece in slices([b"a", b"", b"b"])] == [b"ab"]
    assert [piece async for piece in slices([])] == []
