"""Rounds in which members of a meeting exchange what each has, however some of them end."""

import asyncio

import pytest

from api.search.meeting import Meeting


async def member(meeting: Meeting[str], *given: str) -> list[list[str]]:
    """What a member gets in each round for what it gives, before it leaves."""
    try:
        return [sorted(await meeting.exchange(word)) for word in given]
    finally:
        meeting.leave()


async def test_all_get_what_all_have_given_in_each_round() -> None:
    meeting: Meeting[str] = Meeting(3)

    got = await asyncio.gather(*(member(meeting, name + "1", name + "2") for name in "abc"))

    assert got == [[["a1", "b1", "c1"], ["a2", "b2", "c2"]]] * 3


async def test_member_that_is_alone_waits_for_nobody() -> None:
    assert await member(Meeting(1), "a1", "a2") == [["a1"], ["a2"]]


async def test_nobody_waits_for_a_member_that_has_left() -> None:
    meeting: Meeting[str] = Meeting(3)

    got = await asyncio.gather(member(meeting), member(meeting, "b1", "b2"), member(meeting, "c1", "c2"))

    assert got == [[], [["b1", "c1"], ["b2", "c2"]], [["b1", "c1"], ["b2", "c2"]]]


async def test_member_that_leaves_while_it_waits_takes_nobody_s_place() -> None:
    meeting: Meeting[str] = Meeting(3)
    leaving = asyncio.create_task(member(meeting, "a1", "a2"))
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving

    early = asyncio.create_task(member(meeting, "b1", "b2"))
    await asyncio.sleep(0)
    got = [await member(meeting, "c1", "c2"), await early]

    # What it has given before it left was given.
    assert got == [[["a1", "b1", "c1"], ["b2", "c2"]]] * 2
