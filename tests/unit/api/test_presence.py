"""When other data nodes are asked whether they are there, and who waits for that."""

import asyncio
from collections.abc import Mapping

from api.presence import FRESH_S, PROBE_S, STALE_S, Presence

URLS = {"far": "postgresql://far/x"}


class Nodes:
    """What the nodes answer, once they are let to."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.why = ""
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    def clock(self) -> float:
        return self.now_s

    async def ask(self, urls: Mapping[str, str], patience_s: float) -> dict[str, str]:
        assert (urls, patience_s) == (URLS, PROBE_S)
        self.asked += 1
        await self.may_answer.wait()
        return {"far": self.why} if self.why else {}

    def presence(self, urls: Mapping[str, str] = URLS) -> Presence:
        return Presence(urls, self.clock, self.ask)


async def test_first_one_waits_for_what_is_true() -> None:
    nodes = Nodes()
    nodes.why = "gone"

    assert await nodes.presence().troubles() == {"far": "gone"}


async def test_nobody_is_asked_where_there_is_nobody() -> None:
    nodes = Nodes()

    assert await nodes.presence({}).troubles() == {}
    assert nodes.asked == 0


async def test_what_was_found_just_now_is_not_asked_anew() -> None:
    nodes = Nodes()
    presence = nodes.presence()
    await presence.troubles()
    nodes.why = "gone"
    nodes.now_s += FRESH_S - 0.1

    assert (await presence.troubles(), nodes.asked) == ({}, 1)


async def test_what_was_found_lately_is_told_while_it_is_asked_anew() -> None:
    nodes = Nodes()
    presence = nodes.presence()
    await presence.troubles()
    nodes.why = "gone"
    nodes.may_answer.clear()
    nodes.now_s += FRESH_S

    told = [await presence.troubles() for _ in range(3)]
    await asyncio.sleep(0)
    asked = nodes.asked
    nodes.may_answer.set()
    nodes.now_s += STALE_S
    afterwards = await presence.troubles()

    assert told == [{}, {}, {}]
    assert asked == 2
    assert (afterwards, nodes.asked) == ({"far": "gone"}, 2)


async def test_many_at_once_ask_once_and_one_that_leaves_takes_nothing_away() -> None:
    nodes = Nodes()
    nodes.may_answer.clear()
    nodes.why = "gone"
    presence = nodes.presence()
    leaving, staying = (asyncio.create_task(presence.troubles()) for _ in range(2))
    await asyncio.sleep(0)

    leaving.cancel()
    await asyncio.wait([leaving])
    nodes.may_answer.set()

    assert (await staying, nodes.asked) == ({"far": "gone"}, 1)


async def test_closing_ends_a_question_that_is_under_way() -> None:
    nodes = Nodes()
    nodes.may_answer.clear()
    presence = nodes.presence()
    waiting = asyncio.create_task(presence.troubles())
    await asyncio.sleep(0)

    await presence.close()
    await asyncio.wait([waiting])

    assert waiting.cancelled()
