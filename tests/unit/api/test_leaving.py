"""Work for clients that stay, and for clients that do not."""

import asyncio

import pytest
from fastapi import Request
from starlette.types import Message

from api.errors import RequestError
from api.leaving import unless_gone


def a_request(*messages: str) -> Request:
    """A request that gets these messages, and then none."""
    left = list(messages)

    async def receive() -> Message:
        if left:
            return {"type": left.pop(0)}
        await asyncio.Event().wait()
        raise AssertionError

    return Request({"type": "http"}, receive)


async def test_client_that_stays_gets_what_was_worked_for() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    assert await unless_gone(a_request(), work()) == 7


async def test_work_is_given_up_and_tidied_before_the_request_ends() -> None:
    has_ended = False

    async def work() -> None:
        nonlocal has_ended
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            has_ended = True

    with pytest.raises(RequestError):
        await unless_gone(a_request("http.request", "http.disconnect"), work())

    assert has_ended


async def test_error_of_the_work_is_the_callers() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await unless_gone(a_request(), work())


async def test_who_waits_for_the_work_can_be_cancelled_with_it() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    waiting = asyncio.create_task(unless_gone(a_request(), work()))
    await begun.wait()
    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended.is_set()
