"""Coroutines on a thread of their own."""

import asyncio
import gc
import logging

import pytest

from capture.store.bridge import LoopThread


async def leave_an_error_behind() -> str:
    asyncio.get_running_loop().create_future().set_exception(ConnectionError("lost"))
    gc.collect()
    return "done"


async def raise_in_a_callback() -> None:
    loop = asyncio.get_running_loop()
    loop.call_soon(lambda: [][0])
    await asyncio.sleep(0)


def test_result_and_error_of_a_coroutine_are_its_callers() -> None:
    async def fails() -> None:
        raise ConnectionError("lost")

    with LoopThread("test") as loop:
        assert loop.call(asyncio.sleep(0, "done")) == "done"
        with pytest.raises(ConnectionError, match="lost"):
            loop.call(fails())


def test_error_that_a_driver_leaves_behind_is_no_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with LoopThread("test") as loop:
        assert loop.call(leave_an_error_behind()) == "done"

    assert [record for record in caplog.records if record.levelno >= logging.INFO] == []


def test_error_of_a_callback_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with LoopThread("test") as loop:
        loop.call(raise_in_a_callback())

    assert "IndexError" in caplog.text
