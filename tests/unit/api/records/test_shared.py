"""Who asks at the same time is answered by one reading."""

import asyncio

import pytest

from api.errors import DatabaseError
from api.records.remembered import Remembered
from api.records.shared import SharedReading


class Source:
    """What is read: each time another number, once it is let go on."""

    def __init__(self) -> None:
        self.readings = 0
        self.goes_on = asyncio.Event()
        self.error: Exception | None = None

    async def read(self) -> int:
        self.readings += 1
        number = self.readings
        await self.goes_on.wait()
        if self.error is not None:
            raise self.error
        return number


async def asked(reading: SharedReading[int], source: Source, times: int) -> list[asyncio.Task[int]]:
    tasks = [asyncio.create_task(reading.get(source.read)) for _ in range(times)]
    await asyncio.sleep(0)
    return tasks


async def test_all_who_ask_meanwhile_get_what_is_read_once() -> None:
    source, reading = Source(), SharedReading[int]()
    tasks = await asked(reading, source, 50)
    source.goes_on.set()

    assert await asyncio.gather(*tasks) == [1] * 50
    assert await reading.get(source.read) == 2


async def test_error_is_told_to_all_and_the_next_one_asks_again() -> None:
    source, reading = Source(), SharedReading[int]()
    source.error = DatabaseError("away")
    tasks = await asked(reading, source, 3)
    source.goes_on.set()

    assert [str(error) for error in await asyncio.gather(*tasks, return_exceptions=True)] == ["away"] * 3
    source.error = None
    assert await reading.get(source.read) == 2


async def test_who_leaves_takes_nothing_from_the_others() -> None:
    source, reading = Source(), SharedReading[int]()
    first, second = await asked(reading, source, 2)
    first.cancel()
    await asyncio.wait([first])
    source.goes_on.set()

    assert await second == 1
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_what_is_being_read_when_it_changes_is_not_remembered() -> None:
    source = Source()
    remembered = Remembered(source.read)
    before = asyncio.create_task(remembered.get())
    await asyncio.sleep(0)
    remembered.forget()
    after = asyncio.create_task(remembered.get())
    await asyncio.sleep(0)
    source.goes_on.set()

    assert await asyncio.gather(before, after) == [1, 2]
    assert await remembered.get() == 2
